import { createHash } from 'node:crypto'
import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { isUnsaid, parseTyped, questionOf } from '../bot/parse-command.ts'
import { openKeyFiles } from '../adapters/key-files/key-files.ts'
import { execute } from '../core/commands/execute.ts'
import { hashOfKey } from '../core/commands/keys.ts'
import { greet } from '../core/commands/greet.ts'
import { signIn } from '../core/commands/sign-in.ts'
import type { Actor } from '../core/model/actor.ts'
import { pseudonymOf, systemActor } from '../core/model/actor.ts'
import { findKey } from '../core/store/api-key.ts'
import { Database } from '../core/store/database.ts'
import { grantRole, joinActors } from '../core/store/actor.ts'
import { listDecisions } from '../core/store/gate.ts'
import { finishErasures } from '../core/store/forget.ts'
import { openPeople } from '../core/store/keyring.ts'
import { findAuditBreak } from '../core/store/audit-chain.ts'
import { migrate } from '../core/store/migrate.ts'
import { erasures } from '../cron/erasures.ts'
import type { ServerConnection } from './support/administer.ts'
import { administer, openSession } from './support/administer.ts'
import { openChats, Wall } from './support/chats.ts'
import type { TestHouse } from './support/house.ts'
import {
  agreed,
  cardWhen,
  denied,
  isAtEnd,
  isAtGate,
  makeRepository,
  openTestHouse,
  startFactory,
} from './support/house.ts'
import { forgetKeys, keysOf, peopleOf } from './support/people.ts'
import { createEmptyDatabase } from './support/postgres.ts'
import { kind, pipelineOf, startRunOf } from './support/recipe.ts'
import type { Told } from './support/schedules.ts'
import { handsOn } from './support/schedules.ts'

const name = 'Canary Quillfeather'
const account = 'canary-4711-account'
const address = 'canary-private-chat-99'
const reason = 'the canary sings a reason'

const gated = pipelineOf(
  'gated',
  {
    page: kind(async (ctx) => {
      const artifact = await ctx.save('page', Buffer.from('page'), 'text/plain')
      const subject = { artifact, what: 'a page', risks: [], questions: [], changes: [], facts: [] }
      return { kind: 'done', output: null, artifacts: [artifact], subject }
    }),
  },
  {
    plan: () => [
      { type: 'step', id: 'page', kind: 'page', title: 'page' },
      {
        type: 'gate',
        id: 'gate',
        name: 'page',
        title: 'gate',
        judges: 'page',
        policy: { roles: ['approver'], quorum: 1, selfApproval: true, expiresAfterMs: null, remindEveryMs: null },
      },
    ],
  },
)

/** A run that the canary rejected, for a reason. */
async function rejectedByCanary(): Promise<{ house: TestHouse; canary: Actor; run: string; runId: string }> {
  const house = await openTestHouse({ gated })
  await greet(house.desk, { surface: 'telegram', account, label: name, address, isPrivate: true })
  const stranger = await signIn(house.desk, { surface: 'telegram', account, label: name })
  const canary: Actor = { ...stranger, roles: ['approver', 'admin'] }
  await house.work()
  const { id, handle } = await startRunOf(house, 'gated')
  await cardWhen(house, handle, isAtGate)
  agreed(await house.ask({ kind: 'reject', run: handle, gate: null, sha256: null, reason }, canary))
  await cardWhen(house, handle, isAtEnd)
  return { house, canary, run: handle, runId: id }
}

const approve = (run: string) => ({ kind: 'approve', run, gate: null, sha256: null }) as const

/** Every row of every table, or of all but one, as text, through a driver that is not the product's. */
async function dump(connection: ServerConnection, except = ''): Promise<string> {
  const tables = await administer(
    connection,
    `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
     where table_schema in ('app', 'audit', 'pii', 'public') and table_type = 'BASE TABLE'
       and table_schema || '.' || table_name <> '${except}'`,
  )
  const session = openSession(connection)
  try {
    const texts: string[] = []
    for (const table of tables) {
      const rows = await session.unsafe(`select t::text as line from ${String(table['name'])} t`)
      texts.push(...rows.map((row) => String(row['line'])))
    }
    return texts.join('\n')
  } finally {
    await session.end()
  }
}

