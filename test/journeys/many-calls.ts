import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'vitest'
import { guardModel } from '../../adapters/ai/guard.ts'
import { askOf } from '../../adapters/asking/ask.ts'
import { asData, readPrompt } from '../../adapters/asking/prompt.ts'
import type { EngineSettings } from '../../core/engine/settings.ts'
import type { Worker } from '../../core/engine/worker.ts'
import type { Pipeline, Within } from '../../core/pipeline.ts'
import type { AuthorDesk, LanguageModel, ModelRequest } from '../../core/ports.ts'
import { openCircuit } from '../../core/store/circuit.ts'
import { draftOf } from '../../core/store/draft-run.ts'
import { openRateGate } from '../../core/store/rate-gate.ts'
import { startRuns } from '../../core/store/start.ts'
import { uuidv7 } from '../../core/store/uuid.ts'
import { administer } from '../support/administer.ts'
import type { TestHouse } from '../support/house.ts'
import { openTestHouse, testSettings } from '../support/house.ts'
import { until } from '../support/program.ts'
import { question, startProvider } from '../support/provider.ts'
import { kind, pipelineOf } from '../support/recipe.ts'

const room = { capMicros: 1e12, capTokens: 1e12 }

/** To begin a thousand calls takes a busy machine a minute. */
const patienceMs = 200_000

/** Every level caps something, so that each call is held to all of them. */
const money = { zone: 'UTC', projectDay: room, actorDay: room, instanceDay: room, hour: room, minute: room }
const within: Within = { zone: null, caps: { step: room, task: { name: 'M-001', ...room } } }

const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')
const draft = readFileSync(join(import.meta.dirname, '../../docs/quantapilot-yml.md'), 'utf8')

/** As the author of documents asks: a prompt, a README and a draft. The answer is a document. */
const prompt = readPrompt(join(import.meta.dirname, '../../adapters/model-author/prompts'), 'revise')
const document = {
  ...question,
  system: prompt.text,
  prompt: [asData('README', readme), asData('draft', draft), asData('earlier', draft)].join('\n\n'),
}

/** One call of a model by all that a call of the author goes through. */
const caller = (modelOf: () => LanguageModel, request: ModelRequest): Pipeline =>
  pipelineOf(
    'caller',
    {
      call: kind(
        async (ctx) => {
          const desk: AuthorDesk = {
            signal: ctx.signal,
            reserve: (amount, purpose) => ctx.reserve(amount, purpose, within),
            recall: (asked) => ctx.recall(asked),
            progress: (text) => ctx.progress(text),
          }
          const ask = askOf([modelOf()], desk)
          const { text } = await ask({ request, prompt, purpose: 'writing a.md' })
          return { kind: 'done', output: { text } }
        },
        { timeoutMs: 600_000, onPause: 'abort' },
      ),
    },
    { cap: { micros: 1e9, tokens: 1e9 } },
  )

/**
 * The longest, in milliseconds, that the event loop worked in one turn while `work` was done: by the processor's clock, so that
 * what others do on the machine does not count.
 */
async function longestTurnOf(work: () => Promise<void>): Promise<number> {
  let longest = 0
  let before = process.threadCpuUsage()
  const timer = setInterval(() => {
    const { user, system } = process.threadCpuUsage(before)
    longest = Math.max(longest, (user + system) / 1_000)
    before = process.threadCpuUsage()
  }, 1)
  await work()
  clearInterval(timer)
  return Math.round(longest)
}

/** A heartbeat waits for as long as a turn takes; a lease is seconds. */
const longestTurnMs = 500

/** Megabytes that nothing can free. To find out may take longer than a short lease. */
function aliveMb(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return Math.round((heapUsed + external) / 1e6)
}

