import { expect, onTestFinished, test } from 'vitest'
import type { Database } from '../../core/store/database.ts'
import { checkInvariants } from '../../core/store/invariants.ts'
import { purgerRole } from '../../core/store/role.ts'
import { declared } from '../../core/store/statement.ts'
import { gateEscalation } from '../../cron/gate-escalation.ts'
import { gateReminders } from '../../cron/gate-reminders.ts'
import { retention } from '../../cron/retention.ts'
import { rollup } from '../../cron/rollup.ts'
import { Scheduler } from '../../cron/scheduler.ts'
import { administer, openSession } from '../support/administer.ts'
import { agreed, cardWhen, isAtEnd, isAtGate, makeRepository, openTestHouse, startFactory } from '../support/house.ts'
import { Fate, Life, MortalDatabase, writes } from '../support/mortal.ts'
import type { TestDatabase } from '../support/postgres.ts'
import { copyTestDatabase, createTestDatabase, freezeClock } from '../support/postgres.ts'
import type { Told } from '../support/schedules.ts'
import { handsOn, isOfSchedules, openAs } from '../support/schedules.ts'

const day = 86_400_000
const now = new Date('2026-06-15T03:00:00Z')
const before = (days: number): Date => new Date(now.getTime() - days * day)

type Grave = {
  /** When it began; it ended an hour later. */
  readonly days: number
  readonly retentionDays?: number
  readonly isOpen?: boolean
  readonly parent?: string
  readonly isUnsent?: boolean
}

/** Writes a run as the engine leaves one behind, with a row in every table that a run has rows in. */
async function lay({ connection }: TestDatabase, name: string, grave: Grave): Promise<string> {
  const began = before(grave.days).toISOString()
  const ended = new Date(before(grave.days).getTime() + 3_600_000).toISOString()
  const sha = `encode(sha256(convert_to('${name}', 'UTF8')), 'hex')`
  const output = grave.retentionDays === undefined ? '{}' : `{"retentionDays": ${grave.retentionDays}}`
  const [row] = await administer(
    connection,
    `with r as (
       insert into app.runs (id, pipeline, pipeline_version, started_by, correlation_id, parent_id, state, event_seq, attempt, fence, created_at, finished_at)
       values ((left(app.uuid_floor('${began}')::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid, '${name}', 1,
         gen_random_uuid(), gen_random_uuid(), ${grave.parent ? `'${grave.parent}'` : 'null'},
         '${grave.isOpen ? 'queued' : 'succeeded'}', 1, 2, 1, '${began}', ${grave.isOpen ? 'null' : `'${ended}'`})
       returning id),
     p as (insert into app.plans (run_id, version, input, steps) select id, 1, '{}', '[]' from r),
     a as (insert into app.attempts (run_id, position, attempt, step_id, outcome, output, fence)
       select id, 0, 1, 'read', 'done', '${output}', 1 from r),
     e as (insert into app.events (run_id, seq, kind, payload)
       select id, 1, 'run_completed', '{"state": "${grave.isOpen ? 'queued' : 'succeeded'}", "position": 0}' from r),
     m as (insert into pii.remarks (id, actor_id, body)
       select gen_random_uuid(), '00000000-0000-7000-8000-000000000000', '${name}' from r returning id),
     g as (insert into app.gates (run_id, id, kind, name, subject, policy, verdict, decided_at, remark_id)
       select r.id, gen_random_uuid(), 'plan', 'anchor', '{}', '{}', 'expired', now(), m.id from r, m),
     v as (insert into app.votes (run_id, gate_id, actor_id, choice, surface, delivery_id)
       select id, gen_random_uuid(), gen_random_uuid(), 'approved', 'terminal', '1' from r),
     s as (insert into app.signals (run_id, id, name, payload) select id, gen_random_uuid(), 's', '{}' from r),
     o as (insert into app.outbox (run_id, id, topic, payload, sent_at)
       select id, gen_random_uuid(), 'run_completed', '{}', ${grave.isUnsent ? 'null' : 'now()'} from r),
     f as (insert into app.effects (run_id, key, step_id, kind, target, state, undo) select id, 'k', 's', 'k', '{}', 'planned', '' from r),
     b as (insert into app.budgets (scope, scope_id, cap_micros, cap_tokens) select 'run', id, 0, 0 from r),
     w as (insert into app.reservations (run_id, id, step_id, purpose, reserved_micros, reserved_tokens)
       select id, gen_random_uuid(), 's', 'p', 0, 0 from r),
     c as (insert into app.model_calls
       (run_id, id, step_id, model, max_output_tokens, question_sha256, question_bytes, duration_ms, outcome)
       select id, id, 's', 'm', 1, ${sha}, 0, 1, 'answered' from r),
     t as (insert into app.model_texts (run_id, sha256, text, is_redacted) select id, ${sha}, 'why', false from r),
     z as (insert into app.progress (run_id, step_id, text) select id, 's', 'at it' from r),
     x as (insert into app.artifacts (sha256, bytes, media_type, created_at) values (${sha}, '', 'text/plain', '${began}'), 
       (encode(sha256('shared'), 'hex'), '', 'text/plain', '${began}') on conflict do nothing),
     n as (insert into app.run_artifacts (run_id, name, step_id, sha256, size_bytes)
       select id, 'own', 's', ${sha}, 0 from r union all
       select id, 'shared', 's', encode(sha256('shared'), 'hex'), 0 from r)
     select id from r`,
  )
  return String(row?.['id'])
}

