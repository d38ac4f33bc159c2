import type { Json } from './json.ts'
import type { StepItem } from './plan.ts'
import type { Result } from './problem.ts'
import { accepted, refused } from './problem.ts'
import type { ChildResult, Run } from './run.ts'
import { isOver } from './run.ts'
import { stopped } from './settle.ts'
import type { Transition } from './transition.ts'
import { notWaiting, transition } from './transition.ts'

/** Changes made to a run from outside the worker that holds it. Pure; each is a transition or a refusal with the next step. */

/** Stops the run after or inside its current step, as the step declares; a running run is only asked to. */
export function pause(run: Run, reason: { readonly code: string; readonly text: string }): Result<Transition> {
  const told = { reasonCode: reason.code, reason: reason.text }
  if (isOver(run.state))
    return refused('wrong_state', `The run is over: it ${sayState(run)}.`, 'Start a new one with /run.')
  if (run.state === 'paused') return refused('wrong_state', 'The run is paused already.', 'Go on with /resume.')
  if (run.ending !== 'succeeded' || run.interrupt === 'cancel')
    return refused('wrong_state', 'The run is being stopped and cleaned up.', 'Watch it with /status.')
  if (run.state === 'running') return accepted(transition(run, { now: { ...told, interrupt: 'pause' } }))
  const pausedFrom = run.state === 'waiting' && run.waitingFor !== 'time' ? 'waiting' : 'queued'
  const waits = pausedFrom === 'waiting' ? {} : notWaiting
  return accepted(
    transition(run, {
      now: { ...told, ...waits, state: 'paused', pausedFrom },
      events: [{ kind: 'run_paused', payload: { reason: reason.code } }],
    }),
  )
}

/** Stops a run because a decision may not be the person's whose name it bears; one that is paused already is held the harder. */
export function freeze(run: Run): Result<Transition> {
  const told = { code: 'freeze', text: 'Frozen: somebody says that a decision in their name was not theirs.' }
  if (run.state !== 'paused') return pause(run, told)
  const isNews = run.reasonCode !== told.code
  return accepted(
    transition(run, {
      now: { reasonCode: told.code, reason: told.text },
      events: isNews ? [{ kind: 'run_paused', payload: { reason: told.code } }] : [],
    }),
  )
}

/** Puts a paused run back to where it was; takes back a pause or a hold that no worker has acted on yet. */
export function resume(run: Run): Result<Transition> {
  if (run.interrupt === 'pause' || run.interrupt === 'hold') {
    return accepted(transition(run, { now: { interrupt: null, reasonCode: null, reason: null } }))
  }
  if (run.state !== 'paused')
    return refused('wrong_state', `The run is not paused: it ${sayState(run)}.`, 'See /status.')
  const dead = run.reasonCode === 'dead_letter' ? { deaths: 0, deathsAlone: 0, alone: true } : {}
  return accepted(
    transition(run, {
      now: { ...dead, state: run.pausedFrom ?? 'queued', pausedFrom: null, reasonCode: null, reason: null },
      events: [{ kind: 'run_resumed', payload: {} }],
      withdraws: true,
    }),
  )
}

/** Stops a run for good; what it made is cleaned up first where the pipeline says how. */
export function cancel(run: Run, cleanUp: StepItem | null): Result<Transition> {
  const told = { reasonCode: 'cancelled', reason: 'Cancelled by an operator.' }
  if (isOver(run.state))
    return refused('wrong_state', `The run is over: it ${sayState(run)}.`, 'There is nothing to cancel.')
  if (run.ending !== 'succeeded')
    return refused('wrong_state', 'The run is being stopped already.', 'Watch it with /status.')
  if (run.state === 'running') return accepted(transition(run, { now: { ...told, interrupt: 'cancel' } }))
  // A try that was aborted or died with its worker is not counted, but it may have made something: only a run that
  // never came aboard a worker is untouched.
  const untouched = run.fence === 0
  // A gate whose time is up is no longer waited for, and still open until a worker comes to close it.
  const closing = run.plan[run.position]?.type === 'gate' ? ({ closeGate: 'withdrawn' } as const) : {}
  return accepted(stopped(run, { ...run, ...told }, closing, 'cancelled', untouched ? null : cleanUp))
}

/** One extra try of the item a failed or parked run stands at. */
export function retry(run: Run): Result<Transition> {
  const parked = run.state === 'paused' && (run.reasonCode === 'invariant' || run.reasonCode === 'dead_letter')
  if (run.state === 'waiting' && run.waitingFor === 'time') return accepted(again(run, {}))
  if (parked) return accepted(again(run, { deaths: 0, deathsAlone: 0, alone: run.reasonCode === 'dead_letter' }))
  if (run.state === 'failed' && run.deadlineInMs !== null && run.deadlineInMs <= 0)
    return refused('wrong_state', 'The run is past its deadline, and would end at once.', 'Start a new one with /run.')
  if (run.state === 'failed') return accepted(again(run, { lockState: run.lockKey === null ? null : 'behind' }))
  return refused('wrong_state', `The run has nothing to retry: it ${sayState(run)}.`, 'See /status.')
}

function again(run: Run, fields: Partial<Run>): Transition {
  return transition(run, {
    now: { ...notWaiting, ...fields, state: 'queued', pausedFrom: null, reasonCode: null, reason: null },
    events: [{ kind: 'run_requeued', payload: { reason: 'retry' } }],
  })
}

/** Tells a run something: wakes it when it waits for just this, else the signal is kept for later. */
export function signal(
  run: Run,
  sent: { readonly id: string; readonly name: string; readonly payload: Json },
): Result<Transition> {
  if (isOver(run.state)) return refused('wrong_state', `The run is over: it ${sayState(run)}.`)
  if (run.waitingFor !== 'signal' || run.waitingName !== sent.name) {
    return accepted(transition(run, { now: { signalsPending: run.signalsPending + 1 } }))
  }
  const woken = wake(run, { resume: { kind: 'signal', ...sent } })
  return accepted(transition(run, { now: woken, consumedSignal: sent.id }))
}

/** Wakes a parent whose children are all over, with every result, failures included. */
export const childrenOver = (parent: Run, results: readonly ChildResult[]): Transition =>
  transition(parent, { now: wake(parent, { resume: { kind: 'children', results } }) })

/** Parks a run that killed its worker again and again, although it ran alone. */
export function parkAsDeadLetter(run: Run): Transition {
  const reason = `The run's worker died ${run.deathsAlone + 1} times while it ran nothing else. See /logs, mend the cause, then /retry.`
  return transition(run, {
    now: {
      ...notWaiting,
      state: 'paused',
      pausedFrom: 'queued',
      reasonCode: 'dead_letter',
      reason,
      fence: run.fence + 1,
    },
    events: [{ kind: 'run_paused', payload: { reason: 'dead_letter' } }],
  })
}

/** The fields that end a wait; a paused run stays paused and will be ready when resumed. */
export function wake(run: Run, fields: Partial<Run>): Partial<Run> {
  const ready = { ...notWaiting, ...fields }
  return run.state === 'paused' ? { ...ready, pausedFrom: 'queued' } : { ...ready, state: 'queued' }
}

const words: Readonly<Record<Run['state'], string>> = {
  queued: 'is queued',
  running: 'is running',
  waiting: 'is waiting',
  paused: 'is paused',
  succeeded: 'succeeded',
  failed: 'failed',
  rejected: 'was rejected',
  cancelled: 'was cancelled',
}

const sayState = (run: Run): string => words[run.state]
