import type { GateOf, Item, Person, Recipe, RecipeName, StepOf, Verdict } from './recipes.ts'
import { leaseMs, recipes, retryAfterMs } from './recipes.ts'

/** What the engine must do, told a second time and from scratch: it shares no code with the engine. */

export type Outcome =
  | { readonly kind: 'done'; readonly verdict: Verdict }
  | {
      readonly kind: 'fault'
      readonly code: 'TRANSIENT_NETWORK' | 'MODEL_OUTPUT_INVALID' | 'FATAL' | 'BUDGET_EXCEEDED'
    }
  | { readonly kind: 'sleep'; readonly ms: number }
  | { readonly kind: 'listen'; readonly timeoutMs: number | null }
  | { readonly kind: 'defect' }
  | { readonly kind: 'aborted' }

export type Choice = 'approve' | 'reject' | 'changes'

/** What people and programs ask of a run. */
export type Ask =
  | { readonly kind: 'pause' | 'resume' | 'retry' | 'cancel' | 'signal'; readonly run: number }
  | { readonly kind: 'decide'; readonly run: number; readonly choice: Choice; readonly as: Person }

export type Action =
  | Ask
  | { readonly kind: 'start'; readonly recipe: RecipeName; readonly locked: boolean; readonly priority: number }
  | { readonly kind: 'hire' }
  | { readonly kind: 'claim'; readonly worker: number; readonly room: number }
  | { readonly kind: 'claimAlone'; readonly worker: number; readonly run: number }
  | { readonly kind: 'drive'; readonly ride: number; readonly meanwhile: Ask | null }
  | { readonly kind: 'finish'; readonly ride: number; readonly outcome: Outcome; readonly meanwhile: Ask | null }
  | { readonly kind: 'heed' | 'beat' | 'crash' | 'signOff'; readonly worker: number }
  | { readonly kind: 'clock' | 'expire'; readonly ms: number }
  | { readonly kind: 'reap' | 'wake' }

/** What the real side did where it was free to choose. */
export type Facts = {
  /** Runs that a claim took, in order of their numbers. */
  readonly taken: readonly number[]
  /** What was answered to the request that came between a decision and its commit; null when there was no commit. */
  readonly meanwhile: string | null
}

export type RunState = 'queued' | 'running' | 'waiting' | 'paused' | Over
type Over = 'succeeded' | 'failed' | 'rejected' | 'cancelled'

export type Gate = {
  readonly step: string
  readonly verdict: string | null
  readonly votes: readonly Person[]
}

export type Run = {
  readonly state: RunState
  readonly waitingFor: 'gate' | 'time' | 'signal' | null
  readonly pausedFrom: 'queued' | 'waiting' | null
  readonly ending: 'succeeded' | 'rejected' | 'cancelled'
  readonly reason: string | null
  readonly interrupt: 'pause' | 'cancel' | 'hold' | null
  readonly position: number
  readonly attempt: number
  readonly failures: number
  /** Settled tries in history. */
  readonly tries: number
  readonly verdicts: Readonly<Record<string, string>>
  readonly resume: 'time' | 'timeout' | 'signal' | null
  readonly fence: number
  readonly holder: number | null
  readonly signals: number
  readonly deaths: number
  readonly deathsAlone: number
  readonly alone: boolean
  readonly lock: 'held' | 'behind' | null
  readonly dueAt: number | null
  readonly gates: readonly Gate[]
  readonly plan: readonly Item[]
  readonly recipe: RecipeName
  readonly priority: number
  readonly locked: boolean
  readonly queuedAt: number
  readonly deadlineAt: number | null
}

/** A run aboard a worker as that worker believes; it may be wrong. */
export type Ride = {
  readonly worker: number
  readonly run: number
  readonly fence: number
  readonly state: 'claimed' | 'body' | 'over'
  /** How the run stood when it came aboard. */
  readonly item: Item
  readonly interrupted: boolean
  readonly late: boolean
}

export type Worker = { readonly state: 'live' | 'dead' | 'stopped'; readonly beatAt: number }

export type World = {
  readonly now: number
  readonly runs: readonly Run[]
  readonly workers: readonly Worker[]
  readonly rides: readonly Ride[]
}

