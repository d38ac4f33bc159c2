import { createHash } from 'node:crypto'
import type { z } from 'zod'
import type { Amount } from '../model/amount.ts'
import { handleOf } from '../model/handle.ts'
import type { Json } from '../model/json.ts'
import { MoneyRefused } from '../model/money-request.ts'
import type { ArtifactRef } from '../model/outcome.ts'
import type { StepItem } from '../model/plan.ts'
import { rootOf } from '../model/plan.ts'
import { Defect, Fault } from '../model/problem.ts'
import type { Run } from '../model/run.ts'
import { sayConsentNeeded } from '../model/refusal-of-money.ts'
import type { Effect, Reservation, StepContext, Within } from '../pipeline.ts'
import { keepArtifacts, listArtifacts, loadArtifact, saveArtifact } from '../store/artifact.ts'
import { appendAudit } from '../store/audit.ts'
import { findConsent, readBudget } from '../store/budget.ts'
import type { Database } from '../store/database.ts'
import { finishEffect, listEffects, markUndone, planEffect } from '../store/effect.ts'
import { listDecisions } from '../store/gate.ts'
import { listEarlierRuns, listSpentBySteps } from '../store/history.ts'
import type { People } from '../store/people.ts'
import { readOutput } from '../store/run.ts'
import type { CallBook } from './call-book.ts'
import type { Lease } from './lease.ts'
import type { ProgressBoard } from './progress-board.ts'
import type { Purse } from './purse.ts'

/** Where a try runs: whose lease, which run and step, and the signal that stops it. */
export type Place = {
  readonly db: Database
  readonly people: People
  readonly lease: Lease
  readonly purse: Purse
  readonly calls: CallBook
  readonly progress: ProgressBoard
  readonly run: Run
  readonly item: StepItem
  readonly signal: AbortSignal
}

/** The same for every try of the step, and for every round only its own. */
export const effectKey = (runId: string, stepId: string, name: string): string =>
  createHash('sha256').update(`${runId}\n${stepId}\n${name}`).digest('hex')

/** As many runs as say what the next one will be like. */
const earlierRuns = 10

/** What a step body sees of the engine. Every write goes out under the worker's lease and the run's fence. */
export function stepContext(place: Place): StepContext {
  const { db, run, item, signal } = place
  return {
    runId: run.id,
    handle: handleOf(run.number),
    stepId: item.id,
    input: run.input,
    stepInput: item.input ?? null,
    signal,
    resumed: run.resume,
    idempotencyKey: (name) => effectKey(run.id, item.id, name),
    outputOf: (step, shape) => outputOf(place, step, shape),
    findOutput: (step, shape) => findOutput(place, step, shape),
    save: (name, bytes, mediaType) => saveArtifact(db, name, bytes, mediaType),
    read: ({ sha256 }) => loadArtifact(db, sha256),
    keep: (artifacts) => keep(place, artifacts),
    latest: async (name) =>
      (await db.run(listArtifacts, { run: run.id })).find((artifact) => artifact.name === name) ?? null,
    decisions: () => listDecisions(place, run.id),
    effect: (effect) => makeEffect(place, effect),
    effects: async () =>
      (await db.run(listEffects, { run: run.id }))
        .filter((effect) => effect.state === 'done')
        .map(({ kind, target, undo, reversal, result }) => ({ kind, target, undo, reversal, result })),
    markUndone: (undone, keys) => noteUndone(place, undone, keys),
    reserve: (amount, purpose, within) => reserve(place, amount, { purpose, within }),
    recall: (asked) => place.calls.recall(run.id, item.id, asked),
    progress: (text) => place.progress.say({ run: run.id, step: item.id, text, signal }),
    spent: async () => {
      const [ledger] = await db.run(readBudget, { run: run.id })
      return { micros: ledger?.spentMicros ?? 0, tokens: ledger?.spentTokens ?? 0 }
    },
    spentBySteps: async () => {
      const rows = await db.run(listSpentBySteps, { run: run.id })
      return Object.fromEntries(rows.map(({ step, micros, tokens }) => [step, { micros, tokens }]))
    },
    earlier: () => db.run(listEarlierRuns, { run: run.id, step: item.id, most: earlierRuns }),
  }
}

async function outputOf<T>(place: Place, step: string, shape: z.ZodType<T>): Promise<T> {
  const found = await findOutput(place, step, shape)
  if (found === null) throw new Defect(`step ${step} has no output yet`)
  return found
}

/** The latest round of a step is the one that counts: its id or its root's newest `#n` in the plan behind us. */
async function findOutput<T>({ db, run }: Place, step: string, shape: z.ZodType<T>): Promise<T | null> {
  const rounds = run.plan.slice(0, run.position).filter((item) => rootOf(item.id) === rootOf(step))
  for (const round of rounds.toReversed()) {
    const [row] = await db.run(readOutput, { run: run.id, step: round.id })
    if (row) return shape.parse(row.output)
  }
  return null
}

