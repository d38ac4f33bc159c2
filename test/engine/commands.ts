import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect } from 'vitest'
import type { Action, Ask, Facts, Ride, Run, World } from './model.ts'
import { empty, holds, isOver, predict } from './model.ts'
import type { RecipeName } from './recipes.ts'
import { people, recipes, retryAfterMs } from './recipes.ts'
import type { View } from './view.ts'
import { viewOf } from './view.ts'

/** Where a sequence stands; one object for the whole of it, since fast-check holds on to it. */
export type Model = { world: World; readonly tally: Map<string, number> }

/** The model of a new sequence. `tally` counts what all sequences together came through. */
export const newModel = (tally: Map<string, number>): Model => ({ world: empty, tally })

/** What a side answers to an action: 'ok' or the code of a refusal, and what it chose where it was free to. */
export type Answer = { readonly said: string; readonly facts: Facts }

/** An action before it is known what it hits; null when the world has nothing of the kind. */
type Aim = (world: World) => Action | null

/** One command: aims by the model, acts on a side, and compares answer and rows with what the model says. */
class Aimed {
  protected readonly aim: Aim
  #last: Action | null = null

  constructor(aim: Aim) {
    this.aim = aim
  }

  check({ world }: Readonly<Model>): boolean {
    return this.aim(world) !== null
  }

  protected take({ world }: Model): Action {
    this.#last = this.aim(world)
    if (!this.#last) throw new Error('a command ran that found nothing to aim at')
    return this.#last
  }

  protected judge(model: Model, action: Action, { said, facts }: Answer, view: View): void {
    const { world, said: wanted } = predict(model.world, action, facts)
    count(model, action, wanted, world)
    model.world = world
    expectSame(said, wanted, `the answer to ${JSON.stringify(action)}`)
    expectSame(view, viewOf(world), `after ${JSON.stringify(action)}`)
  }

  toString(): string {
    return JSON.stringify(this.#last)
  }
}

/** Asks vitest only where something differs: its comparison takes longer than what is compared. */
function expectSame(seen: unknown, wanted: unknown, when: string): void {
  if (!isDeepStrictEqual(seen, wanted)) expect(seen, when).toEqual(wanted)
}

function count({ world: was, tally }: Model, action: Action, said: string, world: World): void {
  const isZombie = action.kind === 'finish' && !holds(was, was.rides[action.ride] as Ride)
  const ends = world.runs.filter(({ state }, at) => state !== was.runs[at]?.state)
  const reasons = ends.flatMap(({ state, reason }) => [state, ...(reason === null ? [] : [`${state} as ${reason}`])])
  for (const what of [
    said === 'ok' ? action.kind : `${action.kind} refused`,
    ...reasons,
    ...(isZombie ? ['zombie'] : []),
  ])
    tally.set(what, (tally.get(what) ?? 0) + 1)
}

/** A side that takes its time. */
export interface Distant {
  perform(action: Action): Promise<Answer>
  look(): Promise<View>
}

/** A side that answers at once. */
export interface Near {
  perform(action: Action): Answer
  look(): View
}

class OnDistant extends Aimed implements fc.AsyncCommand<Model, Distant> {
  /** Each execution has its own, so that what is printed is what was done in that one. */
  [fc.cloneMethod](): OnDistant {
    return new OnDistant(this.aim)
  }

  async run(model: Model, side: Distant): Promise<void> {
    const action = this.take(model)
    this.judge(model, action, await side.perform(action), await side.look())
  }
}

class OnNear extends Aimed implements fc.Command<Model, Near> {
  [fc.cloneMethod](): OnNear {
    return new OnNear(this.aim)
  }

  run(model: Model, side: Near): void {
    const action = this.take(model)
    this.judge(model, action, side.perform(action), side.look())
  }
}

const most = { maxCommands: 60, size: 'max' } as const

export const distantCommands = (): fc.Arbitrary<Iterable<fc.AsyncCommand<Model, Distant>>> =>
  fc.commands([aims().map((aim) => new OnDistant(aim))], most)

export const nearCommands = (): fc.Arbitrary<Iterable<fc.Command<Model, Near>>> =>
  fc.commands([aims().map((aim) => new OnNear(aim))], most)

const mostRuns = 6
const mostWorkers = 12

/** The `n`-th of those that fit, now and then of all: what cannot work must be refused, and that is tested too. */
function pick<T>(all: readonly T[], n: number, fits: (one: T) => boolean): number | null {
  const indexes = [...all.keys()]
  const fitting = indexes.filter((at) => fits(all[at] as T))
  const from = n % 5 === 0 || fitting.length === 0 ? indexes : fitting
  return from[n % from.length] ?? null
}

/** The `n`-th of those that fit, else nothing. */
function only<T>(all: readonly T[], n: number, fits: (one: T) => boolean): number | null {
  const fitting = [...all.keys()].filter((at) => fits(all[at] as T))
  return fitting[n % fitting.length] ?? null
}

const nth = fc.nat(59)

const outcome = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('done' as const), verdict: fc.constantFrom('good', 'bad') }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('fault' as const),
      code: fc.constantFrom(
        'TRANSIENT_NETWORK',
        'TRANSIENT_NETWORK',
        'MODEL_OUTPUT_INVALID',
        'FATAL',
        'BUDGET_EXCEEDED',
      ),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'sleep', ms: 7_000 } as const) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('listen' as const), timeoutMs: fc.constantFrom(null, 20_000) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'defect' } as const) },
)