export const empty: World = { now: 0, runs: [], workers: [], rides: [] }

export const isOver = ({ state }: Run): boolean => /succeeded|failed|rejected|cancelled/.test(state)

const noWait = { waitingFor: null, dueAt: null } as const
const forgiven = { failures: 0, deaths: 0, deathsAlone: 0, alone: false, resume: null } as const

/** The world after an action, and what whoever asked is told: 'ok' or the code of a refusal. */
export function predict(world: World, action: Action, facts: Facts): { readonly world: World; readonly said: string } {
  const done = (next: World) => ({ world: next, said: 'ok' })
  switch (action.kind) {
    case 'start':
      return done({ ...world, runs: [...world.runs, born(action, world.now)] })
    case 'hire':
      return done({ ...world, workers: [...world.workers, { state: 'live', beatAt: world.now }] })
    case 'claim':
      return done(claimed(world, action, facts.taken))
    case 'claimAlone':
      return done(facts.taken.reduce((w, run) => aboard(w, action.worker, run), world))
    case 'drive':
    case 'finish':
      return done(ridden(interrupted(world, action.meanwhile, facts), action))
    case 'heed':
      return done(heeded(world, action.worker))
    case 'beat':
      return done(worker(world, action.worker, (was) => (was.state === 'live' ? { ...was, beatAt: world.now } : was)))
    case 'crash':
      return done(reaped(worker(world, action.worker, (was) => ({ ...was, beatAt: world.now - leaseMs - 1 }))))
    case 'signOff':
      return done(signedOff(world, action.worker))
    case 'clock':
      return done({ ...world, now: world.now + action.ms })
    case 'expire':
      return done(woken({ ...world, now: world.now + action.ms }))
    case 'reap':
      return done(reaped(world))
    case 'wake':
      return done(woken(world))
    default:
      return asked(world, action)
  }
}

function born({ recipe, locked, priority }: Extract<Action, { kind: 'start' }>, now: number): Run {
  const { items, deadlineMs }: Recipe = recipes[recipe]
  return {
    ...forgiven,
    ...noWait,
    state: 'queued',
    pausedFrom: null,
    ending: 'succeeded',
    reason: null,
    interrupt: null,
    position: 0,
    attempt: 1,
    tries: 0,
    verdicts: {},
    fence: 0,
    holder: null,
    signals: 0,
    lock: locked ? 'behind' : null,
    gates: [],
    plan: items,
    recipe,
    priority,
    locked,
    queuedAt: now,
    deadlineAt: deadlineMs === null ? null : now + deadlineMs,
  }
}

// ---------------------------------------------------------------- workers

const worker = (world: World, at: number, change: (was: Worker) => Worker): World => ({
  ...world,
  workers: world.workers.map((was, n) => (n === at ? change(was) : was)),
})

const withRun = (world: World, at: number, run: Run): World => ({
  ...world,
  runs: world.runs.map((was, n) => (n === at ? run : was)),
})

const isReady = (run: Run): boolean => run.state === 'queued' && run.lock !== 'behind'

/** A claim takes as many as it has room for, and never leaves a better run behind for a worse one. */
function claimed(
  world: World,
  { worker: by, room }: Extract<Action, { kind: 'claim' }>,
  taken: readonly number[],
): World {
  const ready = world.runs.flatMap((run, n) => (isReady(run) && !run.alone ? [{ run, n }] : []))
  const due = world.workers[by]?.state === 'live' ? Math.min(room, ready.length) : 0
  const rank = (a: Run, b: Run): number => b.priority - a.priority || a.queuedAt - b.queuedAt
  const left = ready.filter(({ n }) => !taken.includes(n))
  const unfair = ready.some(({ run, n }) => taken.includes(n) && left.some((other) => rank(other.run, run) < 0))
  if (taken.length !== due || ready.length - left.length !== due || unfair)
    throw new Error(`a claim of ${room} took ${JSON.stringify(taken)} of ${JSON.stringify(ready.map(({ n }) => n))}`)
  return taken.reduce((w, run) => aboard(w, by, run), world)
}