/** Which of the texts are in files of the server's folder, everything written out first. */
async function inFiles(connection: ServerConnection, folder: string, texts: readonly string[]): Promise<string[]> {
  await administer(connection, 'select pg_switch_wal()')
  await administer(connection, 'checkpoint')
  const [row] = await administer(connection, 'show data_directory')
  const found = new Set<string>()
  for (const file of await readdir(join(String(row?.['data_directory']), folder), { withFileTypes: true })) {
    // A file may be recycled meanwhile.
    const bytes = file.isFile() ? await readFile(join(file.parentPath, file.name)).catch(() => Buffer.alloc(0)) : null
    for (const text of texts) if (bytes?.includes(text)) found.add(text)
  }
  return [...found]
}

const folderOf = async (connection: ServerConnection): Promise<string> => {
  const [row] = await administer(connection, 'select oid::text from pg_database where datname = current_database()')
  return join('base', String(row?.['oid']))
}

test('a name, an account and a reason are nowhere in the database and never were, while people read the name', async () => {
  const { house, run } = await rejectedByCanary()
  const card = await cardWhen(house, run, isAtEnd)
  expect(card.gates).toMatchObject([{ decidedBy: name }])
  expect(denied(await house.ask(approve(run))).message).toMatch(
    /^Gate page was already rejected by Canary Quillfeather at /,
  )
  const { connection } = house.database
  await administer(connection, `create table public.control as select 'the control canary' as told`)
  const rows = await dump(connection)
  expect(rows).toContain('the control canary')
  for (const secret of [name, account, address, reason]) {
    expect(rows).not.toContain(secret)
    expect(rows).not.toContain(Buffer.from(secret).toString('hex'))
  }
  const secrets = ['the control canary', name, account, address, reason]
  expect(await inFiles(connection, 'pg_wal', secrets)).toEqual(['the control canary'])
  expect(await inFiles(connection, await folderOf(connection), secrets)).toEqual(['the control canary'])
})

test('whose key was destroyed is somebody erased, and nothing fails', async () => {
  const { house, canary, run, runId } = await rejectedByCanary()
  const { connection } = house.database
  expect(await listDecisions(house.desk, runId)).toMatchObject([{ verdict: 'rejected', comment: reason }])
  await openKeyFiles(keysOf(connection.database)).destroy(canary.id)
  // As another process sees it, which remembers no key.
  const desk = { ...house.desk, people: await peopleOf(connection) }
  const ask = (command: Parameters<typeof execute>[2]) => execute(desk, house.actor, command, `after ${command.kind}`)
  expect(agreed(await ask({ kind: 'status', run, page: 1 }))).toMatchObject({
    card: {
      reason: 'Rejected at gate page.',
      startedBy: 'tester',
      gates: [{ verdict: 'rejected', decidedBy: 'somebody erased' }],
    },
  })
  expect(denied(await ask(approve(run))).message).toContain('was already rejected by somebody erased at ')
  expect(await listDecisions(desk, runId)).toMatchObject([{ verdict: 'rejected', comment: null }])
  expect(await signIn(desk, { surface: 'telegram', account, label: name })).toMatchObject({
    id: canary.id,
    label: 'somebody erased',
  })
})

test('what was asked cannot be guessed from what is kept of it, and what an older version answered hears the same', async () => {
  const house = await openTestHouse()
  const { connection } = house.database
  const command = { kind: 'reject', run: 'zzzz', gate: null, sha256: null, reason: '+49 30 1234567' } as const
  const guess = createHash('sha256')
    .update(JSON.stringify([house.actor.id, command]))
    .digest('hex')
  const first = await house.ask(command, house.actor, 'one')
  const [kept] = await administer(connection, 'select body_sha256 from app.inbox')
  expect(kept?.['body_sha256']).toMatch(/^[0-9a-f]{64}$/)
  expect(kept?.['body_sha256']).not.toBe(guess)
  await administer(connection, `update app.inbox set body_sha256 = '${guess}'`)
  expect(await house.ask(command, house.actor, 'one')).toEqual(first)
  const other = await house.ask({ ...command, reason: '+49 30 7654321' }, house.actor, 'one')
  expect(denied(other).message).toContain('used for something else')
})