/** What a person may ask of a run, aimed at runs for which it makes sense. */
const suits: Readonly<Record<Ask['kind'], (run: Run) => boolean>> = {
  pause: (run) => !isOver(run) && run.state !== 'paused',
  resume: (run) => run.state === 'paused' || run.interrupt !== null,
  retry: (run) => run.state === 'failed' || run.state === 'paused' || run.waitingFor === 'time',
  cancel: (run) => !isOver(run),
  signal: (run) => run.waitingFor === 'signal',
  decide: (run) => run.waitingFor === 'gate',
}

type AskDraft = {
  readonly n: number
  readonly ask: Omit<Extract<Ask, { kind: 'decide' }>, 'run'> | { readonly kind: Exclude<Ask['kind'], 'decide'> }
}

const decision = fc.record({
  kind: fc.constant('decide' as const),
  choice: fc.constantFrom('approve', 'approve', 'reject', 'changes'),
  as: fc.constantFrom(...people, 'ben', 'cleo'),
})

const askDraft: fc.Arbitrary<AskDraft> = fc.record({
  n: nth,
  ask: fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('pause', 'resume', 'retry', 'signal') }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'cancel' } as const) },
    { weight: 4, arbitrary: decision },
  ),
})

function askOf({ runs }: World, { n, ask }: AskDraft): Ask | null {
  const run = n % 5 === 0 ? only(runs, n, () => true) : only(runs, n, suits[ask.kind])
  return run === null ? null : { ...ask, run }
}

/** Something that comes between a decision and its commit, mostly to the very run. */
function meanwhileOf({ rides }: World, ride: number, draft: AskDraft | null): Ask | null {
  if (draft === null) return null
  return { ...draft.ask, run: (rides[ride] as Ride).run }
}

const meanwhile = fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: askDraft })

const isLive = ({ state }: { readonly state: string }): boolean => state === 'live'

const startDraft = fc.record({
  recipe: fc.constantFrom(...(Object.keys(recipes) as RecipeName[])),
  locked: fc.boolean(),
  priority: fc.nat(1),
})

type StartDraft = Omit<Extract<Action, { kind: 'start' }>, 'kind'>

/** What is done where a command finds nothing to aim at: somebody to work, or something to work on. */
function instead({ workers, runs }: World, draft: StartDraft): Action | null {
  if (workers.filter(isLive).length < 2 && workers.length < mostWorkers) return { kind: 'hire' }
  return runs.length < mostRuns ? { kind: 'start', ...draft } : null
}

const claim: fc.Arbitrary<Aim> = fc.tuple(nth, fc.constantFrom(1, 2, 64)).map(([n, room]) => (world) => {
  const worker = pick(world.workers, n, isLive)
  return worker === null ? null : { kind: 'claim', worker, room }
})

const claimAlone: fc.Arbitrary<Aim> = nth.map((n) => ({ workers, runs }) => {
  const worker = pick(workers, n, isLive)
  const run = only(runs, n, (one) => one.alone && one.state === 'queued') ?? only(runs, n, (one) => one.alone)
  return worker === null || run === null ? null : { kind: 'claimAlone', worker, run }
})

const drive: fc.Arbitrary<Aim> = fc.tuple(nth, meanwhile).map(([n, draft]) => (world) => {
  const ride = only(world.rides, n, (one) => one.state === 'claimed')
  return ride === null ? null : { kind: 'drive', ride, meanwhile: meanwhileOf(world, ride, draft) }
})