function aboard(world: World, by: number, at: number): World {
  const run = world.runs[at] as Run
  const fence = run.fence + 1
  // Cleaning up is not bound by the deadline.
  const late = run.ending === 'succeeded' && run.deadlineAt !== null && run.deadlineAt <= world.now
  const item = run.plan[run.position] as Item
  const ride: Ride = { worker: by, run: at, fence, state: 'claimed', item, interrupted: run.interrupt !== null, late }
  return withRun({ ...world, rides: [...world.rides, ride] }, at, { ...run, state: 'running', holder: by, fence })
}

/** Every run of a worker whose lease is over goes back; one that died alone too often waits for a person. */
function reaped(world: World): World {
  const workers = world.workers.map((was) =>
    was.state === 'live' && was.beatAt < world.now - leaseMs ? ({ ...was, state: 'dead' } as const) : was,
  )
  const runs = world.runs.map((run): Run => {
    if (run.holder === null || workers[run.holder]?.state !== 'dead') return run
    const fence = run.fence + 1
    if (run.alone && run.deathsAlone === 2)
      return { ...put(run, { state: 'paused', pausedFrom: 'queued', reason: 'dead_letter' }, world.now), fence }
    const deaths = run.deaths + 1
    const died = { deaths, alone: deaths >= 2, deathsAlone: run.deathsAlone + (run.alone ? 1 : 0) }
    // What a person asked of the run while it was aboard still stands.
    return { ...put(run, { ...died, state: 'queued' }, world.now), fence, interrupt: run.interrupt }
  })
  return { ...world, workers, runs }
}

/** A worker that stops in order gives back what it holds; nobody died. */
function signedOff(world: World, at: number): World {
  const off = worker(world, at, (was) => ({ ...was, state: 'stopped', beatAt: world.now }))
  const runs = world.runs.map((run) =>
    run.holder === at
      ? { ...put(run, { state: 'queued' }, world.now), fence: run.fence + 1, interrupt: run.interrupt }
      : run,
  )
  const rides = off.rides.map((ride) => (ride.worker === at ? { ...ride, state: 'over' as const } : ride))
  return { ...off, runs, rides }
}

function woken(world: World): World {
  const { now } = world
  const up = world.runs.map((run) =>
    run.state === 'waiting' && run.dueAt !== null && run.dueAt <= now
      ? put(run, { ...noWait, state: 'queued' }, now)
      : run,
  )
  if (up.some((run) => run.lock === 'held')) return { ...world, runs: up }
  const line = up.filter((run) => run.lock === 'behind' && run.state === 'queued')
  const heir = line.toSorted((a, b) => b.priority - a.priority)[0]
  return { ...world, runs: up.map((run) => (run === heir ? { ...run, lock: 'held', queuedAt: now } : run)) }
}

// ---------------------------------------------------------------- rides

export const holds = (world: World, ride: Ride): boolean => {
  const run = world.runs[ride.run]
  return run?.state === 'running' && run.holder === ride.worker && run.fence === ride.fence
}

const interrupted = (world: World, meanwhile: Ask | null, facts: Facts): World => {
  if (meanwhile === null || facts.meanwhile === null) return world
  const { world: next, said } = asked(world, meanwhile)
  if (said !== facts.meanwhile) throw new Error(`${meanwhile.kind} meanwhile: ${facts.meanwhile} instead of ${said}`)
  return next
}

/** A ride goes on by one settle. A worker that no longer holds the run writes nothing and lets go. */
function ridden(world: World, action: Extract<Action, { kind: 'drive' | 'finish' }>): World {
  const ride = world.rides[action.ride] as Ride
  const run = world.runs[ride.run] as Run
  if (action.kind === 'drive' && ride.item.type === 'step' && !ride.late && !ride.interrupted)
    return withRide(world, action.ride, 'body')
  if (!holds(world, ride)) return withRide(world, action.ride, 'over')
  const next = action.kind === 'finish' ? settled(run, action.outcome, world.now) : begun(run, ride, world.now)
  return withRide(withRun(world, ride.run, next), action.ride, next.state === 'running' ? 'body' : 'over')
}

const withRide = (world: World, at: number, state: Ride['state']): World => ({
  ...world,
  rides: world.rides.map((was, n) => (n === at ? { ...was, state } : was)),
})