const privacyOf = (verb: 'export' | 'erase', who: string | null = null) =>
  ({ kind: 'privacy', verb, who, confirm: who !== null }) as const

test('an export has everything of one person and nothing of another, and is on record; others need a data steward', async () => {
  const { house, canary } = await rejectedByCanary()
  const other = {
    surface: 'telegram',
    account: 'other-account',
    label: 'Other Wren',
    address: 'other-chat',
    isPrivate: true,
  }
  const wren = await greet(house.desk, other)
  agreed(await house.ask({ kind: 'key', verb: 'add', name: 'canary-laptop', scopes: ['read'] }, canary))
  agreed(
    await house.ask({ kind: 'key', verb: 'add', name: 'wren-laptop', scopes: ['read'] }, { ...wren, roles: ['admin'] }),
  )
  agreed(await house.ask({ kind: 'delegate', who: pseudonymOf(wren.id), hours: 5 }, canary))
  const there = {
    ...(await greet(house.desk, { ...other, surface: 'telegram', account, address, label: name })),
    roles: canary.roles,
  }
  agreed(await house.ask({ kind: 'quiet', from: '22:00', to: '07:00', zone: 'Europe/Berlin' }, there))
  agreed(await house.ask({ kind: 'subscribe', project: null, level: 'decisions' }, there))
  const steward: Actor = { ...wren, roles: ['data_steward'] }
  const own = agreed(await house.ask(privacyOf('export'), canary))
  const theirs = agreed(await house.ask(privacyOf('export', pseudonymOf(canary.id)), steward))
  if (own.kind !== 'file' || theirs.kind !== 'file') throw new Error(own.kind)
  for (const { text } of [own, theirs])
    for (const known of [name, account, address, reason, 'canary-laptop', 'Europe/Berlin', '"decisions"', 'rejected'])
      expect(text).toContain(known)
  for (const foreign of ['Other Wren', 'other-account', 'other-chat', 'wren-laptop', wren.id])
    expect(own.text).not.toContain(foreign)
  expect(JSON.parse(own.text)).toMatchObject({
    person: pseudonymOf(canary.id),
    accounts: [{ surface: 'telegram', account, label: name }],
    delegations: [{ from: pseudonymOf(canary.id), to: pseudonymOf(wren.id) }],
    remarks: [{ text: reason }],
    decisions: [{ gate: 'page', choice: 'rejected', remark: expect.any(String) }],
  })
  expect(JSON.parse(theirs.text)).toMatchObject({
    audit: expect.arrayContaining([expect.objectContaining({ action: 'person.export', by: pseudonymOf(canary.id) })]),
  })
  for (const verb of ['export', 'erase'] as const)
    expect(
      denied(await house.ask(privacyOf(verb, pseudonymOf(canary.id)), { ...wren, roles: ['admin', 'auditor'] })).code,
    ).toBe('not_allowed')
})