async function openDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  await freezeClock(database, now)
  return database
}

/** Names of the runs that are left. */
const left = async ({ connection }: TestDatabase): Promise<unknown[]> =>
  (await administer(connection, 'select pipeline from app.runs order by pipeline')).map((row) => row['pipeline'])

/** Writes what came in on a day, dealt with an hour later, and put aside as well. */
async function receive({ connection }: TestDatabase, days: number): Promise<void> {
  const at = `'${before(days).toISOString()}'::timestamptz`
  await administer(
    connection,
    `with asked as (
       insert into app.inbox (source, delivery_id, body_sha256, reply, received_at)
       values ('slack', '${days}', '', '{}', ${at})),
     aside as (
       insert into app.quarantine (source, delivery_id, body, why, at) values ('slack', '${days}', '{}', 'odd', ${at}))
     insert into app.intake
       (source, delivery_id, topic, semantic_key, body_sha256, body, received_at, done_at, quarantined_at, why)
     values
       ('github', '${days} done', 'push', '${days} done', '', null, ${at}, ${at} + interval '1 hour', null, null),
       ('github', '${days} aside', 'push', '${days} aside', '', '{}', ${at}, null, ${at} + interval '1 hour', 'odd'),
       ('github', '${days} waiting', 'push', '${days} waiting', '', '{}', ${at}, null, null, null)`,
  )
}

/** What is left of all that came in. */
const receivedIn = async ({ connection }: TestDatabase): Promise<Readonly<Record<string, unknown>>> => {
  const ids = (table: string, at: string): string =>
    `(select string_agg(delivery_id, ', ' order by ${at}, delivery_id) from app.${table}) as ${table}`
  const received = [ids('inbox', 'received_at'), ids('intake', 'received_at'), ids('quarantine', 'at')]
  const [row] = await administer(connection, `select ${received.join(', ')}`)
  return row ?? {}
}

/** How many rows there are of runs in each table that has some, and how many audit entries. */
async function countRows({ connection }: TestDatabase): Promise<Readonly<Record<string, unknown>>> {
  const tables = `plans attempts events gates votes signals outbox effects reservations run_artifacts budgets artifacts model_calls model_texts progress`
  const counts = tables.split(' ').map((table) => `(select count(*)::integer from app.${table}) as ${table}`)
  const remarks = '(select count(*)::integer from pii.remarks) as remarks'
  const [row] = await administer(connection, `select ${[...counts, remarks].join(', ')}`)
  return row ?? {}
}

