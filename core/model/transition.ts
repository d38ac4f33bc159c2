import type { Json } from './json.ts'
import type { ArtifactRef, ChildStart, GateSubject, RunLimits } from './outcome.ts'
import type { GateItem, GatePolicy, Plan } from './plan.ts'
import type { Run } from './run.ts'
import { isOver } from './run.ts'

/** The nine events the outside may hear of, and those for the run's own history. */
export type EventKind =
  | PublicEventKind
  | 'step_finished'
  | 'run_requeued'
  | 'run_cancelling'
  | 'budget_raised'
  | 'gate_vote'
  | 'pull_request_merged'
  | 'pull_request_closed'

export type PublicEventKind =
  | 'run_started'
  | 'documentation_generated'
  | 'gate_requested'
  | 'gate_decision'
  | 'milestone_completed'
  | 'run_paused'
  | 'run_resumed'
  | 'run_failed'
  | 'run_completed'

/** What the outside may hear of, by name. */
export const publicKinds: readonly PublicEventKind[] = [
  'run_started',
  'documentation_generated',
  'gate_requested',
  'gate_decision',
  'milestone_completed',
  'run_paused',
  'run_resumed',
  'run_failed',
  'run_completed',
]

const publicSet: ReadonlySet<string> = new Set(publicKinds)

/** True for what is told where people look: all that the outside may hear of, and votes that do not decide yet. */
export const isTold = (kind: EventKind): boolean => publicSet.has(kind) || kind === 'gate_vote'

export type EventDraft = { readonly kind: EventKind; readonly payload: { readonly [key: string]: Json | undefined } }

/** One settled try, as it goes into history. */
export type AttemptDraft = {
  readonly position: number
  readonly attempt: number
  readonly stepId: string
  readonly outcome: 'done' | 'wait' | 'retry' | 'failed' | 'aborted'
  readonly output: Json
  readonly errorCode: string | null
  readonly error: string | null
  readonly durationMs: number | null
}

export type GateDraft = {
  readonly id: string
  readonly stepId: string | null
  readonly kind: 'plan' | 'budget'
  readonly name: string
  readonly artifact: ArtifactRef | null
  readonly subject: GateSubject
  readonly policy: GatePolicy
  readonly requestedBy: string | null
}

export type GateVerdict = 'approved' | 'rejected' | 'changes_requested' | 'expired' | 'withdrawn'

/** Everything one change of a run writes, as data. `was` carries the guard: its fence and version must still hold. */
export type Transition = {
  readonly was: Run
  /** The row afterwards. `dueInMs` counts from now. */
  readonly now: Run
  readonly attempt: AttemptDraft | null
  readonly events: readonly EventDraft[]
  /** A new version of the plan, when it changed. */
  readonly plan: Plan | null
  readonly openGate: GateDraft | null
  /** The verdict to put on the run's open plan gate. */
  readonly closeGate: GateVerdict | null
  readonly artifacts: readonly (ArtifactRef & { readonly stepId: string })[]
  readonly children: readonly ChildStart[]
  readonly consumedSignal: string | null
  readonly limits: RunLimits | null
  /** True when requests for money that no person made have lost their point. */
  readonly withdraws: boolean
  /** True when the worker that holds the run goes on with its next step. */
  readonly goesOn: boolean
}

export type Change = Partial<Omit<Transition, 'was' | 'now' | 'goesOn'>> & { readonly now?: Partial<Run> }

/** A transition from `run` with the given changes; derives what follows from the state alone. */
export function transition(run: Run, change: Change): Transition {
  const { now: fields, ...writes } = change
  const merged: Run = { ...run, ...fields }
  const now: Run = {
    ...merged,
    plan: change.plan ?? merged.plan,
    planVersion: change.plan ? run.planVersion + 1 : merged.planVersion,
    lockState: isOver(merged.state) ? null : merged.lockState,
    interrupt: stands(run, merged) ? merged.interrupt : null,
  }
  return {
    attempt: null,
    events: [],
    plan: null,
    openGate: null,
    closeGate: null,
    artifacts: [],
    children: [],
    consumedSignal: null,
    limits: null,
    withdraws: false,
    ...writes,
    was: run,
    now,
    goesOn: now.state === 'running',
  }
}

/**
 * What was asked of a run stands until it stops: also in the queue, where its worker's death has put it back. A hold stands
 * through waits for time as well, and ends where people are asked anyway.
 */
function stands(was: Run, now: Run): boolean {
  if (now.state === 'running' || now.state === was.state) return true
  return now.interrupt === 'hold' && (now.state === 'queued' || (now.state === 'waiting' && now.waitingFor !== 'gate'))
}

/** The fields of a run that waits for nothing. */
export const notWaiting = { waitingFor: null, waitingName: null, dueInMs: null } as const

/** The gate row for a plan's gate item, on the bytes that the step before it presented. */
export function gateDraft(gate: GateItem, id: string, subject: GateSubject): GateDraft {
  return {
    id,
    stepId: gate.id,
    kind: 'plan',
    name: gate.name,
    artifact: subject.artifact,
    subject,
    policy: gate.policy,
    requestedBy: null,
  }
}
