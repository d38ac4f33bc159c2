import { expect, onTestFinished, test } from 'vitest'
import { deliveryReconciliation } from '../../cron/delivery-reconciliation.ts'
import { gateEscalation } from '../../cron/gate-escalation.ts'
import { gateReminders } from '../../cron/gate-reminders.ts'
import { partitions } from '../../cron/partitions.ts'
import { rollup } from '../../cron/rollup.ts'
import { schedules } from '../../cron/schedule.ts'
import { Scheduler } from '../../cron/scheduler.ts'
import { stuckSweep } from '../../cron/stuck-sweep.ts'
import type { Json } from '../../core/model/json.ts'
import { keepEvents } from '../../core/store/intake.ts'
import { rollUpCosts } from '../../core/store/rollup.ts'
import { administer } from '../support/administer.ts'
import { give, openChats, Wall } from '../support/chats.ts'
import { startGitHub } from '../support/github/github.ts'
import { HeldDatabase } from '../support/held.ts'
import {
  agreed,
  cardWhen,
  denied,
  isAtEnd,
  isAtGate,
  makeRepository,
  openTestHouse,
  startFactory,
} from '../support/house.ts'
import type { TestDatabase } from '../support/postgres.ts'
import { createTestDatabase, freezeClock } from '../support/postgres.ts'
import type { Told } from '../support/schedules.ts'
import { handsOn } from '../support/schedules.ts'

const hour = 3_600_000

async function openDatabase(at: string): Promise<TestDatabase> {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  await freezeClock(database, new Date(at))
  return database
}

test('every schedule has a name of its own, and ends before it is due again', () => {
  expect(new Set(schedules.map(({ name }) => name)).size).toBe(schedules.length)
  for (const { everyMs, offsetMs, boundMs } of schedules) {
    expect(86_400_000 % everyMs, 'ticks lie the same each day').toBe(0)
    expect(offsetMs).toBeLessThan(everyMs)
    expect(boundMs).toBeLessThanOrEqual(everyMs)
  }
})

test('people are reminded of a gate once per interval, until it closes', async () => {
  const house = await openTestHouse()
  const settings = 'policies:\n  gates:\n    anchor:\n      remind_every: 2h\n      expires_after: 5h\n'
  const folder = await makeRepository(house, 'shop', {
    'README.md': '# Shop\n\n- It must sell.\n',
    'quantapilot.yml': settings,
  })
  const worker = await house.work()
  await cardWhen(house, await startFactory(house, folder), isAtGate)
  await worker.stop()
  const begin = Date.now()
  const hands = handsOn(house.database)
  const remindedAfter = async (hours: number): Promise<unknown> => {
    await freezeClock(house.database, new Date(begin + hours * hour))
    const both = await Promise.all([gateReminders.work(hands), gateReminders.work(hands)])
    return both.reduce((sum, { reminded }) => sum + Number(reminded), 0)
  }
  expect(await remindedAfter(1.9)).toBe(0)
  expect(await remindedAfter(2.1)).toBe(1)
  expect(await remindedAfter(4)).toBe(0)
  expect(await remindedAfter(4.5)).toBe(1)
  expect(await remindedAfter(50), 'it has expired').toBe(0)
  const sent = await administer(
    house.database.connection,
    `select payload->>'gate' as gate, (payload->>'waited_ms')::float8 / ${hour} as hours from app.outbox
     where topic = 'gate_reminder' order by created_at`,
  )
  expect(sent).toMatchObject([
    { gate: 'anchor', hours: expect.closeTo(2.1, 1) },
    { gate: 'anchor', hours: expect.closeTo(4.5, 1) },
  ])
})