test('erasing asks first, goes on after breaking off at any stage, and leaves no name anywhere while history stands', async () => {
  const { house, canary, run, runId } = await rejectedByCanary()
  const { connection } = house.database
  const wall = new Wall('wall')
  const chats = openChats(house, [wall])
  agreed(await chats.reception.ask(chats.caller('wall', 'watcher'), { kind: 'whoami' }))
  await administer(
    connection,
    `insert into app.cards (run_id, id, key, destination_id, kind, subject)
    select '${runId}', '${runId}', 'key', d.id, 'run', '${runId}' from app.destinations d where d.surface = 'wall'`,
  )
  await chats.settle()
  const shown = () =>
    wall
      .read('private watcher')
      .map(({ lines }) => lines.join(' '))
      .join(' ')
  expect(shown()).toContain(name)
  agreed(await house.ask({ kind: 'key', verb: 'add', name: 'canary-laptop', scopes: ['read'] }, canary))
  const pseudonym = pseudonymOf(canary.id)
  const another = '00000000-0000-7000-8000-0000000000aa'
  await administer(
    connection,
    `insert into app.model_texts (run_id, sha256, text, is_redacted)
     values ('${runId}', repeat('a', 64), '${reason}', false), ('${another}', repeat('a', 64), 'of nobody', false)`,
  )
  const [before] = await administer(connection, 'select count(*)::integer as rows from audit.entries')

  expect(agreed(await house.ask(privacyOf('erase'), canary))).toMatchObject({ stage: 'asked', pseudonym })
  expect(agreed(await house.ask({ ...privacyOf('erase'), confirm: true }, canary))).toMatchObject({ stage: 'asked' })
  expect(await house.desk.people.find(house.db, { surface: 'telegram', account })).toMatchObject({ label: name })

  // Killed before the key was destroyed, then after it, then while rows were being removed.
  const keys = openKeyFiles(keysOf(connection.database))
  const killed = () => Promise.reject(new Error('killed'))
  for (const destroy of [killed, (subject: string) => keys.destroy(subject).then(killed)]) {
    const people = await openPeople(connection, { ...keys, destroy })
    const erase = execute({ ...house.desk, people }, canary, privacyOf('erase', pseudonym), 'erase')
    await expect(erase).rejects.toThrow('killed')
  }
  await administer(connection, 'alter table app.prompts rename to hidden')
  await expect(finishErasures(house.db, house.desk.people)).rejects.toThrow('prompts')
  await administer(connection, 'alter table app.hidden rename to prompts')
  await Promise.all([finishErasures(house.db, house.desk.people), finishErasures(house.db, house.desk.people)])

  expect(agreed(await house.ask(privacyOf('erase', pseudonym), canary))).toMatchObject({ stage: 'before' })
  const texts = await administer(connection, 'select run_id, text from app.model_texts')
  expect(texts, 'what was written may stand in the questions of its run').toEqual([
    { run_id: another, text: 'of nobody' },
  ])
  await chats.settle()
  expect(shown()).not.toContain(name)
  expect(shown()).toContain('somebody erased')
  expect(await house.desk.people.find(house.db, { surface: 'telegram', account })).toBeNull()
  expect(await administer(connection, 'select label, revoked_at is not null as is_over from app.api_keys')).toEqual([
    { label: 'erased', is_over: true },
  ])
  expect(
    await administer(
      connection,
      `select d.state, (select count(*)::integer from pii.addresses a where a.destination_id = d.id) as addresses
    from app.destinations d where d.actor_id = '${canary.id}'`,
    ),
  ).toEqual([{ state: 'closed', addresses: 0 }])
  expect(await listDecisions(house.desk, runId)).toMatchObject([{ verdict: 'rejected', comment: null, pseudonym }])
  expect(await cardWhen(house, run, isAtEnd)).toMatchObject({ state: 'rejected' })
  expect(
    await administer(
      connection,
      `select action from audit.entries where seq > ${String(before?.['rows'])} order by seq`,
    ),
  ).toEqual([{ action: 'person.erase' }, { action: 'person.erased' }])
  expect(await findAuditBreak(house.db, null)).toBeNull()
  const again = await greet(house.desk, { surface: 'telegram', account, label: name, address, isPrivate: true })
  expect(again.id).not.toBe(canary.id)
  expect(again.roles).toEqual([])
})

/** What of a person a backup of the database holds. */
const tables = [
  'pii.identities',
  'pii.addresses',
  'pii.erasures',
  'app.actor_roles',
  'app.api_keys',
  'app.destinations',
  'app.model_texts',
]

const copyOf = (table: string): string => `public.${table.replace('.', '_')}`

const backUp = (connection: ServerConnection) =>
  administer(connection, tables.map((table) => `create table ${copyOf(table)} as select * from ${table};`).join(' '))

const restore = (connection: ServerConnection) =>
  administer(
    connection,
    `set session_replication_role = replica;
     ${tables.map((table) => `delete from ${table}; insert into ${table} select * from ${copyOf(table)};`).join(' ')}`,
  )

