import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openAnchorFile } from '../adapters/key-files/anchor-file.ts'
import { recordProbes } from '../core/commands/doctor.ts'
import { systemActor } from '../core/model/actor.ts'
import { appendAudit } from '../core/store/audit.ts'
import { findAuditBreak } from '../core/store/audit-chain.ts'
import { auditChain } from '../cron/audit-chain.ts'
import { schedules } from '../cron/schedule.ts'
import type { Hands } from '../cron/work.ts'
import { administer } from './support/administer.ts'
import type { TestDatabase } from './support/postgres.ts'
import { createTestDatabase, freezeClock } from './support/postgres.ts'
import type { Told } from './support/schedules.ts'
import { handsOn } from './support/schedules.ts'

type Bench = {
  readonly database: TestDatabase
  readonly hands: Hands
  readonly told: readonly Told[]
  readonly dir: string
  readonly append: (...actions: readonly string[]) => Promise<void>
  /** As the owner of the database, who may do anything there. */
  readonly tamper: (sql: string) => Promise<void>
}

/** An audit of four entries, the last one the role of a new admin. */
async function openBench(): Promise<Bench> {
  const database = await createTestDatabase()
  const dir = await mkdtemp(join(tmpdir(), 'qp-anchor-'))
  onTestFinished(async () => {
    await database.drop()
    await rm(dir, { recursive: true, force: true })
  })
  await freezeClock(database, new Date('2026-03-04T12:00:00Z'))
  const told: Told[] = []
  const hands = { ...handsOn(database, told), anchors: openAnchorFile(join(dir, 'keys')) }
  const append = (...actions: readonly string[]): Promise<void> =>
    hands.db.transaction((tx) => appendAudit(tx, actions.map(entryOf)))
  await append('role.grant', 'gate.approved', 'gate.rejected', 'role.grant')
  return {
    database,
    hands,
    told,
    dir: join(dir, 'keys'),
    append,
    tamper: async (sql) => void (await administer(database.connection, sql)),
  }
}

const entryOf = (action: string) => ({
  actorId: systemActor,
  action,
  runId: null,
  correlationId: null,
  target: 'gate:anchor',
  contentSha256: null,
  detail: { roles: ['admin'] },
})

/** Makes every hash anew from an entry on, as somebody would who knows how they are made. */
const rehashFrom = (seq: number): string => `
  do $$ declare e record; before text; begin
    select coalesce((select hash from audit.entries where seq = ${seq - 1}), repeat('0', 64)) into before;
    for e in select * from audit.entries where seq >= ${seq} order by seq loop
      before := audit.entry_hash(before, e.seq, e.at, e.actor_id, e.action, e.run_id, e.correlation_id, e.target,
        e.content_sha256, e.detail);
      update audit.entries set hash = before,
        prev_hash = coalesce((select hash from audit.entries where seq = e.seq - 1), repeat('0', 64)) where seq = e.seq;
    end loop;
    update audit.head set seq = (select max(seq) from audit.entries), hash = before;
  end $$;`

const headBack =
  'update audit.head h set (seq, hash) = (select seq, hash from audit.entries order by seq desc limit 1);'

const swap = `
  update audit.entries set action = case seq when 2 then 'gate.rejected' else 'gate.approved' end where seq in (2, 3);`

const insertMiddle = `
  update audit.entries set seq = seq + 100 where seq > 2;
  update audit.entries set seq = seq - 99 where seq > 100;
  insert into audit.entries select 3, at, actor_id, 'role.grant', run_id, correlation_id, target, content_sha256, detail,
    hash, repeat('a', 64) from audit.entries where seq = 2;`

const insertEnd = `
  insert into audit.entries select 5, at, actor_id, action, run_id, correlation_id, target, content_sha256, detail, hash,
    audit.entry_hash(hash, 5, at, actor_id, action, run_id, correlation_id, target, content_sha256, detail)
  from audit.entries where seq = 4;`

const rewritten = `update audit.entries set action = 'gate.approved' where seq = 3; ${rehashFrom(1)}`

const cut = `delete from audit.entries where seq > 2; ${headBack}`