test('a gate nobody decides is escalated once: told in private after quiet hours, decided by nobody but people', async () => {
  const house = await openTestHouse()
  const slack = new Wall('slack')
  const chats = openChats(house, [slack])
  const folder = await makeRepository(house, 'shop', {
    'README.md': '# Shop\n\n- It must sell.\n',
    'quantapilot.yml': 'policies: { gates: { anchor: { roles: [approver], quorum: 2, escalate_after: 24h } } }\n',
  })
  const eve = () => chats.caller('slack', 'eve')
  const begin = Date.now()
  const clockAt = (hours: number): string => new Date(begin + hours * hour).toISOString().slice(11, 16)
  agreed(await chats.reception.ask(eve(), { kind: 'whoami' }))
  await give(house, 'eve', 'admin')
  const bob = () => chats.caller('slack', 'bob')
  agreed(await chats.reception.ask(bob(), { kind: 'whoami' }))
  await give(house, 'bob', 'approver')
  agreed(await chats.reception.ask(eve(), { kind: 'unsubscribe', project: null }))
  agreed(await chats.reception.ask(eve(), { kind: 'quiet', from: clockAt(24), to: clockAt(27), zone: 'UTC' }))
  const worker = await house.work()
  const run = await startFactory(house, folder)
  await cardWhen(house, run, isAtGate)
  await worker.stop()
  const hands = handsOn(house.database)
  const escalatedAfter = async (hours: number): Promise<unknown> => {
    await freezeClock(house.database, new Date(begin + hours * hour))
    const both = await Promise.all([gateEscalation.work(hands), gateEscalation.work(hands)])
    await chats.settle()
    return both.reduce((sum, { escalated }) => sum + Number(escalated), 0)
  }
  const approve = { kind: 'approve', run, gate: null, sha256: null } as const
  expect(await escalatedAfter(23)).toBe(0)
  expect(denied(await chats.reception.ask(eve(), approve)).message).toBe('Gate anchor is decided by: approver.')
  agreed(await chats.reception.ask(bob(), approve))
  expect(await escalatedAfter(25)).toBe(1)
  expect(slack.read('private eve'), 'it is quiet there').toEqual([])
  expect(await escalatedAfter(28)).toBe(0)
  const card = await cardWhen(house, run, isAtGate)
  expect(card.gates[0]).toMatchObject({ verdict: null, votes: 1, escalated: { roles: ['admin'] } })
  const shown = slack.read('private eve')
  expect(shown.map(({ lines: [first], isLoud }) => ({ first, isLoud }))).toEqual([
    { first: `● Run ${run} waits for you: ANCHOR.md`, isLoud: true },
    { first: expect.stringContaining(`Escalated to you: nobody has decided gate anchor of run ${run}`), isLoud: true },
  ])
  expect(shown[0]?.lines.at(-1)).toMatch(/^escalated at .* UTC: admin may decide too$/)
  const [button] = shown[0]?.buttons ?? []
  expect(await chats.reception.press(eve(), button?.data ?? '')).toMatchObject({ ok: true })
  await chats.settle()
  for (const place of ['private bob', 'private eve'])
    expect(slack.read(place).at(-1)?.lines).toContain('A vote on it came from an account of yours or in your place.')
  const [entry] = await administer(
    house.database.connection,
    `select detail from audit.entries where action = 'gate.approved'`,
  )
  expect(entry).toMatchObject({
    detail: {
      role: 'admin',
      by: 'escalation',
      policy: { file: expect.stringMatching(/^[0-9a-f]{64}$/), server: null },
    },
  })
})

test('a gate that expires is closed by any worker, without a schedule', async () => {
  const house = await openTestHouse()
  const settings = 'policies:\n  gates:\n    anchor:\n      expires_after: 5h\n'
  const folder = await makeRepository(house, 'shop', {
    'README.md': '# Shop\n\n- It must sell.\n',
    'quantapilot.yml': settings,
  })
  await house.work()
  const run = await startFactory(house, folder)
  await cardWhen(house, run, isAtGate)
  await freezeClock(house.database, new Date(Date.now() + 6 * hour))
  expect(await cardWhen(house, run, isAtEnd)).toMatchObject({ state: 'rejected' })
})

test('nobody is reminded of a gate whose run is paused', async () => {
  const house = await openTestHouse()
  const settings = 'policies:\n  gates:\n    anchor:\n      remind_every: 2h\n'
  const folder = await makeRepository(house, 'shop', {
    'README.md': '# Shop\n\n- It must sell.\n',
    'quantapilot.yml': settings,
  })
  const worker = await house.work()
  const run = await startFactory(house, folder)
  await cardWhen(house, run, isAtGate)
  agreed(await house.ask({ kind: 'pause', run }))
  await worker.stop()
  await freezeClock(house.database, new Date(Date.now() + 10 * hour))
  expect(await gateReminders.work(handsOn(house.database))).toEqual({ reminded: 0 })
})

