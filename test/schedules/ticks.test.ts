import { expect, onTestFinished, test, vi } from 'vitest'
import { Scheduler } from '../../cron/scheduler.ts'
import { administer } from '../support/administer.ts'
import { HeldDatabase } from '../support/held.ts'
import type { TestDatabase } from '../support/postgres.ts'
import { createTestDatabase, freezeClock } from '../support/postgres.ts'
import { until } from '../support/program.ts'
import type { Told } from '../support/schedules.ts'
import { everyMinute, handsOn } from '../support/schedules.ts'

const noon = new Date('2026-03-04T12:00:07Z')
const later = (ms: number): Date => new Date(noon.getTime() + ms)

async function openDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  await freezeClock(database, noon)
  return database
}

const ticksOf = ({ connection }: TestDatabase) =>
  administer(
    connection,
    `select tick at time zone 'UTC' as tick, outcome, finished_at is not null as ended from app.ticks order by tick`,
  )

/** Work that counts, and that may be held up. */
function aWork() {
  const held = Promise.withResolvers<void>()
  const work = { times: 0, release: held.resolve }
  const quick = everyMinute(async () => ({ times: ++work.times }))
  const slow = everyMinute(async () => {
    work.times++
    await held.promise
    return {}
  })
  return { work, quick, slow }
}

test('of two schedulers that want one tick at the same moment, one gets it, also where the first one fails', async () => {
  for (const failure of [undefined, new Error('gone')]) {
    const database = await openDatabase()
    const { work, quick } = aWork()
    const first = new HeldDatabase(database.connection, 'first scheduler')
    const second = new HeldDatabase(database.connection, 'second scheduler')
    onTestFinished(async () => void (await Promise.all([first.close(), second.close()])))
    const hands = handsOn(database)
    const hold = first.hold()
    const one = new Scheduler({ ...hands, db: first }, [quick]).fire(quick).catch((error: unknown) => error)
    await hold.reached
    const other = new Scheduler({ ...hands, db: second }, [quick]).fire(quick)
    await second.blocked()
    hold.release(failure)
    expect(await Promise.all([one, other])).toEqual(
      failure === undefined
        ? [{ kind: 'done', detail: { times: 1 } }, { kind: 'not-ours' }]
        : [failure, { kind: 'done', detail: { times: 1 } }],
    )
    expect(work.times).toBe(1)
    expect(await ticksOf(database)).toMatchObject([{ outcome: 'done', ended: true }])
  }
})

test('a tick under way lets the next one pass by, wherever that would run', async () => {
  const database = await openDatabase()
  const { work, slow, quick } = aWork()
  const underWay = new Scheduler(handsOn(database), [slow]).fire(slow)
  await until(() => work.times === 1, 'the tick is under way')
  await freezeClock(database, later(60_000))
  const other = new Scheduler(handsOn(database), [quick])
  expect(await other.fire(quick)).toEqual({ kind: 'not-ours' })
  expect(await other.fire(quick, true)).toEqual({ kind: 'not-ours' })
  work.release()
  await underWay
  expect(await other.fire(quick)).toEqual({ kind: 'done', detail: { times: 2 } })
  expect(await other.fire(quick)).toEqual({ kind: 'not-ours' })
  expect(await other.fire(quick, true)).toEqual({ kind: 'done', detail: { times: 3 } })
})

test('a tick that died stays to be seen, and the next one goes on', async () => {
  const database = await openDatabase()
  const { work, slow, quick } = aWork()
  const told: Told[] = []
  const dead = new Scheduler(handsOn(database), [slow]).fire(slow)
  await until(() => work.times === 1, 'the tick is under way')
  const next = new Scheduler(handsOn(database, told), [quick])
  await freezeClock(database, later(140_000))
  expect(await next.fire(quick), 'its bound and what its statements may take').toEqual({ kind: 'not-ours' })
  await freezeClock(database, later(160_000))
  expect(await next.fire(quick)).toMatchObject({ kind: 'done' })
  expect(await ticksOf(database)).toMatchObject([
    { outcome: 'died', ended: false },
    { outcome: 'done', ended: true },
  ])
  expect(told).toMatchObject([{ level: 'error', message: 'a tick of a schedule died' }])
  // Not dead after all: what it says now changes nothing.
  work.release()
  await dead
  expect(await ticksOf(database)).toMatchObject([{ outcome: 'died', ended: false }, { outcome: 'done' }])
})

test('ticks that nobody was there for are made up for once, at the start', async () => {
  const database = await openDatabase()
  const { work, quick } = aWork()
  await new Scheduler(handsOn(database), [quick]).fire(quick)
  await freezeClock(database, later(3_600_000))
  const scheduler = new Scheduler(handsOn(database), [quick])
  scheduler.start()
  await until(() => work.times === 2, 'the missed tick ran')
  await scheduler.stop()
  expect(await scheduler.fire(quick)).toEqual({ kind: 'not-ours' })
  expect(await ticksOf(database)).toMatchObject([
    { tick: new Date('2026-03-04T12:00:00Z') },
    { tick: new Date('2026-03-04T13:00:00Z') },
  ])
})

test('a process whose clock is a day off does nothing twice and nothing early', async () => {
  const database = await openDatabase()
  const { work, quick } = aWork()
  await new Scheduler(handsOn(database), [quick]).fire(quick)
  onTestFinished(() => void vi.useRealTimers())
  vi.useFakeTimers({ toFake: ['Date'], now: later(86_400_000) })
  expect(await new Scheduler(handsOn(database), [quick]).fire(quick)).toEqual({ kind: 'not-ours' })
  expect(work.times).toBe(1)
})

test('a schedule that fails, or takes too long, says so and has its next tick', async () => {
  const database = await openDatabase()
  const told: Told[] = []
  const failing = everyMinute(() => Promise.reject(new Error('the disk is full')))
  const endless = {
    ...everyMinute(({ signal }) => new Promise((done) => signal.addEventListener('abort', () => done({})))),
    boundMs: 20,
  }
  expect(await new Scheduler(handsOn(database, told), [failing]).fire(failing)).toEqual({
    kind: 'failed',
    message: 'the disk is full',
  })
  await freezeClock(database, later(60_000))
  // AbortSignal.timeout keeps no process alive; something else must, for as long as it takes.
  const awake = setInterval(() => undefined, 1_000)
  onTestFinished(() => clearInterval(awake))
  expect(await new Scheduler(handsOn(database, told), [endless]).fire(endless)).toEqual({
    kind: 'failed',
    message: 'not done in its time',
  })
  expect(await ticksOf(database)).toMatchObject([{ outcome: 'failed' }, { outcome: 'failed' }])
  expect(told).toMatchObject([{ level: 'error', message: 'a schedule failed' }])
})