/** What an insider did, what is said of it, and whether a look at the database alone shows it. */
const tamperings: readonly (readonly [string, string, string, 'alone' | 'by the anchor'])[] = [
  [
    'a changed entry',
    `update audit.entries set actor_id = gen_random_uuid() where seq = 2`,
    '2: the entry was changed',
    'alone',
  ],
  ['a changed detail', `update audit.entries set detail = '{}' where seq = 4`, '4: the entry was changed', 'alone'],
  [
    'a changed hash',
    `update audit.entries set hash = repeat('a', 64) where seq = 3`,
    '3: the entry was changed',
    'alone',
  ],
  [
    'a changed link',
    `update audit.entries set prev_hash = repeat('a', 64) where seq = 3`,
    '3: the link to the entry before is broken',
    'alone',
  ],
  [
    'a deleted first entry',
    'delete from audit.entries where seq = 1',
    '2: an entry is missing before this one',
    'alone',
  ],
  ['a deleted middle', 'delete from audit.entries where seq = 3', '4: an entry is missing before this one', 'alone'],
  [
    'a deleted middle, numbers closed up',
    `delete from audit.entries where seq = 3; update audit.entries set seq = 3 where seq = 4; ${headBack}`,
    '3: the link to the entry before is broken',
    'alone',
  ],
  ['two entries swapped', swap, '2: the entry was changed', 'alone'],
  ['an inserted entry', insertMiddle, '3: the entry was changed', 'alone'],
  ['an entry inserted at the end', insertEnd, '5: the head of the chain does not name it as the last one', 'alone'],
  [
    'an entry inserted before the first',
    'insert into audit.entries select 0, at, actor_id, action, run_id, correlation_id, target, content_sha256, detail, prev_hash, hash from audit.entries where seq = 1',
    '0: an entry is missing before this one',
    'alone',
  ],
  [
    'a deleted tail',
    'delete from audit.entries where seq > 2',
    '2: the head of the chain does not name it as the last one',
    'alone',
  ],
  [
    'a head moved back',
    `update audit.head set seq = 2`,
    '4: the head of the chain does not name it as the last one',
    'alone',
  ],
  [
    'a head of another hash',
    `update audit.head set hash = repeat('a', 64)`,
    '4: the head of the chain does not name it as the last one',
    'alone',
  ],
  ['no head', 'delete from audit.head', '4: the head of the chain does not name it as the last one', 'alone'],
  [
    'a deleted tail with the head moved back',
    cut,
    '2: the audit ends here, but on 2026-03-04T12:00Z it ended at entry 4: ',
    'by the anchor',
  ],
  [
    'everything deleted',
    `delete from audit.entries; update audit.head set seq = 0, hash = repeat('0', 64)`,
    '0: the audit ends here, but on 2026-03-04T12:00Z it ended at entry 4: ',
    'by the anchor',
  ],
  [
    'the whole chain rewritten',
    rewritten,
    '4: entry 4 is not the one that was there on 2026-03-04T12:00Z: ',
    'by the anchor',
  ],
]

test.each(tamperings)(
  '%s is found at the next look, again at each later one, and by qp doctor',
  async (_, sql, problem, how) => {
    const bench = await openBench()
    const { database, hands, told, tamper } = bench
    expect(await auditChain.work(hands)).toEqual({ entries: 4 })
    const examined = async () => recordProbes(hands.db, hands.anchors)['audit']?.()
    expect(await examined()).toEqual({
      status: 'pass',
      message: '4 entries, the chain holds (as on 2026-03-04T12:00Z up to entry 4)',
    })
    await tamper(sql)
    const found = await findAuditBreak(hands.db, null)
    expect(found === null ? 'nothing' : `${found.seq}: ${found.problem}`).toBe(how === 'alone' ? problem : 'nothing')
    await freezeClock(database, new Date('2026-03-04T12:05:00Z'))
    for (const look of ['next', 'later'])
      await expect(auditChain.work(hands), look).rejects.toThrow(`The audit does not hold. Entry ${problem}`)
    expect(told).toMatchObject([
      { level: 'error', message: 'the audit does not hold', fields: { entry: Number(problem.split(':')[0]) } },
      { level: 'error' },
    ])
    expect(await hands.anchors.latest(), 'the anchor stays').toMatchObject({
      seq: 4,
      at: new Date('2026-03-04T12:00:00Z'),
    })
    expect((await examined())?.message).toContain(`entry ${problem}`)
    expect(await examined()).toMatchObject({ status: 'fail' })
  },
)