/** What becomes of a run that came aboard and may not run a step. */
function begun(run: Run, ride: Ride, now: number): Run {
  if (ride.item.type === 'gate') {
    const gates = run.gates.map((gate) => (gate.verdict === null ? { ...gate, verdict: 'expired' } : gate))
    return ride.late
      ? put({ ...run, gates }, { state: 'failed', reason: 'PRECONDITION_FAILED' }, now)
      : stopped({ ...run, gates, reason: 'gate_expired' }, 'rejected', now)
  }
  return ride.late
    ? settled(run, { kind: 'fault', code: 'PRECONDITION_FAILED' }, now)
    : settled(run, { kind: 'aborted' }, now)
}

function heeded(world: World, by: number): World {
  return world.rides.reduce((w, ride, n) => {
    const run = w.runs[ride.run] as Run
    const item = run.plan[run.position] as StepOf
    const stops = run.interrupt === 'cancel' || (run.interrupt === 'pause' && item.onPause === 'abort')
    const isBusy = ride.worker === by && ride.state === 'body' && holds(w, ride)
    return isBusy && stops ? ridden(w, { kind: 'finish', ride: n, outcome: { kind: 'aborted' }, meanwhile: null }) : w
  }, world)
}

// ---------------------------------------------------------------- settling

type Ended = Outcome | { readonly kind: 'fault'; readonly code: 'PRECONDITION_FAILED' }

/** The run with changes, and what follows from its state alone. */
function put(run: Run, changes: Partial<Run>, now: number): Run {
  const next = { ...run, ...changes }
  const running = next.state === 'running'
  return {
    ...next,
    interrupt: running ? next.interrupt : null,
    holder: running ? next.holder : null,
    lock: isOver(next) ? null : next.lock,
    queuedAt: next.state === 'queued' && run.state !== 'queued' ? now : next.queuedAt,
  }
}

function settled(run: Run, outcome: Ended, now: number): Run {
  if (outcome.kind === 'aborted') return aborted(run, now)
  const tried = { ...run, attempt: run.attempt + 1, tries: run.tries + 1 }
  const cancels = run.interrupt === 'cancel'
  switch (outcome.kind) {
    case 'done': {
      const verdicts = { ...run.verdicts, [root((run.plan[run.position] as Item).id)]: outcome.verdict }
      const keepsReason = run.interrupt !== null || run.ending !== 'succeeded'
      const further = { ...tried, ...forgiven, verdicts, reason: keepsReason ? run.reason : null }
      return cancels ? stopped(further, 'cancelled', now) : arrived(further, now)
    }
    case 'sleep':
    case 'listen': {
      const rested = { ...tried, ...forgiven }
      return cancels ? stopped(rested, 'cancelled', now) : waits(rested, outcome, now)
    }
    case 'fault':
      return cancels ? stopped({ ...tried, failures: run.failures + 1 }, 'cancelled', now) : failed(tried, outcome, now)
    case 'defect':
      return put(tried, { state: 'paused', pausedFrom: 'queued', reason: 'invariant' }, now)
  }
}

function aborted(run: Run, now: number): Run {
  if (run.interrupt === 'cancel') return stopped(run, 'cancelled', now)
  return run.interrupt === 'pause' ? goesOn(run, now) : put(run, { state: 'queued' }, now)
}

/** Goes on, unless a person asked for a pause. */
const goesOn = (run: Run, now: number): Run =>
  run.interrupt === 'pause' ? put(run, { state: 'paused', pausedFrom: 'queued' }, now) : run

/** Parks, and is paused at the same time where a person asked for it. */
const parked = (run: Run, now: number): Run =>
  put(run, run.interrupt === 'pause' ? { state: 'paused', pausedFrom: 'waiting' } : { state: 'waiting' }, now)

function waits(run: Run, wait: Extract<Outcome, { kind: 'sleep' | 'listen' }>, now: number): Run {
  if (wait.kind === 'sleep') return parked({ ...run, waitingFor: 'time', dueAt: now + wait.ms, resume: 'time' }, now)
  if (run.signals > 0) return goesOn({ ...run, signals: run.signals - 1, resume: 'signal' }, now)
  const dueAt = wait.timeoutMs === null ? null : now + wait.timeoutMs
  return parked({ ...run, waitingFor: 'signal', dueAt, resume: 'timeout' }, now)
}