async function open(count: number, request: ModelRequest, times: Partial<EngineSettings>) {
  const provider = await startProvider(request === document ? draft : undefined)
  const recipe = caller(() => guarded, request)
  const house = await openTestHouse({ caller: recipe })
  const guards = { circuit: openCircuit(house.db, 'model'), gate: openRateGate(house.db, 'model') }
  const guarded = guardModel(provider.model, guards)
  const starter = { startedBy: house.actor.id, correlationId: uuidv7(), projectId: null, priority: 0, retryOf: null }
  let worker: Worker | null = null
  return {
    provider,
    house,
    worker: () => worker,
    /** Resolves when the calls of all runs wait at the provider. */
    begin: async () => {
      worker = await house.work({ concurrency: count, money, ...times })
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
  const { house, begin, end } = await open(count, document, {})
  const turns = {
    begin: await longestTurnOf(begin),
    wait: await longestTurnOf(() => twoLeases(house)),
    end: await longestTurnOf(end),
  }
  process.stdout.write(`${count} calls, longest turns of the event loop in ms: ${JSON.stringify(turns)}\n`)
  for (const ms of Object.values(turns)) expect(ms).toBeLessThan(longestTurnMs)
  const booked = { spent_micros: 600 * count, spent_tokens: 30 * count, reserved_micros: 0, reserved_tokens: 0 }
  const settled = {
    runs: count,
    fences: 1,
    deaths: 0,
    attempts: count,
    failed: 0,
    workers: 1,
    live: 1,
    calls: count,
    texts: 2 * count,
    unsettled: 0,
  }
  expect(await one(house, standing)).toEqual({ ...settled, ...booked })
  expect(await administer(house.database.connection, levels)).toEqual(
    ['actor-day', 'hour', 'instance-day', 'minute', 'step', 'task'].map((level) => ({ level, ...booked })),
  )
}

/** Runs of one worker make that many calls, which end at once without an answer. */
export async function endAtOnce(count: number, way: 'worker stops' | 'cancelled' | 'broken off'): Promise<void> {
  // In time for all of them: what is shown is that none waits for another.
  const { house, provider, begin, worker } = await open(count, document, { leaseMs: 60_000, graceMs: 60_000 })
  await begin()
  const isOff = async (): Promise<boolean> => (await one(house, off))['runs'] === count
  const ms = await longestTurnOf(async () => {
    if (way === 'worker stops') await worker()?.stop()
    if (way === 'cancelled') await administer(house.database.connection, cancelAll)
    if (way === 'broken off') await provider.breakOff()
    await until(isOff, 'every run is off its worker', patienceMs)
    await until(async () => (await one(house, unrecorded))['calls'] === 0, 'every call is on record', patienceMs)
  })
  process.stdout.write(`${count} calls, ${way}: longest turn of the event loop ${ms} ms\n`)
  expect(ms).toBeLessThan(longestTurnMs)
  expect(await provider.held()).toBe(0)
  expect(await one(house, kept)).toEqual({ texts: count, wrong: 0, lost: 0 })
}

/** What that many calls keep alive, of runs and without them, and what stays of it. */
export async function weigh(count: number) {
  const { provider, begin, end } = await open(count, question, { leaseMs: 120_000, beatMs: 10_000 })
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

const off = `select count(*)::int as runs from app.runs where state <> 'running'`

/** As hundreds of people would at once. */
const cancelAll = `update app.runs set interrupt = 'cancel', version = version + 1`

const unrecorded = `select count(*)::int as calls from app.reservations v
  where not exists (select from app.model_calls c where c.run_id = v.run_id and c.id = v.id)`

/** A call that ended without an answer is on record as such, and what was set aside for it stays so where it may have cost anything. */
const kept = `
  select (select count(*) from app.model_texts)::int as texts,
    (select count(*) from app.model_calls where outcome not in ('stopped', 'TRANSIENT_NETWORK'))::int as wrong,
    (select count(*) from app.reservations v join app.model_calls c on c.run_id = v.run_id and c.id = v.id
      where v.settled_at is not null and c.cost_micros is distinct from 0)::int as lost`

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
    (select count(*) from app.model_calls where outcome = 'answered')::int as calls,
    (select count(*) from app.model_texts)::int as texts,
    (select count(*) from app.reservations where settled_at is null)::int as unsettled
  from app.budgets`

const levels = `
  select level, sum(spent_micros)::int as spent_micros, sum(spent_tokens)::int as spent_tokens,
    sum(reserved_micros)::int as reserved_micros, sum(reserved_tokens)::int as reserved_tokens
  from app.spending group by level order by level`