const purgesIn = async ({ connection }: TestDatabase): Promise<string[]> =>
  (
    await administer(
      connection,
      `select x.value #>> '{}' as run from audit.entries e cross join jsonb_array_elements(e.detail->'runs') x(value)
       where e.action = 'run.purge'`,
    )
  ).map((row) => String(row['run']))

const purge = (database: TestDatabase, purger: Database | null = openAs(database, purgerRole), told: Told[] = []) =>
  retention.work({ ...handsOn(database, told), purger })

test('a finished run goes when the days of its project are over, and not an hour before', async () => {
  const database = await openDatabase()
  await lay(database, 'ninety by default, over', { days: 90.05 })
  await lay(database, 'ninety by default, not over', { days: 89.9 })
  await lay(database, 'thirty, over', { days: 30.05, retentionDays: 30 })
  await lay(database, 'thirty, not over', { days: 29.9, retentionDays: 30 })
  await lay(database, 'a year, not over', { days: 364, retentionDays: 365 })
  await lay(database, 'more than there is time', { days: 200, retentionDays: 1e15 })
  await lay(database, 'none, a day ago', { days: 1, retentionDays: 0 })
  await lay(database, 'none, two days ago', { days: 2, retentionDays: 0 })
  const open = await lay(database, 'open for years', { days: 900, isOpen: true, retentionDays: 1 })
  await lay(database, 'child of an open one', { days: 800, parent: open, retentionDays: 1 })
  const old = await lay(database, 'parent, a year', { days: 200, retentionDays: 365 })
  await lay(database, 'child of a kept one', { days: 200, parent: old })
  await lay(database, 'not told yet', { days: 95, isUnsent: true })
  await lay(database, 'not told for a week', { days: 97.1, isUnsent: true })
  expect(await purge(database)).toMatchObject({ runs: 4 })
  expect(await left(database)).toEqual([
    'a year, not over',
    'child of a kept one',
    'child of an open one',
    'more than there is time',
    'ninety by default, not over',
    'none, a day ago',
    'not told yet',
    'open for years',
    'parent, a year',
    'thirty, not over',
  ])
  expect(await purge(database), 'a second purge').toMatchObject({ runs: 0, artifacts: 0, months: 0 })
  expect(await purgesIn(database)).toHaveLength(4)
})

test('the server’s own limit holds over what a project asks for', async () => {
  const database = await openDatabase()
  await lay(database, 'a year', { days: 40, retentionDays: 365 })
  await lay(database, 'default', { days: 40 })
  await lay(database, 'younger', { days: 20 })
  await retention.work({ ...handsOn(database), retentionDays: 30 })
  expect(await left(database)).toEqual(['younger'])
})

test('nothing that a run left stays, nothing of another run goes, and the audit says what went', async () => {
  const database = await openDatabase()
  const gone = await lay(database, 'gone', { days: 100 })
  await lay(database, 'kept', { days: 10 })
  await administer(
    database.connection,
    `insert into app.artifacts (sha256, bytes, media_type, created_at) values
    (repeat('a', 64), '', '', '${before(3).toISOString()}'), (repeat('b', 64), '', '', '${before(0.5).toISOString()}')`,
  )
  const rows = await countRows(database)
  expect(rows).toMatchObject({ plans: 2, events: 2, remarks: 2, run_artifacts: 4, artifacts: 5 })
  expect(await purge(database)).toMatchObject({ runs: 1, artifacts: 2 })
  const one = Object.fromEntries(Object.keys(rows).map((table) => [table, 1]))
  // Its own bytes, those it shared, and those that somebody saved half a day ago.
  expect(await countRows(database)).toEqual({ ...one, run_artifacts: 2, artifacts: 3 })
  expect(await purgesIn(database)).toEqual([gone])
  expect(Object.values(await checkInvariants(openAs(database, null))).flat()).toEqual([])
})

