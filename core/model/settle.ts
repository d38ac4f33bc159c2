import type { Json } from './json.ts'
import type { Outcome, Wait } from './outcome.ts'
import type { Plan, PlanItem, StepItem } from './plan.ts'
import { nextPosition, rootOf, withBlock } from './plan.ts'
import { assert, unreachable } from './problem.ts'
import type { Backoff, RetryClass } from './retry.ts'
import { limitDelayMs, retryDelayMs } from './retry.ts'
import type { Resume, Run } from './run.ts'
import { moneyGate } from './money-gate.ts'
import type { AttemptDraft, Change, EventDraft, GateDraft, Transition } from './transition.ts'
import { gateDraft, notWaiting, transition } from './transition.ts'

/** What settling needs besides the run and the outcome; chance and new ids come in as arguments. */
export type SettleContext = {
  readonly retry: RetryClass
  /** Tries of the step after the first that the run's own settings allow; null, or left out, leaves it to the class. */
  readonly retries?: number | null
  readonly backoff: Backoff
  /** 0 to 1. */
  readonly random: number
  /** A fresh id for a gate that may open. */
  readonly gateId: string
  readonly durationMs: number
  /** Oldest unconsumed signal of the name the step may wait for. */
  readonly signals: readonly { readonly id: string; readonly name: string; readonly payload: Json }[]
  /** The step to run when the run is stopped before its end; null when there is nothing to clean up. */
  readonly cleanUp: StepItem | null
}

/** What happens to a run when a try of its current step has ended. Pure. */
export function settle(run: Run, outcome: Outcome, context: SettleContext): Transition {
  assert(run.state === 'running', `run ${run.id} settles while ${run.state}`)
  switch (outcome.kind) {
    case 'done':
      return settleDone(run, outcome, context)
    case 'wait':
      return settleWait(run, outcome.wait, context)
    case 'fault':
      return settleFault(run, outcome, context)
    case 'ask':
      return settleAsk(run, outcome, context)
    case 'aborted':
      return settleAborted(run, context)
    case 'defect':
      return parkAsInvariant(run, outcome.message, attemptOf(run, 'failed', context, 'INVARIANT', outcome.message))
    default:
      return unreachable(outcome)
  }
}

function settleDone(run: Run, outcome: Extract<Outcome, { kind: 'done' }>, context: SettleContext): Transition {
  const item = currentItem(run)
  const verdicts =
    outcome.verdict === undefined ? run.verdicts : { ...run.verdicts, [rootOf(item.id)]: outcome.verdict }
  const plan = outcome.extend?.length ? withBlock(run.plan, run.position, outcome.extend) : run.plan
  const progressed: Run = { ...run, ...fresh, ...withoutOldReason(run), plan, verdicts, attempt: run.attempt + 1 }
  const change: Change = {
    attempt: { ...attemptOf(run, 'done', context), output: outcome.output },
    artifacts: (outcome.artifacts ?? []).map((artifact) => ({ ...artifact, stepId: item.id })),
    plan: plan === run.plan ? null : plan,
    limits: outcome.limits ?? null,
    events: [
      { kind: 'step_finished', payload: { step: item.id, attempt: run.attempt } },
      ...(outcome.tells ? [outcome.tells] : []),
    ],
  }
  if (run.interrupt === 'cancel') return stopped(run, progressed, change, 'cancelled', context.cleanUp)
  return arrive(run, progressed, change, { outcome, context })
}

/** The reason of a pause under way or of an ending stays. */
const keepsReason = ({ interrupt, ending }: Run): boolean =>
  (interrupt !== null && interrupt !== 'hold') || ending !== 'succeeded'

/** What held a run up once is no news after progress. */
const withoutOldReason = (run: Run): Partial<Run> => (keepsReason(run) ? {} : { reasonCode: null, reason: null })