test('a tail that was cut off is found also after more was written behind it', async () => {
  const { hands, append, tamper } = await openBench()
  await auditChain.work(hands)
  await tamper(cut)
  await append('role.grant', 'role.grant', 'role.grant')
  expect(await findAuditBreak(hands.db, null)).toBeNull()
  await expect(auditChain.work(hands)).rejects.toThrow('Entry 5: entry 4 is not the one that was there on')
})

test('whoever put an older backup back is told so, moves the anchor away, and the audit counts again', async () => {
  const { hands, dir, append, tamper } = await openBench()
  await auditChain.work(hands)
  await tamper(cut)
  const sentence = `somebody cut off or rewrote it, or an older backup of the database was put back. If you put one back, move ${join(dir, 'audit-anchor')} away, and`
  await expect(auditChain.work(hands)).rejects.toThrow(sentence)
  await rm(join(dir, 'audit-anchor'))
  expect(await auditChain.work(hands)).toEqual({ entries: 2 })
  await append('role.grant')
  expect(await auditChain.work(hands)).toEqual({ entries: 3 })
  await tamper(`delete from audit.entries where seq = 3; ${headBack}`)
  await expect(auditChain.work(hands)).rejects.toThrow('Entry 2: the audit ends here')
})

test('an anchor is one small file beside the keys, for this user only, and goes on with the audit but never back', async () => {
  const { hands, dir, append } = await openBench()
  const processes = Array.from({ length: 8 }, () => ({ ...hands, anchors: openAnchorFile(dir) }))
  await Promise.all(processes.map((each) => auditChain.work(each)))
  await append('role.grant')
  await auditChain.work(hands)
  const text = await readFile(join(dir, 'audit-anchor'), 'utf8')
  expect(JSON.parse(text)).toEqual({
    seq: 5,
    hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    at: '2026-03-04T12:00:00.000Z',
  })
  await hands.anchors.keep({ seq: 4, hash: 'b'.repeat(64), at: new Date(0) })
  expect(await readFile(join(dir, 'audit-anchor'), 'utf8')).toBe(text)
  expect(await readdir(dir), 'no draft is left').toEqual(['audit-anchor'])
  await writeFile(join(dir, 'audit-anchor'), 'torn')
  await expect(auditChain.work(hands)).rejects.toThrow(`${join(dir, 'audit-anchor')} is no anchor of the audit`)
})

test('a long audit is read in parts, each joined to the one before, and its look is due every five minutes', async () => {
  const { hands, tamper } = await openBench()
  await tamper(`
    do $$ declare last text := (select hash from audit.head); made text; begin
      for n in 5..100001 loop
        made := audit.entry_hash(last, n, app.clock_now(), '${systemActor}', 'role.grant', null, null, 'a', null, '{}');
        insert into audit.entries values (n, app.clock_now(), '${systemActor}', 'role.grant', null, null, 'a', null, '{}', last, made);
        last := made;
      end loop;
      update audit.head set seq = 100001, hash = last;
    end $$`)
  expect(await auditChain.work(hands)).toEqual({ entries: 100_001 })
  await tamper(`update audit.entries set target = 'b' where seq = 50001`)
  expect(await findAuditBreak(hands.db, null)).toEqual({
    kind: 'broken',
    seq: 50_001,
    problem: 'the entry was changed',
  })
  await tamper(`delete from audit.entries where seq = 50001`)
  expect(await findAuditBreak(hands.db, null)).toMatchObject({ seq: 50_002 })
  expect(schedules.find(({ name }) => name === 'audit-chain')).toMatchObject({ everyMs: 300_000 })
})