test('bytes that are saved again while nobody names them outlive the purge that looks at them', async () => {
  const database = await openDatabase()
  await administer(
    database.connection,
    `insert into app.artifacts (sha256, bytes, media_type, created_at, saved_at)
     values (repeat('a', 64), '', '', '${before(300).toISOString()}', '${before(0.1).toISOString()}')`,
  )
  expect(await purge(database)).toMatchObject({ artifacts: 0 })
  await freezeClock(database, new Date(now.getTime() + day))
  expect(await purge(database)).toMatchObject({ artifacts: 1 })
})

test('what came in is forgotten once nobody sends it again, and what was put aside after ninety days', async () => {
  const database = await openDatabase()
  for (const days of [0.9, 3.1, 6.9, 8, 89.9, 91]) await receive(database, days)
  expect(await purge(database)).toMatchObject({ deliveries: 3 + 3 + 1 + 1 })
  expect(await receivedIn(database)).toEqual({
    inbox: '6.9, 3.1, 0.9',
    intake: [
      '91 waiting, 89.9 aside, 89.9 waiting, 8 aside, 8 waiting, 6.9 aside, 6.9 done, 6.9 waiting',
      '3.1 aside, 3.1 done, 3.1 waiting, 0.9 aside, 0.9 done, 0.9 waiting',
    ].join(', '),
    quarantine: '89.9, 8, 6.9, 3.1, 0.9',
  })
  expect(await purge(database), 'a second purge').toMatchObject({ deliveries: 0 })
})

test('a question, a code and a delegation are forgotten a month after they lapsed', async () => {
  const database = await openDatabase()
  const people = `insert into app.actors (id, kind) values (gen_random_uuid(), 'person') returning id`
  for (const days of [29, 31]) {
    const at = `'${before(days).toISOString()}'::timestamptz`
    await administer(
      database.connection,
      `with a as (${people}), b as (${people}),
       p as (insert into app.prompts (destination_id, prompt, actor_id, command, asked_at)
         select gen_random_uuid(), '${days}', id, '{}', ${at} from a),
       c as (insert into app.link_codes (code_sha256, roles, expires_at)
         values (encode(sha256('${days}'), 'hex'), '{}', ${at}))
       insert into app.delegations (from_actor, to_actor, until) select a.id, b.id, ${at} from a, b`,
    )
  }
  expect(await purge(database)).toMatchObject({ lapsed: 3 })
  const left = `select (select string_agg(prompt, ', ') from app.prompts) as prompts,
    (select count(*)::integer from app.link_codes) as codes, (select count(*)::integer from app.delegations) as delegations`
  expect(await administer(database.connection, left)).toEqual([{ prompts: '29', codes: 1, delegations: 1 }])
})

test('of thousands that came in each page is walked over once', async () => {
  const database = await openDatabase()
  await administer(
    database.connection,
    `insert into app.inbox (source, delivery_id, body_sha256, reply, received_at)
     select (array['http', 'slack', 'telegram'])[n % 3 + 1], n::text, '', '{}',
       app.clock_now() - case when n % 2 = 0 then interval '8 days' else interval '6 days' end
     from generate_series(1, 2001) n`,
  )
  expect(await purge(database)).toMatchObject({ deliveries: 1000 })
  expect(await administer(database.connection, 'select count(*)::integer as rows from app.inbox')).toEqual([
    { rows: 1001 },
  ])
})

/** A database with partitions for each month from 2026-01 on. */
async function openPartitioned(): Promise<TestDatabase> {
  const database = await openDatabase()
  await freezeClock(database, new Date('2026-01-10T00:00:00Z'))
  await administer(database.connection, 'select app.ensure_partitions(6)')
  await freezeClock(database, now)
  return database
}

const months = async ({ connection }: TestDatabase): Promise<unknown[]> =>
  (await administer(connection, `select relname from pg_class where relname ~ '^events_2026_..$' order by 1`)).map(
    (row) => String(row['relname']).slice(-2),
  )

