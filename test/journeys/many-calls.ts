import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'vitest'
import type { EngineSettings } from '../../core/engine/settings.ts'
import type { Pipeline, Within } from '../../core/pipeline.ts'
import { draftOf } from '../../core/store/draft-run.ts'
import { startRuns } from '../../core/store/start.ts'
import { uuidv7 } from '../../core/store/uuid.ts'
import { administer } from '../support/administer.ts'
import type { TestHouse } from '../support/house.ts'
import { openTestHouse, testSettings } from '../support/house.ts'
import { until } from '../support/program.ts'
import type { Provider } from '../support/provider.ts'
import { question, startProvider } from '../support/provider.ts'
import { kind, pipelineOf } from '../support/recipe.ts'

const room = { capMicros: 1e12, capTokens: 1e12 }

/** To begin a thousand calls takes a busy machine a minute. */
const patienceMs = 200_000

/** Every level caps something, so that each call is held to all of them. */
const money = { zone: 'UTC', projectDay: room, actorDay: room, instanceDay: room, hour: room, minute: room }
const within: Within = { zone: null, caps: { step: room, task: { name: 'M-001', ...room } } }

/** One call of a model, with its worst case set aside before and what it used booked after. */
const caller = ({ model }: Provider): Pipeline =>
  pipelineOf(
    'caller',
    {
      call: kind(
        async (ctx) => {
          const reserved = await ctx.reserve({ ...model.worstCase(question), micros: 900 }, 'call', within)
          const { used } = await model.ask(question, ctx.signal)
          await reserved.settle({ ...used, micros: 600 })
          return { kind: 'done', output: null }
        },
        { timeoutMs: 600_000 },
      ),
    },
    { cap: { micros: 1_000, tokens: 1_000 } },
  )

/** The longest, in milliseconds, that the event loop was busy with one turn while `work` was done. */
async function stallOf(work: () => Promise<void>): Promise<number> {
  const turns = monitorEventLoopDelay({ resolution: 10 })
  turns.enable()
  await work()
  turns.disable()
  return Math.round(turns.max / 1e6)
}

/** Megabytes that nothing can free. To find out may take longer than a short lease. */
function aliveMb(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return Math.round((heapUsed + external) / 1e6)
}

async function open(count: number, times: Partial<EngineSettings>) {
  const provider = await startProvider()
  const recipe = caller(provider)
  const house = await openTestHouse({ caller: recipe })
  const starter = { startedBy: house.actor.id, correlationId: uuidv7(), projectId: null, priority: 0, retryOf: null }
  return {
    provider,
    house,
    /** Resolves when the calls of all runs wait at the provider. */
    begin: async () => {
      await house.work({ concurrency: count, money, ...times })
      const drafts = Array.from({ length: count }, () => draftOf(recipe, null, starter))
      await startRuns(house.db, drafts, null)
      house.desk.poke()
      await until(async () => (await provider.held()) === count, 'every run’s call waits', patienceMs)
    },
    /** Resolves when all runs are over. */
    end: async () => {
      await provider.release()
      await until(async () => (await one(house, over))['runs'] === count, 'every run is over', patienceMs)
    },
  }
}

/** Runs of one worker make that many calls at once and wait for longer than two leases. */
export async function callAtOnce(count: number): Promise<void> {
  const { house, begin, end } = await open(count, {})
  const stallMs = await stallOf(async () => {
    await begin()
    await twoLeases(house)
    await end()
  })
  process.stdout.write(`${count} calls: no turn of the event loop took longer than ${stallMs} ms\n`)
  const booked = { spent_micros: 600 * count, spent_tokens: 30 * count, reserved_micros: 0, reserved_tokens: 0 }
  const settled = { runs: count, fences: 1, deaths: 0, attempts: count, failed: 0, workers: 1, live: 1, unsettled: 0 }
  expect(await one(house, standing)).toEqual({ ...settled, ...booked })
  expect(await administer(house.database.connection, levels)).toEqual(
    ['actor-day', 'hour', 'instance-day', 'minute', 'step', 'task'].map((level) => ({ level, ...booked })),
  )
}

/** What that many calls keep alive, of runs and without them, and what stays of it. */
export async function weigh(count: number) {
  const { provider, begin, end } = await open(count, { leaseMs: 120_000, beatMs: 10_000 })
  const bare = async (calls: number): Promise<number> => {
    const before = aliveMb()
    const asked = Array.from({ length: calls }, () => provider.model.ask(question, new AbortController().signal))
    await until(async () => (await provider.held()) === calls, 'every call waits', patienceMs)
    const alive = aliveMb() - before
    await provider.release()
    await Promise.all(asked)
    return alive
  }
  // The first calls load what all of them share.
  await bare(20)
  const bareMb = await bare(count)
  const before = aliveMb()
  await begin()
  const heldMb = aliveMb() - before
  await end()
  const keptMb = aliveMb() - before
  process.stdout.write(`${count} calls, MB alive: ${bareMb} without runs, ${heldMb} of runs, ${keptMb} after\n`)
  return { beyondMb: heldMb - bareMb, keptMb }
}

/** The worker has beaten all the time that two leases take. */
async function twoLeases(house: TestHouse): Promise<void> {
  const [begun] = await administer(house.database.connection, `select now()::text as at`)
  const ms = 2 * testSettings.leaseMs
  const hasBeaten = `select count(*)::int as runs from app.workers
    where state = 'live' and beat_at > '${String(begun?.['at'])}'::timestamptz + interval '${ms} ms'`
  await until(async () => (await one(house, hasBeaten))['runs'] === 1, 'the worker beats for two leases')
}

const one = async (house: TestHouse, sql: string): Promise<Readonly<Record<string, unknown>>> =>
  (await administer(house.database.connection, sql))[0] ?? {}

const over = `select count(*)::int as runs from app.runs where state not in ('queued', 'running')`

/** All that must hold of the runs and of the money, in one row. */
const standing = `
  select (select count(*) from app.runs where state = 'succeeded')::int as runs,
    (select max(fence) from app.runs)::int as fences, (select sum(deaths) from app.runs)::int as deaths,
    (select count(*) from app.attempts)::int as attempts,
    (select count(*) from app.attempts where outcome <> 'done')::int as failed,
    (select count(*) from app.workers)::int as workers,
    (select count(*) from app.workers where state = 'live')::int as live,
    sum(spent_micros)::int as spent_micros, sum(spent_tokens)::int as spent_tokens,
    sum(reserved_micros)::int as reserved_micros, sum(reserved_tokens)::int as reserved_tokens,
    (select count(*) from app.reservations where settled_at is null)::int as unsettled
  from app.budgets`

const levels = `
  select level, sum(spent_micros)::int as spent_micros, sum(spent_tokens)::int as spent_tokens,
    sum(reserved_micros)::int as reserved_micros, sum(reserved_tokens)::int as reserved_tokens
  from app.spending group by level order by level`