test.each(['before the erasure', 'after it, in part'])(
  'a backup that was put back (%s) brings nobody back: neither rights nor keys, places or texts',
  async (kindOfBackup) => {
    const { house, canary, runId } = await rejectedByCanary()
    const { connection } = house.database
    for (const role of ['approver', 'admin'] as const) await house.db.run(grantRole, { actor: canary.id, role })
    const other = await signIn(house.desk, { surface: 'telegram', account: 'other', label: 'other' })
    await house.db.run(joinActors, { from: other.id, to: canary.id })
    const made = agreed(
      await house.ask({ kind: 'key', verb: 'add', name: 'canary-laptop', scopes: ['decide'] }, canary),
    )
    const sha256 = made.kind === 'key_made' ? hashOfKey(made.secret) : ''
    await administer(
      connection,
      `insert into app.model_texts (run_id, sha256, text, is_redacted) values ('${runId}', repeat('a', 64), '${reason}', false)`,
    )
    await backUp(connection)
    agreed(await house.ask(privacyOf('erase', pseudonymOf(canary.id)), canary))
    if (kindOfBackup !== 'before the erasure')
      await administer(
        connection,
        `delete from public.pii_erasures; insert into public.pii_erasures select * from pii.erasures`,
      )
    await restore(connection)
    const there = { surface: 'telegram', account }
    expect(await house.db.run(findKey, { sha256 }), 'the backup is back').toHaveLength(1)
    expect(await house.desk.people.find(house.db, there), 'whose key is gone may do nothing').toMatchObject({
      roles: [],
    })

    const told: Told[] = []
    const hands = handsOn(house.database, told)
    const both = await Promise.all([erasures.work(hands), erasures.work(hands)])
    expect(both.map(({ repeated }) => Number(repeated)).reduce((sum, each) => Math.max(sum, each))).toBe(1)
    expect(told[0]).toMatchObject({ level: 'warn', fields: { repeated: 1 } })
    expect(await house.db.run(findKey, { sha256 })).toEqual([])
    expect(await house.desk.people.find(house.db, there)).toBeNull()
    expect(await house.desk.people.find(house.db, { surface: 'telegram', account: 'other' })).toBeNull()
    expect(
      await administer(
        connection,
        `select (select count(*)::integer from app.actor_roles where actor_id = '${canary.id}' and revoked_at is null) as roles,
           (select count(*)::integer from pii.identities where actor_id = '${canary.id}') as identities,
           (select count(*)::integer from pii.addresses where subject_id = '${canary.id}') as addresses,
           (select count(*)::integer from app.destinations where actor_id = '${canary.id}' and state = 'open') as places,
           (select count(*)::integer from app.model_texts) as texts,
           (select count(*)::integer from pii.erasures where done_at is null) as open`,
      ),
    ).toEqual([{ roles: 0, identities: 0, addresses: 0, places: 0, texts: 0, open: 0 }])
    expect(await erasures.work(hands), 'once is enough').toEqual({ finished: 0, repeated: 0 })
    expect(
      await administer(
        connection,
        `select distinct action, detail from audit.entries where actor_id = '${systemActor}' and action like 'person.%' order by action`,
      ),
    ).toEqual([
      { action: 'person.erase', detail: { because: 'their key was destroyed before' } },
      ...(kindOfBackup === 'before the erasure' ? [{ action: 'person.erased', detail: {} }] : []),
    ])
    expect(await findAuditBreak(house.db, null)).toBeNull()
  },
)