test('a month of history goes at once when all its runs are over, and by run while one stays', async () => {
  const database = await openPartitioned()
  await lay(database, 'january', { days: 150 })
  await lay(database, 'february, gone', { days: 115 })
  await lay(database, 'february, kept', { days: 115, retentionDays: 300 })
  await lay(database, 'june', { days: 3 })
  expect(await purge(database)).toMatchObject({ runs: 2, months: 4 })
  expect(await left(database)).toEqual(['february, kept', 'june'])
  // March, April and May never had a run.
  expect(await months(database)).toEqual(['02', '06', '07'])
  expect(await countRows(database)).toMatchObject({ events: 2, attempts: 2 })
})

test('history that began in the default partition goes with its run, also where the rest of its month has one of its own', async () => {
  const database = await openDatabase()
  await lay(database, 'january', { days: 150 })
  // Its run had begun, and no step of it had ended, when the first partitions were made.
  await administer(database.connection, 'delete from app.attempts')
  await freezeClock(database, new Date('2026-01-20T00:00:00Z'))
  await administer(database.connection, 'select app.ensure_partitions(0)')
  await freezeClock(database, now)
  expect(await purge(database)).toMatchObject({ runs: 1, months: 1 })
  expect(await countRows(database)).toMatchObject({ events: 0, attempts: 0 })
})

test('a month that somebody reads right now is not waited for long, and goes the next time', async () => {
  const database = await openPartitioned()
  await lay(database, 'january', { days: 150 })
  const reader = openSession(database.connection)
  onTestFinished(() => reader.end())
  await reader`begin`
  await reader`select * from app.events_2026_01`
  const told: Told[] = []
  await purge(database, undefined, told)
  expect(told.map(({ message, fields }) => [message, fields['month']])).toContainEqual([
    'a month of history is in use and is dropped another time',
    '2026_01',
  ])
  expect(await months(database)).toContain('01')
  await reader`commit`
  await purge(database)
  expect(await months(database)).not.toContain('01')
})

test('a month with a run in it cannot be dropped, whoever asks', async () => {
  const database = await openPartitioned()
  await lay(database, 'january', { days: 150 })
  const session = openSession(database.connection)
  onTestFinished(() => session.end())
  await session`set role qp_purger`
  expect(await session`select app.drop_month('2026_01') as dropped`).toMatchObject([{ dropped: false }])
  expect(await session`select app.drop_month('2026_06') as dropped`).toMatchObject([{ dropped: false }])
  await expect(session`select app.drop_month('2026_01; drop table app.runs')`).rejects.toMatchObject({ code: '22023' })
  expect(await months(database)).toContain('01')
})

test('a login that may remove nothing says who can change that', async () => {
  const database = await openDatabase()
  await expect(purge(database, null)).rejects.toThrow('have an administrator run GRANT qp_purger TO it')
})

/** Work for every schedule that changes something: what goes with its month, by run, and not at all; a gate; a dead tick. */
async function openGraveyard(): Promise<TestDatabase> {
  const database = await openPartitioned()
  await lay(database, 'january', { days: 150 })
  await lay(database, 'february, gone', { days: 115 })
  await lay(database, 'february, kept', { days: 115, retentionDays: 300 })
  const open = await lay(database, 'open', { days: 100, isOpen: true })
  await administer(
    database.connection,
    `insert into app.gates (run_id, id, kind, name, subject, policy, opened_at) values ('${open}', gen_random_uuid(), 'budget',
      'budget', '{}', '{"remindEveryMs": ${30 * day}, "escalation": {"afterMs": ${30 * day}, "roles": ["admin"]}}', '${before(40).toISOString()}')`,
  )
  await administer(
    database.connection,
    `insert into app.ticks (schedule, tick, started_at) values ('rollup', '2026-01-10', '2026-01-10')`,
  )
  await receive(database, 100)
  return database
}

const changing = [gateReminders, gateEscalation, rollup, retention]

/** Does what is due, as one process; a life that ends on the way never comes back from it. */
async function tick(database: TestDatabase, life: Life | null): Promise<void> {
  const hands = handsOn(database)
  const { connection } = database
  const mortal = life && {
    db: new MortalDatabase(connection, life),
    purger: new MortalDatabase(connection, life, purgerRole),
  }
  const scheduler = new Scheduler({ ...hands, ...mortal }, changing)
  for (const schedule of changing) await scheduler.fire(schedule)
}