const project = '01900000-0000-7000-8000-00000000000a'

/** Books what one call of a project's run cost at that time. */
const spend = ({ connection }: TestDatabase, at: string, tokens: number) =>
  administer(
    connection,
    `with r as (
       insert into app.runs (id, pipeline, pipeline_version, project_id, started_by, correlation_id, state)
       values (app.uuid_floor('${at}'), 'factory', 1, '${project}', gen_random_uuid(), gen_random_uuid(), 'queued')
       on conflict do nothing)
     insert into app.reservations (run_id, id, step_id, purpose, reserved_micros, reserved_tokens, spent_micros, spent_tokens, settled_at)
     values (app.uuid_floor('${at}'), gen_random_uuid(), 's', 'p', 0, 0, ${tokens * 2}, ${tokens}, '${at}')`,
  )

const costsOf = ({ connection }: TestDatabase, day: string) =>
  administer(
    connection,
    `select runs, spent_tokens::integer as tokens, spent_micros::integer as micros, closed_at is not null as closed
     from app.daily_costs where day = '${day}' and project_id = '${project}'`,
  )

test('a day’s cost is the sum of all its hours, whenever it is summed up', async () => {
  const database = await openDatabase('2026-03-04T00:15:00Z')
  const hands = handsOn(database)
  const start = Date.parse('2026-03-04T00:00:00Z')
  // Two days and more, hour by hour, as it really goes: what passed out of a window must not be subtracted.
  for (let passed = 0; passed < 60; passed += 1) {
    if (passed < 24) await spend(database, new Date(start + passed * hour).toISOString(), 100)
    await freezeClock(database, new Date(start + passed * hour + 900_000))
    await rollup.work(hands)
  }
  expect(await costsOf(database, '2026-03-04')).toEqual([{ runs: 24, tokens: 2400, micros: 4800, closed: true }])
  expect(await costsOf(database, '2026-03-05')).toEqual([])
})

test('a closed day is never written again, and an open one never shrinks', async () => {
  const database = await openDatabase('2026-03-05T11:59:00Z')
  const hands = handsOn(database)
  await spend(database, '2026-03-04T23:59:59.999Z', 100)
  await spend(database, '2026-03-05T00:00:00Z', 30)
  await rollup.work(hands)
  expect(await costsOf(database, '2026-03-04')).toEqual([{ runs: 1, tokens: 100, micros: 200, closed: false }])
  await spend(database, '2026-03-04T12:00:00Z', 1)
  await freezeClock(database, new Date('2026-03-05T12:00:00Z'))
  await rollup.work(hands)
  const closed = [{ runs: 2, tokens: 101, micros: 202, closed: true }]
  expect(await costsOf(database, '2026-03-04')).toEqual(closed)
  await spend(database, '2026-03-04T13:00:00Z', 1_000)
  // As if the purge had been quicker than the sum.
  await administer(database.connection, `delete from app.reservations where settled_at >= '2026-03-05'`)
  await rollup.work(hands)
  expect(await costsOf(database, '2026-03-04')).toEqual(closed)
  expect(await costsOf(database, '2026-03-05')).toEqual([{ runs: 1, tokens: 30, micros: 60, closed: false }])
})

test('a sum that was under way while its day was closed leaves the closed day as it is', async () => {
  const database = await openDatabase('2026-03-05T12:00:00Z')
  await spend(database, '2026-03-04T12:00:00Z', 100)
  const [closing, late] = [1, 2].map((n) => new HeldDatabase(database.connection, `rollup ${n}`))
  if (!closing || !late) throw new Error('two databases')
  onTestFinished(async () => void (await Promise.all([closing.close(), late.close()])))
  const hold = closing.hold()
  const closed = closing.transaction((tx) => tx.run(rollUpCosts, { mostDays: 2 }))
  await hold.reached
  // Seen by the second one alone.
  await spend(database, '2026-03-04T13:00:00Z', 1_000)
  const summed = late.run(rollUpCosts, { mostDays: 2 })
  await late.blocked()
  hold.release()
  await Promise.all([closed, summed])
  expect(await costsOf(database, '2026-03-04')).toEqual([{ runs: 1, tokens: 100, micros: 200, closed: true }])
})