/** The kinds of failure that no repeat mends; a model's invalid answer gets one repair. */
function failed(tried: Run, { code }: Extract<Ended, { kind: 'fault' }>, now: number): Run {
  if (code === 'BUDGET_EXCEEDED') return put(tried, { state: 'paused', pausedFrom: 'queued', reason: 'budget' }, now)
  const run = { ...tried, failures: tried.failures + 1 }
  const { tries } = run.plan[run.position] as StepOf
  const allowed = code === 'TRANSIENT_NETWORK' ? tries : code === 'MODEL_OUTPUT_INVALID' ? 2 : 0
  if (run.failures >= allowed) return put(run, { state: 'failed', reason: code }, now)
  return parked({ ...run, waitingFor: 'time', dueAt: now + retryAfterMs }, now)
}

/** Moves past a finished step or an approved gate. */
function arrived(run: Run, now: number): Run {
  const position = nextOf(run)
  const item = run.plan[position]
  const moved = { ...run, position, attempt: 1 }
  if (!item) return put(moved, { state: run.ending, reason: run.ending === 'succeeded' ? null : run.reason }, now)
  if (item.type === 'step') return goesOn(moved, now)
  const gates = [...run.gates, { step: item.id, verdict: null, votes: [] }]
  const ends = [item.expiresAfterMs === null ? null : now + item.expiresAfterMs, run.deadlineAt]
  const dueAt = ends.reduce((a, b) => (a === null || b === null ? (a ?? b) : Math.min(a, b)))
  return parked({ ...moved, gates, waitingFor: 'gate', dueAt }, now)
}

function nextOf(run: Run): number {
  const runs = (item: Item): boolean => !item.when || run.verdicts[item.when.step] === item.when.verdict
  const ahead = run.plan.findIndex((item, n) => n > run.position && runs(item))
  return ahead === -1 ? run.plan.length : ahead
}

/** Ends a run early: what it may have made is cleaned up first, where its recipe says how. */
function stopped(run: Run, ending: 'rejected' | 'cancelled', now: number): Run {
  const { cleanUp }: Recipe = recipes[run.recipe]
  const base = { ...run, ...noWait, ...forgiven, ending, interrupt: null, pausedFrom: null }
  if (cleanUp === null || run.fence === 0) return put(base, { state: ending }, now)
  const plan = [...run.plan.slice(0, run.position + 1), cleanUp]
  const state = run.state === 'running' ? 'running' : 'queued'
  return put(run, { ...base, state, plan, position: plan.length - 1, attempt: 1 }, now)
}

const root = (id: string): string => id.split('#')[0] as string

// ---------------------------------------------------------------- what people ask

const no = (world: World, said: string) => ({ world, said })

function asked(world: World, ask: Ask): { readonly world: World; readonly said: string } {
  const run = world.runs[ask.run] as Run
  if (ask.kind === 'decide') return decided(world, run, ask)
  const changed = answers[ask.kind](run, world.now)
  return changed ? { world: withRun(world, ask.run, changed), said: 'ok' } : no(world, 'wrong_state')
}