/** A run that made progress has not been killed by this step: its deaths are forgiven. */
const fresh = { failures: 0, deaths: 0, deathsAlone: 0, alone: false, resume: null } as const

type Arrival = { readonly outcome: Extract<Outcome, { kind: 'done' }>; readonly context: SettleContext }

/** Moves to the next item that runs: goes on, opens its gate and parks, or ends. */
function arrive(run: Run, progressed: Run, change: Change, { outcome, context }: Arrival): Transition {
  const position = nextPosition(progressed.plan, run.position + 1, progressed.verdicts)
  const next = progressed.plan[position]
  const moved: Run = { ...progressed, ...notWaiting, position, attempt: 1 }
  if (!next) return ended(run, moved, change)
  if (next.type === 'step') return goOnOrPause(run, moved, change)
  const { subject, policy = next.policy } = outcome
  assert(subject, `gate ${next.id} stands behind ${next.judges}, which presented nothing to judge`)
  const waiting = { waitingFor: 'gate', waitingName: next.name, dueInMs: policy.expiresAfterMs } as const
  const opened: EventDraft = {
    kind: 'gate_requested',
    payload: { gate: next.name, step: next.id, artifact: subject.artifact.name, sha256: subject.artifact.sha256 },
  }
  const parked = {
    ...change,
    openGate: gateDraft({ ...next, policy }, context.gateId, subject),
    events: [...(change.events ?? []), opened],
  }
  return park(run, { ...moved, ...waiting }, parked)
}

/** Parks a run that waits; a pause that came meanwhile wins the state and keeps what it waited for. */
function park(run: Run, moved: Run, change: Change): Transition {
  if (run.interrupt === 'pause') return paused(run, { ...moved, pausedFrom: 'waiting' }, change)
  return transition(run, { ...change, now: { ...moved, state: 'waiting' } })
}

function goOnOrPause(run: Run, moved: Run, change: Change): Transition {
  if (run.interrupt === 'pause') return paused(run, { ...moved, pausedFrom: 'queued' }, change)
  if (run.interrupt === 'hold' && moved.position !== run.position)
    return paused(run, { ...moved, pausedFrom: 'queued', reasonCode: 'phase_done', reason: phaseDone }, change)
  return transition(run, { ...change, now: { ...moved, state: 'running' } })
}

const phaseDone = 'The phase that more money was granted for is done.'

function paused(run: Run, moved: Run, change: Change): Transition {
  const event: EventDraft = { kind: 'run_paused', payload: { reason: moved.reasonCode } }
  return transition(run, { ...change, now: { ...moved, state: 'paused' }, events: [...(change.events ?? []), event] })
}

function ended(run: Run, moved: Run, change: Change): Transition {
  const event: EventDraft = { kind: 'run_completed', payload: { outcome: moved.ending } }
  const now: Run = { ...moved, ...withoutOldReason({ ...moved, interrupt: null }), state: moved.ending }
  return transition(run, { ...change, now, events: [...(change.events ?? []), event] })
}

/** Stops a run before its end: cleans up where there is something to clean, else ends as `ending`. */
export function stopped(
  run: Run,
  from: Run,
  change: Change,
  ending: 'rejected' | 'cancelled',
  cleanUp: StepItem | null,
): Transition {
  const base: Run = { ...from, ...notWaiting, ...fresh, ending, interrupt: null, pausedFrom: null }
  if (!cleanUp) return ended(run, base, change)
  const kept = from.plan.slice(0, Math.min(run.position + 1, from.plan.length))
  const plan: Plan = [...kept.filter((item) => item.id !== cleanUp.id), cleanUp]
  const event: EventDraft = { kind: 'run_cancelling', payload: { ending } }
  const now: Run = {
    ...base,
    state: run.state === 'running' ? 'running' : 'queued',
    position: plan.length - 1,
    attempt: 1,
  }
  return transition(run, { ...change, now, plan, events: [...(change.events ?? []), event] })
}

