import type { z } from 'zod'
import type { Amount } from './model/amount.ts'
import type { Json } from './model/json.ts'
import type { ArtifactRef, Outcome } from './model/outcome.ts'
import type { GatePolicy, Plan, StepItem } from './model/plan.ts'
import type { RetryClass } from './model/retry.ts'
import type { Resume } from './model/run.ts'
import type { Reversal } from './model/undo.ts'
import type { AskedBefore, DecisionRecord, HeldMoney } from './ports.ts'

/** How pipelines are declared. A pipeline is a recipe under a version; a run pins the version it started with. */
export type Pipeline<Input extends Json = Json> = {
  readonly name: string
  readonly version: number
  /** Shown in lists: what a run of this does. */
  readonly says: string
  /** Parses what a person asked for; its messages are read by people. */
  readonly input: z.ZodType<Input>
  plan(input: Input): Plan
  /** At most one live run holds a key; null when runs need no exclusion. */
  lockKey(input: Input): string | null
  /** What happens to a second run while the key is held. */
  readonly whenLocked: 'queue' | 'refuse' | 'supersede'
  /** What the run works on, when that is a repository. */
  project(input: Input): { readonly address: string; readonly name: string } | null
  readonly deadlineMs: number | null
  /** The most a run may spend before a person raises it. */
  readonly cap: { readonly micros: number; readonly tokens: number }
  readonly steps: Readonly<Record<string, StepKind>>
  /**
   * Runs when a run is cancelled or rejected before its end; null when runs leave nothing behind. A failed run keeps what it
   * made: a retry goes on from there.
   */
  readonly cleanUp: StepItem | null
}

/** What the settings of one run make of a step's limits; null leaves the kind's own. */
export type StepLimits = {
  /** Of one try. */
  readonly timeoutMs: number | null
  /** Tries after the first, where another try can help at all. */
  readonly retries: number | null
}

export type StepKind = {
  readonly timeoutMs: number
  readonly retry: RetryClass
  /** Read before each try; what it throws is the try's. Left out: the kind's own limits hold in every run. */
  readonly limits?: (ctx: StepContext) => Promise<StepLimits>
  /** What a pause does to a try under way: let it finish, or abort it and run it again on resume. */
  readonly onPause: 'finish' | 'abort'
  /**
   * One try of a step. May be repeated after a crash, so effects go through `ctx.effect`. Throws `Fault` when the world
   * fails; never sleeps, retries by itself, or talks to chat.
   */
  run(ctx: StepContext): Promise<Outcome>
}

/** What a step may see and do. */
export type StepContext = {
  readonly runId: string
  /** As people type it: `r7k2`. */
  readonly handle: string
  readonly stepId: string
  /** The run's input and the step's own, as stored; parse before use. */
  readonly input: Json
  readonly stepInput: Json
  /**
   * Aborted on pause (where the step says so), cancel, deadline, shutdown and loss of the lease, and when the try is over:
   * what was taken for its time is given back then.
   */
  readonly signal: AbortSignal
  /** Set when the step returned a wait and runs again. */
  readonly resumed: Resume | null
  /** The same for every try of this step: `sha256(run, step, name)`. */
  idempotencyKey(name: string): string
  /** Output of the latest round of an earlier step, parsed by that step's own schema. Throws a Defect when there is none. */
  outputOf<T>(step: string, shape: z.ZodType<T>): Promise<T>
  /** The same, or null where there is none yet. */
  findOutput<T>(step: string, shape: z.ZodType<T>): Promise<T | null>
  /** Stores bytes under their own address; the name reaches the run when the outcome lists the reference. */
  save(name: string, bytes: Uint8Array, mediaType: string): Promise<ArtifactRef>
  read(artifact: Pick<ArtifactRef, 'sha256'>): Promise<Uint8Array>
  /**
   * Gives artifacts their names now instead of with the outcome, whatever becomes of this try: for the next one to go on from,
   * by `latest`. Nothing else may look at them as if they were done.
   */
  keep(artifacts: readonly ArtifactRef[]): Promise<void>
  /** The newest artifact of this name that a step of the run settled or a try kept; null when there is none. */
  latest(name: string): Promise<ArtifactRef | null>
  /** Decisions of this run's gates so far, oldest first, by role and pseudonym. */
  decisions(): Promise<readonly DecisionRecord[]>
  /** Makes something the outside can see, once per name however often the step is tried. */
  effect<T extends Json>(effect: Effect<T>): Promise<T>
  /** Sets money aside before a call. Throws BUDGET_EXCEEDED, which pauses the run, when the cap would not hold. */
  reserve(amount: Amount, purpose: string, within?: Within): Promise<Reservation>
  /** What a model has answered to the same question in an earlier try of this step, in any of its rounds; null: nothing. Never throws. */
  recall(asked: AskedBefore): Promise<{ readonly text: string; readonly by: string } | null>
  /** Says what the step is doing, for whoever watches: as often as it likes, and the last word counts. Never fails. */
  progress(text: string): void
  /** What the run has done to the outside so far, oldest first, and how each is undone. */
  effects(): Promise<readonly MadeEffect[]>
  /** Marks effects of an earlier run as undone. May be repeated. */
  markUndone(run: string, keys: readonly string[]): Promise<void>
  /** What the run has cost so far. */
  spent(): Promise<Amount>
  /** The same by step, by the id of its first round. */
  spentBySteps(): Promise<Readonly<Record<string, Amount>>>
  /** The newest ten runs of the same project and pipeline that succeeded before, newest first. */
  earlier(): Promise<readonly EarlierRun[]>
}

/** A run that succeeded before, as a later one may learn from it. */
export type EarlierRun = {
  /** What this very step put out there; null where it did not run. Parse before use. */
  readonly output: Json | null
  /** What its steps took together, without the waits between them. */
  readonly workMs: number
  /** What its steps cost, by the id of their first round. */
  readonly spent: Readonly<Record<string, Amount>>
}

/** Caps that the project's own settings put below and beside the run's; null or left out caps nothing. */
export type Within = {
  /** IANA, where the project's days begin; null: as the server's. */
  readonly zone: string | null
  readonly caps: {
    readonly step?: Cap
    readonly task?: Cap & { readonly name: string }
    readonly projectDay?: Cap
  }
  /** Who may raise the run's cap when a call is refused for it; left out: approvers and admins. */
  readonly raise?: GatePolicy
  /** A call that may cost more than this needs the yes of a person first; left out: none does. */
  readonly costly?: { readonly micros: number; readonly policy: GatePolicy }
}

type Cap = { readonly capMicros: number | null; readonly capTokens: number | null }

export type Reservation = HeldMoney & { readonly id: string }

/** Something the run has made; `result` is what its `make` answered. */
export type MadeEffect = {
  readonly kind: string
  readonly target: Json
  readonly undo: string
  readonly reversal: Reversal
  readonly result: Json
}

export type Effect<T extends Json> = {
  /** Unique in the step: the effect's key is made of it. */
  readonly name: string
  readonly kind: string
  /** Where it lands, for people and auditors. */
  readonly target: { readonly [key: string]: Json }
  /** What undoes it, in words or as a command. */
  readonly undo: string
  /** What an undo of the run does about it. */
  readonly reversal: Reversal
  /** Finds it when an earlier try made it and did not live to say so. */
  find(key: string): Promise<T | null>
  make(key: string): Promise<T>
  readonly result: z.ZodType<T>
}

/** Finds the recipe of a run, by name and version; null when this process does not know it. */
export type Recipes = (name: string, version: number) => Pipeline | null