const finish: fc.Arbitrary<Aim> = fc.tuple(nth, outcome, meanwhile).map(([n, ending, draft]) => (world) => {
  const ride = only(world.rides, n, (one) => one.state === 'body')
  return ride === null ? null : { kind: 'finish', ride, outcome: ending, meanwhile: meanwhileOf(world, ride, draft) }
})

const zombie: fc.Arbitrary<Aim> = fc.tuple(nth, outcome).map(([n, ending]) => (world) => {
  const ride = only(world.rides, n, (one) => one.state === 'body' && !holds(world, one))
  return ride === null ? null : { kind: 'finish', ride, outcome: ending, meanwhile: null }
})

/** Takes whatever is next: ends a step under way, begins what was claimed, claims what is ready. */
const work: fc.Arbitrary<Aim> = fc
  .tuple(nth, fc.shuffledSubarray([0, 1, 2], { minLength: 3 }), finish, drive, claim)
  .map(([n, order, ...aims]) => (world) => {
    const isReady = ({ state, lock }: Run): boolean => state === 'queued' && lock !== 'behind'
    const tries = order.map((at) =>
      at === 2 && !world.runs.some(isReady) && n > 5 ? null : (aims[at]?.(world) ?? null),
    )
    return tries.find((action) => action !== null) ?? null
  })

const workerKinds = fc.constantFrom('heed', 'heed', 'heed', 'beat', 'crash', 'crash', 'crash', 'signOff')

const workerDoes: fc.Arbitrary<Aim> = fc.tuple(nth, workerKinds).map(([n, kind]) => ({ workers, rides }) => {
  const busy = (at: number): boolean => rides.some((ride) => ride.worker === at && ride.state !== 'over')
  const worker = only([...workers.keys()], n, (at) => workers[at]?.state === 'live' && busy(at))
  return worker === null ? null : { kind, worker }
})

/** Kills the worker of the run that has seen most die, again and again: what it takes until a run is left alone. */
const doom: fc.Arbitrary<Aim> = nth.map((n) => (world) => {
  const { runs, workers } = world
  const deadliest = Math.max(...runs.filter((run) => !isOver(run)).map(({ deaths }) => deaths))
  const run = only(runs, n, (one) => !isOver(one) && one.deaths === deadliest && one.state !== 'waiting')
  const worker = only(workers, n, isLive)
  if (run === null || worker === null) return null
  const { state, holder, alone } = runs[run] as Run
  if (holder !== null) return workers[holder]?.state === 'live' ? { kind: 'crash', worker: holder } : null
  if (state === 'paused') return { kind: 'resume', run }
  return alone ? { kind: 'claimAlone', worker, run } : { kind: 'claim', worker, room: 64 }
})

const clock = fc.constantFrom(1_000, retryAfterMs, 12_000, 31_000, 100_000).map(
  (ms): Aim =>
    () => ({ kind: 'clock', ms }),
)

const expire: fc.Arbitrary<Aim> = nth.map((n) => ({ runs, now }) => {
  const run = runs[only(runs, n, (one) => one.state === 'waiting' && one.dueAt !== null) ?? -1]
  return run ? { kind: 'expire', ms: Math.max(0, (run.dueAt ?? now) - now) } : null
})

const sweep = fc.constantFrom('reap', 'wake', 'wake').map(
  (kind): Aim =>
    () => ({ kind }),
)

const ask: fc.Arbitrary<Aim> = askDraft.map((draft) => (world) => askOf(world, draft))

const aims = (): fc.Arbitrary<Aim> =>
  fc
    .tuple(
      startDraft,
      fc.oneof(
        { weight: 2, arbitrary: fc.constant<Aim>(() => null) },
        { weight: 30, arbitrary: work },
        { weight: 3, arbitrary: claim },
        { weight: 3, arbitrary: claimAlone },
        { weight: 7, arbitrary: doom },
        { weight: 3, arbitrary: zombie },
        { weight: 6, arbitrary: workerDoes },
        { weight: 2, arbitrary: clock },
        { weight: 4, arbitrary: expire },
        { weight: 3, arbitrary: sweep },
        { weight: 14, arbitrary: ask },
      ),
    )
    .map(
      ([draft, aim]) =>
        (world) =>
          aim(world) ?? instead(world, draft),
    )