async function keep({ db, lease, run, item }: Place, artifacts: readonly ArtifactRef[]): Promise<void> {
  const tried = { run: run.id, step: item.id, attempt: run.attempt }
  const [row] = await db.run(keepArtifacts, { ...tried, worker: lease.worker, fence: run.fence, artifacts })
  if (!row) throw new LeaseLost()
}

async function makeEffect<T extends Json>(place: Place, effect: Effect<T>): Promise<T> {
  const { db, run, item } = place
  const key = effectKey(run.id, item.id, effect.name)
  const planned = await noteEffect(place, effect, key)
  if (planned.state === 'done') return effect.result.parse(planned.result)
  assertMayAct(place)
  const result = (planned.isNew ? null : await effect.find(key)) ?? (await effect.make(key))
  await db.transaction(async (tx) => {
    const [finished] = await tx.run(finishEffect, { run: run.id, key, result })
    if (!finished) return
    await appendAudit(tx, [
      {
        actorId: run.startedBy,
        action: `effect.${effect.kind}`,
        runId: run.id,
        correlationId: run.correlationId,
        target: `${item.id}:${effect.name}`,
        contentSha256: null,
        detail: { key, target: effect.target, result },
      },
    ])
  })
  return result
}

async function noteEffect<T extends Json>({ db, lease, run, item }: Place, effect: Effect<T>, key: string) {
  const [row] = await db.run(planEffect, {
    worker: lease.worker,
    fence: run.fence,
    run: run.id,
    key,
    step: item.id,
    kind: effect.kind,
    target: effect.target,
    undo: effect.undo,
    reversal: effect.reversal,
  })
  if (!row) throw new LeaseLost()
  return row
}

async function noteUndone(place: Place, undone: string, keys: readonly string[]): Promise<void> {
  const { db, lease, run, item } = place
  assertMayAct(place)
  await db.transaction(async (tx) => {
    const marked = await tx.run(markUndone, { worker: lease.worker, fence: run.fence, by: run.id, run: undone, keys })
    const entries = marked.map(({ key, kind }) => ({
      actorId: run.startedBy,
      action: `undone.${kind}`,
      runId: run.id,
      correlationId: run.correlationId,
      target: item.id,
      contentSha256: null,
      detail: { key, run: undone },
    }))
    await appendAudit(tx, entries)
  })
}

/** Past the lease no effect starts, whatever the timers say. */
function assertMayAct({ lease, signal }: Place): void {
  if (!lease.holds) throw new LeaseLost()
  signal.throwIfAborted()
}

/** The run belongs to another worker by now; nothing of this try counts. */
export class LeaseLost extends Error {
  constructor() {
    super('the run belongs to another worker by now')
    this.name = 'LeaseLost'
  }
}

const uncapped: Within = { zone: null, caps: {} }

async function reserve(
  place: Place,
  amount: Amount,
  { purpose, within = uncapped }: { readonly purpose: string; readonly within: Within | undefined },
): Promise<Reservation> {
  const { purse, calls, run, item, lease } = place
  if (within.costly) await requireConsent(place, amount, within.costly)
  const payer = { run: run.id, fence: run.fence, step: item.id, project: run.projectId, actor: run.startedBy }
  const granted = await purse.reserve(payer, amount, { purpose, within })
  if (granted === 'lost' || (granted instanceof Fault && !lease.holds)) throw new LeaseLost()
  if (granted instanceof Fault) throw granted
  const { id } = granted
  return {
    id,
    settle: (used) => purse.settle({ run: run.id, id, ...used }, purpose),
    record: (call) => calls.record(run.id, item.id, { id, call }),
  }
}

/** A call that is dear by itself is made only after a person has said yes to calls of this step of that price. */
async function requireConsent({ db, run, item }: Place, amount: Amount, costly: NonNullable<Within['costly']>) {
  if (amount.micros <= costly.micros) return
  const step = rootOf(item.id)
  const [given] = await db.run(findConsent, { run: run.id, step })
  if (given && given.micros >= amount.micros) return
  throw new MoneyRefused(sayConsentNeeded(amount, costly.micros), {
    kind: 'call',
    ...roomier(amount),
    policy: costly.policy,
  })
}

/** A little more than the call at hand: the next one of a conversation is longer. */
const roomier = ({ micros, tokens }: Amount): Amount => ({
  micros: Math.ceil((micros * 1.5) / 10_000) * 10_000,
  tokens: Math.ceil(tokens * 1.5),
})