function settleWait(run: Run, wait: Wait, context: SettleContext): Transition {
  const change: Change = { attempt: attemptOf(run, 'wait', context) }
  const tried: Run = { ...run, ...fresh, attempt: run.attempt + 1 }
  if (run.interrupt === 'cancel') return stopped(run, tried, change, 'cancelled', context.cleanUp)
  switch (wait.kind) {
    case 'time':
      return park(run, { ...tried, ...waitsFor('time', null, wait.delayMs), resume: { kind: 'time' } }, change)
    case 'signal':
      return settleSignalWait(run, tried, wait, { change, context })
    case 'children': {
      const none = wait.children.length === 0
      if (none) return goOnOrPause(run, { ...tried, resume: { kind: 'children', results: [] } }, change)
      return park(run, { ...tried, ...waitsFor('children', null, null) }, { ...change, children: wait.children })
    }
    default:
      return unreachable(wait)
  }
}

type SignalArrival = { readonly change: Change; readonly context: SettleContext }

/** A signal that came early is taken at once; otherwise the run parks until it comes or its time is up. */
function settleSignalWait(
  run: Run,
  tried: Run,
  wait: Extract<Wait, { kind: 'signal' }>,
  arrival: SignalArrival,
): Transition {
  const early = arrival.context.signals.find((signal) => signal.name === wait.name)
  if (!early) {
    const parked: Run = { ...tried, ...waitsFor('signal', wait.name, wait.timeoutMs), resume: { kind: 'timeout' } }
    return park(run, parked, arrival.change)
  }
  const resume: Resume = { kind: 'signal', ...early }
  const taken: Run = { ...tried, resume, signalsPending: run.signalsPending - 1 }
  return goOnOrPause(run, taken, { ...arrival.change, consumedSignal: early.id })
}

const waitsFor = (waitingFor: 'time' | 'signal' | 'children', waitingName: string | null, dueInMs: number | null) => ({
  waitingFor,
  waitingName,
  dueInMs,
})

function settleFault(run: Run, fault: Extract<Outcome, { kind: 'fault' }>, context: SettleContext): Transition {
  const tried: Run = { ...run, attempt: run.attempt + 1, failures: run.failures + 1 }
  const record = (outcome: AttemptDraft['outcome']): Change => ({
    attempt: attemptOf(run, outcome, context, fault.code, fault.message),
  })
  if (run.interrupt === 'cancel') return stopped(run, tried, record('aborted'), 'cancelled', context.cleanUp)
  if (fault.code === 'BUDGET_EXCEEDED') {
    const held: Run = {
      ...tried,
      failures: run.failures,
      pausedFrom: 'queued',
      reasonCode: 'budget',
      reason: fault.message,
    }
    const openGate = fault.request && moneyGate(currentItem(run), fault.request, context.gateId)
    return paused(run, held, { ...record('retry'), ...(openGate ? asked(openGate) : {}) })
  }
  const limitMs = limitDelayMs(fault, context.retry, context.random)
  if (limitMs !== null) {
    const told = keepsReason(run) ? {} : { reasonCode: fault.code, reason: fault.message }
    return park(run, { ...tried, ...told, failures: run.failures, ...waitsFor('time', null, limitMs) }, record('retry'))
  }
  const failed = { ...fault, attempt: run.failures + 1, retries: context.retries ?? null }
  const delayMs = retryDelayMs(failed, context.retry, context.backoff, context.random)
  if (delayMs === null) return failedRun(run, tried, { code: fault.code, message: fault.message }, record('failed'))
  return park(run, { ...tried, ...waitsFor('time', null, delayMs) }, record('retry'))
}

const asked = (openGate: GateDraft): Change => ({
  openGate,
  events: [{ kind: 'gate_requested', payload: { gate: openGate.name, micros: openGate.subject.micros ?? 0 } }],
})