test('what was asked for with changes stays in the documents under a pseudonym, as who is asked is told; the words themselves go', async () => {
  const house = await openTestHouse()
  await greet(house.desk, { surface: 'telegram', account, label: name, address, isPrivate: true })
  const stranger = await signIn(house.desk, { surface: 'telegram', account, label: name })
  const canary: Actor = { ...stranger, roles: ['approver'] }
  await house.work()
  const folder = await makeRepository(house, 'shop', {
    'README.md': '# Shop\n\nA shop for parts.\n\n- It must sell.\n',
  })
  const run = await startFactory(house, folder)
  await cardWhen(house, run, isAtGate)
  const asked = parseTyped(['changes', run])
  expect(asked.ok && isUnsaid(asked.value) ? questionOf(asked.value) : '').toBe(
    `What should change in run ${run}? It becomes part of the documents: say nothing about people.`,
  )
  const wish = 'the canary wants a seed counter'
  agreed(await house.ask({ kind: 'changes', run, gate: null, sha256: null, reason: wish }, canary))
  await cardWhen(house, run, (card) => card.gates.length === 2 && isAtGate(card))
  agreed(await house.ask(privacyOf('erase', pseudonymOf(canary.id)), canary))
  const document = agreed(await house.ask({ kind: 'artifacts', run, name: 'ANCHOR.md' }))
  const text = document.kind === 'file' ? document.text : ''
  expect(text).toContain(wish)
  expect(text).toContain(pseudonymOf(canary.id))
  for (const personal of [name, account, address]) expect(text).not.toContain(personal)
  const { connection } = house.database
  expect(await dump(connection, 'app.gates'), 'only the document has it, and the gate that shows it').not.toContain(
    wish,
  )
  expect(await administer(connection, 'select from app.model_texts')).toEqual([])
  const desk = { ...house.desk, people: await peopleOf(connection) }
  const [{ id: runId } = {}] = await administer(connection, 'select id from app.runs')
  expect(await listDecisions(desk, String(runId))).toMatchObject([{ verdict: 'changes_requested', comment: null }])
})

test('the last admin stays until somebody else is admin, and a data steward may forget others', async () => {
  const house = await openTestHouse()
  const own = privacyOf('erase', pseudonymOf(house.actor.id))
  expect(denied(await house.ask(own))).toMatchObject({ code: 'wrong_state', next: 'Make somebody else admin first.' })
  expect(await administer(house.database.connection, 'select from pii.erasures')).toEqual([])
  const other = await signIn(house.desk, { surface: 'terminal', account: 'other', label: 'other' })
  agreed(await house.ask({ kind: 'actor', verb: 'role', who: pseudonymOf(other.id), grant: ['admin'], revoke: [] }))
  const steward: Actor = { ...other, roles: ['data_steward'] }
  expect(agreed(await house.ask(own, steward))).toMatchObject({ stage: 'done' })
  expect(
    agreed(
      await house.ask({ kind: 'actor', verb: 'list', who: '', grant: [], revoke: [] }, { ...other, roles: ['admin'] }),
    ),
  ).toMatchObject({
    people: [{ label: 'other' }, { label: 'somebody erased', roles: [], surfaces: [] }],
  })
  const inGroup = { surface: 'telegram', account: 'x', label: 'x', address: 'group', isPrivate: false, deliveryId: '1' }
  const { reception } = openChats(house, [])
  expect(denied(await reception.ask(inGroup, privacyOf('export'))).next).toContain('in private')
})

test('a person is called what the terminal calls them, else what their oldest account does', async () => {
  const { db, desk } = await openTestHouse()
  const accounts = ['slack', 'telegram', 'terminal'].map((surface) => ({ surface, account: 'a', label: surface }))
  const people = []
  for (const each of accounts) people.push(await signIn(desk, each))
  const [slack, telegram, terminal] = people.map(({ id }) => id)
  const called = async () => [...(await desk.people.labelsOf(db, [slack ?? null, slack ?? null, null])).values()]
  await db.run(joinActors, { from: telegram ?? '', to: slack ?? '' })
  expect(await called()).toEqual(['slack'])
  await db.run(joinActors, { from: terminal ?? '', to: slack ?? '' })
  expect(await called()).toEqual(['terminal'])
})