test('days that passed while nothing ran are summed up afterwards, once', async () => {
  const database = await openDatabase('2026-03-01T12:30:00Z')
  const hands = handsOn(database)
  await rollup.work(hands)
  await spend(database, '2026-03-04T08:00:00Z', 7)
  await freezeClock(database, new Date('2026-03-10T12:30:00Z'))
  await rollup.work(hands)
  expect(await costsOf(database, '2026-03-04')).toEqual([{ runs: 1, tokens: 7, micros: 14, closed: true }])
  expect(await rollup.work(hands)).toEqual({ rows: 1, closed: 0 })
})

test('a run that nothing will wake is named to the operator, and one that waits rightly is not', async () => {
  const database = await openDatabase('2026-03-04T12:00:00Z')
  const told: Told[] = []
  const run = (number: number, columns: string, values: string): string =>
    `insert into app.runs (id, number, pipeline, pipeline_version, started_by, correlation_id, event_seq, queued_at, ${columns})
     overriding system value values (app.uuid_floor(now() + ${number} * interval '1 second'), ${number}, 'p', 1, gen_random_uuid(),
       gen_random_uuid(), 1, '2026-03-04T10:00:00Z', ${values});`
  const worker = `'01900000-0000-7000-8000-0000000000ff'`
  await administer(
    database.connection,
    [
      `insert into app.workers (id, state, lease_ms, description, beat_at) values (${worker}, 'dead', 30000, '', '2026-03-04T11:00:00Z');`,
      run(1, 'state', `'queued'`),
      run(2, 'state, worker_id', `'running', ${worker}`),
      run(3, 'state, waiting_for, due_at', `'waiting', 'time', '2026-03-04T11:30:00Z'`),
      run(4, 'state, waiting_for', `'waiting', 'gate'`),
      run(5, 'state, waiting_for', `'waiting', 'children'`),
      run(6, 'state, paused_from, reason_code', `'paused', 'queued', 'operator'`),
      run(7, 'state, lock_key, lock_state', `'queued', 'k', 'behind'`),
      // These are all right.
      run(11, 'state, waiting_for, due_at', `'waiting', 'time', '2026-03-05T11:30:00Z'`),
      run(12, 'state, waiting_for', `'waiting', 'gate'`),
      run(13, 'state, waiting_for, waiting_name', `'waiting', 'signal', 's'`),
      run(14, 'state, paused_from, reason_code', `'paused', 'queued', 'operator'`),
      run(15, 'state, finished_at', `'failed', '2026-03-01T00:00:00Z'`),
      run(16, 'state, lock_key, lock_state', `'queued', 'taken', 'behind'`),
      run(17, 'state, waiting_for, lock_key, lock_state', `'waiting', 'signal', 'taken', 'held'`),
      `insert into app.gates (run_id, id, step_id, kind, name, subject, policy)
         select id, gen_random_uuid(), 's', 'plan', 'anchor', '{}', '{}' from app.runs where number = 12;`,
      `insert into app.events (run_id, seq, kind, payload, at) select id, 1, 'run_paused', '{}',
         case number when 6 then timestamptz '2026-02-20' else '2026-03-03' end from app.runs;`,
      `insert into app.outbox (run_id, id, topic, payload, created_at)
         select id, id, 'run_started', '{}', '2026-03-04T11:50:00Z' from app.runs where number = 1;`,
    ].join('\n'),
  )
  expect(await stuckSweep.work(handsOn(database, told))).toEqual({ stuck: 7, unsent: 1, oldestUnsentS: 600 })
  expect(told.map(({ level, fields }) => [level, fields['problem']])).toEqual([
    ['error', 'it is ready and no worker is alive'],
    ['error', 'its worker is gone and nobody takes it over'],
    ['error', 'its time has come and nobody wakes it'],
    ['error', 'it waits at a gate that is not open'],
    ['error', 'its children are over and nobody wakes it'],
    ['error', 'it is paused since 2026-02-20'],
    ['error', 'its lock is free and nobody gives it to it'],
    ['error', undefined],
  ])
})

test('history to come has its partitions, made by their owner', async () => {
  const database = await openDatabase('2026-03-04T02:00:00Z')
  const hands = handsOn(database)
  await partitions.work(hands)
  await partitions.work(hands)
  const made = await administer(
    database.connection,
    `select relname from pg_class where relname ~ '^events_\\d{4}_\\d{2}$' order by 1`,
  )
  expect(made.map(({ relname }) => relname)).toEqual(['events_2026_03', 'events_2026_04', 'events_2026_05'])
})

