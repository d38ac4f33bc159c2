import { expect, onTestFinished, test } from 'vitest'
import type { EngineSettings } from '../../core/engine/settings.ts'
import { Worker } from '../../core/engine/worker.ts'
import type { Outcome } from '../../core/model/outcome.ts'
import type { Pipeline } from '../../core/pipeline.ts'
import { Database } from '../../core/store/database.ts'
import { draftOf } from '../../core/store/draft-run.ts'
import { appRole } from '../../core/store/role.ts'
import { uuidv7 } from '../../core/store/uuid.ts'
import { administer } from '../support/administer.ts'
import type { TestHouse } from '../support/house.ts'
import { cardWhen, isAtEnd, openTestHouse, testSettings } from '../support/house.ts'
import { kind, pipelineOf, startRunOf } from '../support/recipe.ts'
import type { Wire } from '../support/wire.ts'
import { openWire } from '../support/wire.ts'

/** A worker that reaches the house's database by a wire, and what ends it with all its connections. */
async function workBy(house: TestHouse, wire: Wire, settings: Partial<EngineSettings> = {}) {
  const db = new Database(wire.connection, {
    name: 'far',
    poolSize: 3,
    role: appRole,
    answerMs: 2_000,
    onIdleError: () => undefined,
  })
  const { people, recipes } = house.desk
  const worker = new Worker({
    db,
    people,
    recipes,
    settings: { ...testSettings, ...settings },
    log: () => undefined,
    isolate: () => Promise.resolve(),
  })
  let ended: Promise<void> | null = null
  const end = (): Promise<void> => (ended ??= worker.stop().then(() => db.close()))
  onTestFinished(end)
  await worker.begin()
  return { worker, end }
}

const connected = ({ database }: TestHouse, name: 'listen' | 'heartbeat') =>
  administer(
    database.connection,
    `select from pg_stat_activity where datname = current_database() and application_name = 'far ${name}'`,
  )

test('a worker whose connection breaks while it begins to listen listens on one, and leaves none when it stops', async () => {
  const house = await openTestHouse()
  const wire = await openWire(house.database.connection)
  wire.breakAt('listen qp_ready', 'sent')
  const { end } = await workBy(house, wire, { pollMs: 50 })
  await expect.poll(() => connected(house, 'listen')).not.toHaveLength(0)
  await expect.poll(() => connected(house, 'listen'), { timeout: 2_000, interval: 500 }).toHaveLength(1)
  await end()
  await expect.poll(() => connected(house, 'listen')).toHaveLength(0)
})

test('a run that was claimed by a worker which never heard of it is not held by it for ever', async () => {
  const house = await openTestHouse({ works: pipelineOf('works', { work: kind(async () => done) }) })
  const wire = await openWire(house.database.connection)
  const { handle } = await startRunOf(house, 'works')
  wire.breakAt('claim_runs', 'answered')
  await workBy(house, wire)
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
})

test('a run that was born on its worker, which never heard of it, is not held by it for ever', async () => {
  const house = await openTestHouse({ works: pipelineOf('works', { work: kind(async () => done) }) })
  const wire = await openWire(house.database.connection)
  const { worker } = await workBy(house, wire)
  wire.breakAt('insert_runs', 'answered')
  const recipe = house.desk.pipelines['works'] as Pipeline
  const starter = { startedBy: house.actor.id, correlationId: uuidv7(), projectId: null, priority: 0, retryOf: null }
  await expect(worker.start(draftOf(recipe, null, starter))).rejects.toThrow('did not answer')
  await expect.poll(() => endOf(house), { timeout: 10_000 }).toEqual([{ state: 'succeeded' }])
})

test('a step that waits for a signal while the connection breaks waits for it afterwards', async () => {
  const wait = kind(async (ctx) =>
    ctx.resumed ? done : { kind: 'wait', wait: { kind: 'signal', name: 'go', timeoutMs: null } },
  )
  const house = await openTestHouse({ works: pipelineOf('works', { wait }) })
  const wire = await openWire(house.database.connection)
  await workBy(house, wire)
  wire.breakAt('list_signals', 'sent')
  const { handle } = await startRunOf(house, 'works')
  expect(await cardWhen(house, handle, ({ waitingFor }) => waitingFor === 'signal')).toMatchObject({ state: 'waiting' })
})

const done: Outcome = { kind: 'done', output: null }

const endOf = ({ database }: TestHouse) => administer(database.connection, 'select state from app.runs')

test('a worker whose connections fall silent takes others, and its runs go on', async () => {
  const begun = Promise.withResolvers<void>()
  const silent = Promise.withResolvers<void>()
  const work = kind(async () => {
    begun.resolve()
    await silent.promise
    return { kind: 'done', output: null }
  })
  const house = await openTestHouse({ works: pipelineOf('works', { work }) })
  const wire = await openWire(house.database.connection)
  const { worker } = await workBy(house, wire)
  const { handle } = await startRunOf(house, 'works')
  worker.poke()
  await begun.promise
  wire.silence()
  silent.resolve()
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  expect(await startAgain(house, worker)).toMatchObject({ state: 'succeeded' })
})

/** A worker that looks for work no more would leave this one queued. */
async function startAgain(house: TestHouse, worker: Worker) {
  const { handle } = await startRunOf(house, 'works')
  worker.poke()
  return cardWhen(house, handle, isAtEnd)
}

test('a worker that is told to stop while nobody answers ends in time, and leaves no connection open', async () => {
  const house = await openTestHouse()
  const wire = await openWire(house.database.connection)
  const { end } = await workBy(house, wire, { leaseMs: 60_000, beatMs: 5_000, pollMs: 600_000, reapMs: 600_000 })
  await expect.poll(() => connected(house, 'heartbeat'), { timeout: 10_000 }).toHaveLength(1)
  wire.cut()
  const told = performance.now()
  await end()
  expect(performance.now() - told).toBeLessThan(20_000)
  await expect.poll(() => wire.open(), { timeout: 15_000 }).toBe(0)
})