/** Only a person can say how it goes on: the run pauses where it stands, and the step is tried again when it is resumed. */
function settleAsk(run: Run, outcome: Extract<Outcome, { kind: 'ask' }>, context: SettleContext): Transition {
  const { code, message, artifacts = [] } = outcome
  const stepId = currentItem(run).id
  const asked: Change = {
    attempt: attemptOf(run, 'wait', context, null, message),
    artifacts: artifacts.map((artifact) => ({ ...artifact, stepId })),
  }
  const tried: Run = { ...run, ...fresh, attempt: run.attempt + 1 }
  if (run.interrupt === 'cancel') return stopped(run, tried, asked, 'cancelled', context.cleanUp)
  const told = { pausedFrom: 'queued', resume: { kind: 'resumed' }, reasonCode: code, reason: message } as const
  return paused(run, { ...tried, ...told }, asked)
}

function settleAborted(run: Run, context: SettleContext): Transition {
  if (run.interrupt === 'cancel') return stopped(run, run, {}, 'cancelled', context.cleanUp)
  if (run.interrupt === 'pause') return paused(run, { ...run, pausedFrom: 'queued' }, {})
  return released(run)
}

/** Gives a run back to the queue with nothing recorded: a worker that stops, or a body that heeded an old signal. */
export const released = (run: Run): Transition => transition(run, { now: { state: 'queued' } })

export type Failure = { readonly code: string; readonly message: string }

/** Ends a run as failed, with the reason people will read. */
export function failedRun(run: Run, tried: Run, failure: Failure, change: Change = {}): Transition {
  const event: EventDraft = { kind: 'run_failed', payload: { code: failure.code, message: failure.message } }
  const now: Run = {
    ...tried,
    ...notWaiting,
    state: 'failed',
    pausedFrom: null,
    reasonCode: failure.code,
    reason: failure.message,
  }
  return transition(run, { ...change, now, events: [...(change.events ?? []), event] })
}

/** Parks a run in a state that must not exist, with the evidence; only a person takes it on. */
export function parkAsInvariant(run: Run, message: string, attempt: AttemptDraft | null): Transition {
  const tried: Run = { ...run, attempt: attempt ? run.attempt + 1 : run.attempt }
  return paused(
    run,
    { ...tried, ...notWaiting, pausedFrom: 'queued', reasonCode: 'invariant', reason: message },
    { attempt },
  )
}

/** Puts a run off that this worker cannot run, with a reason in its status. */
export function postponed(run: Run, reason: string, delayMs: number): Transition {
  return transition(run, {
    now: { state: 'waiting', ...waitsFor('time', null, delayMs), reasonCode: 'postponed', reason },
  })
}

/** A gate nobody decided in time: it closes, and the run ends as rejected. */
export function gateExpired(run: Run, cleanUp: StepItem | null): Transition {
  const gate = currentItem(run)
  const reason = `Nobody decided gate ${gate.type === 'gate' ? gate.name : gate.id} in time, so it closed.`
  const from: Run = { ...run, reasonCode: 'gate_expired', reason }
  const event: EventDraft = { kind: 'gate_decision', payload: { gate: gate.id, verdict: 'expired' } }
  return stopped(run, from, { closeGate: 'expired', events: [event] }, 'rejected', cleanUp)
}

/** The item at the run's position. Throws a Defect when the run is past its plan. */
export function currentItem(run: Run): PlanItem {
  const item = run.plan[run.position]
  assert(item, `run ${run.id} stands at ${run.position} of a plan of ${run.plan.length}`)
  return item
}

function attemptOf(
  run: Run,
  outcome: AttemptDraft['outcome'],
  context: SettleContext,
  errorCode: string | null = null,
  error: string | null = null,
): AttemptDraft {
  return {
    position: run.position,
    attempt: run.attempt,
    stepId: currentItem(run).id,
    outcome,
    output: null,
    errorCode,
    error,
    durationMs: context.durationMs,
  }
}