test('without the keys of a database nothing starts: neither with none nor with those of another', async () => {
  const house = await openTestHouse()
  const { connection } = house.database
  const dir = await mkdtemp(join(tmpdir(), 'qp-keys-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  await expect(peopleOf(connection, dir)).rejects.toThrow(
    `The key ${join(dir, 'lookup')} is missing, and what it sealed cannot be read without it: put the folder of keys back from its backup`,
  )
  expect(await readdir(dir)).toEqual([])
  await openKeyFiles(dir).lookup(true)
  await expect(peopleOf(connection, dir)).rejects.toThrow('The folder of keys belongs to another database')
})

/** How many accounts are in plain text, how many sealed, and what the database says of that. */
const left = `
  select (select count(*)::integer from pii.accounts) as accounts,
    (select count(*)::integer from pii.identities) as sealed, is_plain
  from pii.keyring`

/** The migrations up to the one that seals, and all of them. */
async function migrationsUntilSealed(): Promise<{ before: string; all: string }> {
  const all = join(import.meta.dirname, '../migrations')
  const before = await mkdtemp(join(tmpdir(), 'qp-migrations-'))
  onTestFinished(() => rm(before, { recursive: true, force: true }))
  const files = (await readdir(all)).filter((file) => file.endsWith('.sql')).toSorted()
  for (const file of files.slice(
    0,
    files.findIndex((each) => each.endsWith('_sealed.sql')),
  ))
    await copyFile(join(all, file), join(before, file))
  return { before, all }
}

test('what an older version left in plain text is sealed whole or not at all, once, by whoever comes first, and leaves no trace in the tables', async () => {
  const { connection, drop } = await createEmptyDatabase()
  onTestFinished(async () => {
    await drop()
    await forgetKeys(connection.database)
  })
  const { before, all } = await migrationsUntilSealed()
  const bringTo = (folder: string) => migrate({ connection, folder, log: () => undefined })
  await bringTo(before)
  const id = '00000000-0000-7000-8000-00000000000a'
  // The log of the server keeps what it was told: these are words of their own.
  const old = { account: 'old-canary-account', name: 'Old Quillfeather', reason: 'an old reason' }
  await administer(connection, `insert into app.actors (id, kind) values ('${id}', 'person')`)
  await administer(
    connection,
    `insert into pii.accounts (surface, account, actor_id, label, linked_at)
     values ('terminal', '${old.account}', '${id}', '${old.name}', '2026-01-02Z')`,
  )
  await administer(
    connection,
    `insert into pii.remarks (id, actor_id, body) values ('${id}', '${id}', '${old.reason}')`,
  )
  const secrets = Object.values(old)
  expect(await inFiles(connection, await folderOf(connection), secrets)).toHaveLength(3)
  await bringTo(all)

  // One that breaks off half way has changed nothing.
  const keys = openKeyFiles(keysOf(connection.database))
  let made = 0
  const breaking = {
    ...keys,
    make: (subject: string) => (++made < 3 ? keys.make(subject) : Promise.reject(new Error('killed'))),
  }
  await expect(openPeople(connection, breaking)).rejects.toThrow('killed')
  expect(await administer(connection, left)).toEqual([{ accounts: 1, sealed: 0, is_plain: true }])

  const holder = openSession(connection)
  onTestFinished(() => holder.end())
  await holder.unsafe('begin')
  await holder.unsafe('select pg_advisory_xact_lock(7081, 6)')
  const both = [peopleOf(connection), peopleOf(connection)]
  while (
    (
      await administer(
        connection,
        `select from pg_stat_activity where wait_event = 'advisory' and datname = current_database()`,
      )
    ).length < 2
  )
    await delay(10)
  await holder.unsafe('rollback')
  const [people] = await Promise.all(both)

  const db = new Database(connection, { name: 'look', role: null, poolSize: 1, onIdleError: () => undefined })
  onTestFinished(() => db.close())
  expect(await people?.find(db, { surface: 'terminal', account: old.account })).toMatchObject({
    actorId: id,
    label: old.name,
  })
  const [remark] = await administer(connection, 'select sealed, body from pii.remarks')
  expect(remark?.['body']).toBeNull()
  expect(await people?.openRemark(id, remark?.['sealed'] as Buffer)).toBe(old.reason)
  expect(await administer(connection, `select linked_at = '2026-01-02Z' as is_kept from pii.identities`)).toEqual([
    { is_kept: true },
  ])
  expect(await administer(connection, left)).toEqual([{ accounts: 0, sealed: 1, is_plain: false }])
  expect(await inFiles(connection, await folderOf(connection), secrets)).toEqual([])
})