/** All that a purge, a sum and a reminder leave behind, and that no tick is thought to be under way. */
async function outcome(database: TestDatabase) {
  const ask = (sql: string) => administer(database.connection, sql)
  const [runs, rows, received, monthsLeft, purged, costs, running] = await Promise.all([
    left(database),
    countRows(database),
    receivedIn(database),
    months(database),
    purgesIn(database),
    ask(`select day::text, runs, closed_at is null as open from app.daily_costs where day >= '2026-05-10' order by 1`),
    ask(`select schedule from app.ticks where outcome = 'running'`),
  ])
  return { runs, rows, received, months: monthsLeft, purged: purged.length, costs, running }
}

test('a process that dies anywhere in its schedules leaves nothing that the next one does not finish', {
  timeout: 240_000,
}, async () => {
  const rehearsal = new Fate({})
  const graveyard = await openGraveyard()
  const first = await copyTestDatabase(graveyard)
  onTestFinished(() => first.drop())
  await tick(first, new Life('rehearsal', first.connection, rehearsal))
  const points = [...rehearsal.passed.keys()]
  const places = declared.filter((statement) => writes(statement) && isOfSchedules(statement.name))
  expect(points).toEqual(expect.arrayContaining(places.flatMap(({ name }) => [`before ${name}`, `after ${name}`])))
  expect(points).toEqual(
    expect.arrayContaining(['before the commit of append_audit', 'after the commit of begin_tick']),
  )
  await freezeClock(first, new Date(now.getTime() + day))
  await tick(first, null)
  const expected = await outcome(first)
  expect(expected).toMatchObject({ runs: ['february, kept', 'open'], purged: 2, rows: { outbox: 4 }, running: [] })
  const dropped: Promise<void>[] = []
  for (const point of points) {
    const database = await copyTestDatabase(graveyard)
    const life = new Life('mortal', database.connection, new Fate({ [point]: 1 }))
    void tick(database, life)
    await life.over
    expect(Object.values(await checkInvariants(openAs(database, null))).flat(), point).toEqual([])
    await freezeClock(database, new Date(now.getTime() + day))
    await tick(database, null)
    expect(await outcome(database), point).toEqual(expected)
    expect(Object.values(await checkInvariants(openAs(database, null))).flat(), point).toEqual([])
    // Its sessions go with it: the server has places for so many only. The next one need not wait for that.
    dropped.push(database.drop())
  }
  await Promise.all(dropped)
})

test('a whole factory run under its own quantapilot.yml goes in its time, and another on the same bytes does not', async () => {
  const house = await openTestHouse()
  const repository = (name: string, days: number) =>
    makeRepository(house, name, {
      'README.md': '# Shop\n\n- It must sell.\n',
      'quantapilot.yml': `policies:\n  data_retention_days: ${days}\n`,
    })
  await house.work()
  const run = await startFactory(house, await repository('short', 30))
  await cardWhen(house, run, isAtGate)
  agreed(await house.ask({ kind: 'reject', run, gate: null, sha256: null, reason: 'no' }))
  await cardWhen(house, run, isAtEnd)
  const waiting = await startFactory(house, await repository('long', 365))
  await cardWhen(house, waiting, isAtGate)
  await freezeClock(house.database, new Date(Date.now() + 29 * day))
  const hands = handsOn(house.database)
  await administer(house.database.connection, 'update app.outbox set sent_at = now()')
  expect(await retention.work(hands)).toMatchObject({ runs: 0 })
  await freezeClock(house.database, new Date(Date.now() + 31 * day))
  // Its settings and its ANCHOR.md; the README is the other's as well.
  expect(await retention.work(hands)).toMatchObject({ runs: 1, artifacts: 2 })
  await house.work()
  agreed(await house.ask({ kind: 'approve', run: waiting, gate: null, sha256: null }))
  expect(await cardWhen(house, waiting, isAtEnd)).toMatchObject({ state: 'succeeded' })
})