/** Each answers how the run is afterwards, or null when it makes no sense for the run as it is. */
const answers: Readonly<Record<Exclude<Ask['kind'], 'decide'>, (run: Run, now: number) => Run | null>> = {
  pause(run, now) {
    if (isOver(run) || run.state === 'paused' || run.ending !== 'succeeded' || run.interrupt === 'cancel') return null
    if (run.state === 'running') return { ...run, interrupt: 'pause', reason: 'operator' }
    const stays = run.waitingFor === 'gate' || run.waitingFor === 'signal'
    const from = stays ? ({ pausedFrom: 'waiting' } as const) : ({ ...noWait, pausedFrom: 'queued' } as const)
    return put(run, { ...from, state: 'paused', reason: 'operator' }, now)
  },
  resume(run, now) {
    if (run.interrupt === 'pause') return { ...run, interrupt: null, reason: null }
    if (run.state !== 'paused') return null
    const dead = run.reason === 'dead_letter' ? { deaths: 0, deathsAlone: 0, alone: true } : {}
    return put(run, { ...dead, state: run.pausedFrom ?? 'queued', pausedFrom: null, reason: null }, now)
  },
  retry(run, now) {
    const isDead = run.state === 'paused' && run.reason === 'dead_letter'
    const isPoison = isDead || (run.state === 'paused' && run.reason === 'invariant')
    const isAsleep = run.state === 'waiting' && run.waitingFor === 'time'
    const isPast = run.state === 'failed' && run.deadlineAt !== null && run.deadlineAt <= now
    if (isPast || (!isPoison && !isAsleep && run.state !== 'failed')) return null
    const lock = run.state === 'failed' && run.locked ? ({ lock: 'behind' } as const) : {}
    const anew = isPoison ? { deaths: 0, deathsAlone: 0, alone: isDead } : {}
    return put(run, { ...noWait, ...lock, ...anew, state: 'queued', pausedFrom: null, reason: null }, now)
  },
  cancel(run, now) {
    if (isOver(run) || run.ending !== 'succeeded') return null
    if (run.state === 'running') return { ...run, interrupt: 'cancel', reason: 'cancelled' }
    const gates = run.gates.map((gate) => (gate.verdict === null ? { ...gate, verdict: 'withdrawn' } : gate))
    return stopped({ ...run, gates, reason: 'cancelled' }, 'cancelled', now)
  },
  signal(run, now) {
    if (isOver(run)) return null
    if (run.waitingFor !== 'signal') return { ...run, signals: run.signals + 1 }
    return ready({ ...run, resume: 'signal' }, now)
  },
}

/** A wait is over; a paused run stays paused and will be ready when resumed. */
const ready = (run: Run, now: number): Run =>
  run.state === 'paused' ? { ...run, ...noWait, pausedFrom: 'queued' } : put(run, { ...noWait, state: 'queued' }, now)

function decided(world: World, run: Run, { run: at, choice, as }: Extract<Ask, { kind: 'decide' }>) {
  if (as === 'dora') return no(world, 'not_allowed')
  const gate = run.gates.find(({ verdict }) => verdict === null)
  const last = run.gates.at(-1)
  if (!gate)
    return no(world, !last ? 'not_found' : /expired|withdrawn/.test(last.verdict ?? '') ? 'stale' : 'already_decided')
  if (run.waitingFor !== 'gate' || (run.dueAt !== null && run.dueAt <= world.now)) return no(world, 'stale')
  const item = run.plan[run.position] as GateOf
  if (as === 'anna' && !item.selfApproval) return no(world, 'not_allowed')
  if (gate.votes.includes(as)) return no(world, 'already_decided')
  const votes = [...gate.votes, as]
  const isOpen = choice === 'approve' && votes.length < item.quorum
  const verdict = isOpen
    ? null
    : ({ approve: 'approved', reject: 'rejected', changes: 'changes_requested' } as const)[choice]
  const gates = run.gates.map((was) => (was === gate ? { ...was, votes, verdict } : was))
  const next = isOpen ? { ...run, gates } : ruled({ ...run, gates }, choice, world.now)
  return { world: withRun(world, at, next), said: 'ok' }
}

function ruled(run: Run, choice: Choice, now: number): Run {
  const gate = run.plan[run.position] as GateOf
  if (choice === 'reject') return stopped({ ...run, reason: 'rejected' }, 'rejected', now)
  if (choice === 'changes') {
    const made = run.plan[run.position - 1] as StepOf
    const round = 1 + run.plan.filter(({ id }) => root(id) === root(made.id)).length
    const again = [made, gate].map((item) => ({ ...item, id: `${root(item.id)}#${round}` }))
    const plan = [...run.plan.slice(0, run.position + 1), ...again, ...run.plan.slice(run.position + 1)]
    return ready({ ...run, plan, position: run.position + 1, attempt: 1 }, now)
  }
  const verdicts = { ...run.verdicts, [root(gate.id)]: 'approved' }
  const moved = { ...run, ...noWait, verdicts, attempt: 1, position: nextOf({ ...run, verdicts }) }
  if (moved.position < run.plan.length) return ready(moved, now)
  return put(moved, { state: 'succeeded', pausedFrom: null, reason: null, attempt: run.attempt }, now)
}