test('a month that has begun in the default partition stays there, and the next ones have their own', async () => {
  const database = await openDatabase('2026-03-04T02:00:00Z')
  await administer(
    database.connection,
    `insert into app.events (run_id, seq, kind, payload)
     values (app.uuid_floor('2026-03-02T00:00:00Z'), 1, 'run_started', '{}')`,
  )
  await partitions.work(handsOn(database))
  const made = await administer(
    database.connection,
    `select relname from pg_class where relname ~ '^events_\\d{4}_\\d{2}$' order by 1`,
  )
  expect(made.map(({ relname }) => relname)).toEqual(['events_2026_04', 'events_2026_05'])
})

test('events of GitHub that did not arrive are found at the next look, however many there are, and none is kept twice', async () => {
  const house = await openTestHouse()
  const { people } = house.desk
  const fake = await startGitHub()
  const identity = fake.app([])
  const at = Date.now()
  await freezeClock(house.database, new Date(at))
  const told: Told[] = []
  const hands = handsOn(house.database, told)
  const look = () => {
    const { deliveries } = fake.as(identity)
    const webhooks = deliveries && { deliveries, people }
    return new Scheduler({ ...hands, webhooks }, [deliveryReconciliation]).fire(deliveryReconciliation, true)
  }
  const arrive = (deliveryId: string, body: Json, digest: string) =>
    keepEvents(house.desk, [{ source: 'github', deliveryId, topic: 'push', body, bodySha256: digest }])
  const missed: string[] = []
  fake.tells('ping', { zen: 'x' }, 200)
  for (let n = 0; n < 110; n++) {
    const guid = fake.tells('push', { n }, n % 2 === 0 ? 202 : 503)
    if (n % 2 === 0) await arrive(guid, { n }, `${n}`)
    else missed.push(guid)
  }
  // Sent again by hand, in vain: the same event in another try.
  fake.state.deliveries.push({ ...required(fake.state.deliveries[2]), id: '180000000000000001', redelivery: true })
  fake.state.deliveries.push({
    ...required(fake.state.deliveries[4]),
    id: '180000000000000003',
    payload: null,
    guid: 'gone',
  })

  for (let tries = 0; tries < 3; tries++) fake.goesWrong(/^GET \/app\/hook\/deliveries$/, 'bad gateway')
  expect(await look(), 'GitHub is away').toMatchObject({ kind: 'failed' })
  await freezeClock(house.database, new Date(at + 120_000))
  expect(await look()).toEqual({ kind: 'done', detail: { looked: 113, missed: 55, lost: 1 } })
  expect(told.map(({ message }) => message)).toContain('an event of GitHub did not arrive and cannot be fetched')
  const kept = await administer(house.database.connection, 'select delivery_id from app.intake')
  expect(kept).toHaveLength(110)
  expect(await arrive(required(missed[0]), { n: 1 }, 'other bytes'), 'it comes after all').toEqual([false])

  let before = fake.state.requests.length
  await freezeClock(house.database, new Date(at + 13 * 60_000))
  expect(await look()).toMatchObject({ detail: { looked: 113, missed: 0 } })
  const reads = fake.state.requests.slice(before).filter((line) => line.includes('/deliveries/'))
  expect(reads, 'what is known is not fetched again').toEqual(['GET /app/hook/deliveries/180000000000000003'])

  before = fake.state.requests.length
  await freezeClock(house.database, new Date(at + 26 * 60_000))
  expect(await look(), 'what the look before has seen').toMatchObject({ detail: { looked: 0 } })
  expect(fake.state.requests.slice(before)).toEqual(['GET /app/hook/deliveries'])
  expect(deliveryReconciliation.everyMs * 2, 'one look may fail').toBeLessThanOrEqual(5 * 60_000)
})

test('without an App and a secret there is nothing to look for, and who asks is told what to set', async () => {
  const hands = handsOn(await openDatabase('2026-05-04T12:00:00Z'))
  await expect(deliveryReconciliation.work(hands)).rejects.toThrow('set GITHUB_WEBHOOK_SECRET, GITHUB_APP_ID')
})

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('there is none')
  return value
}
