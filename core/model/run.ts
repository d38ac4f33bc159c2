import type { Json } from './json.ts'
import type { Plan } from './plan.ts'

export type RunState = 'queued' | 'running' | 'waiting' | 'paused' | 'succeeded' | 'failed' | 'rejected' | 'cancelled'

/** What a waiting run waits for. */
export type WaitingFor = 'gate' | 'time' | 'signal' | 'children'

/** How a run ends when its plan is at its end. */
export type Ending = 'succeeded' | 'rejected' | 'cancelled'

/** What a person or a reaper asked of a run while a worker has it; `hold`: to stop once its current step is done. */
export type Interrupt = 'pause' | 'cancel' | 'hold'

/** Why a step that waited runs again. */
export type Resume =
  | { readonly kind: 'time' }
  | { readonly kind: 'signal'; readonly id: string; readonly name: string; readonly payload: Json }
  | { readonly kind: 'timeout' }
  /** The step asked a person, who said: go on. */
  | { readonly kind: 'resumed' }
  | { readonly kind: 'children'; readonly results: readonly ChildResult[] }

export type ChildResult = { readonly runId: string; readonly state: RunState; readonly reason: string | null }

/** A run as decisions see it: its row and its plan. Counts are exact under the row's lock or its fence and version. */
export type Run = {
  readonly id: string
  readonly number: number
  readonly pipeline: string
  readonly pipelineVersion: number
  readonly projectId: string | null
  readonly startedBy: string
  readonly correlationId: string
  readonly parentId: string | null
  readonly state: RunState
  readonly waitingFor: WaitingFor | null
  readonly waitingName: string | null
  readonly pausedFrom: 'queued' | 'waiting' | null
  readonly ending: Ending
  readonly reasonCode: string | null
  readonly reason: string | null
  readonly interrupt: Interrupt | null
  readonly planVersion: number
  readonly position: number
  /** Ordinal of the try of the current item that comes next or is under way, from 1. */
  readonly attempt: number
  /** Tries of the current item that failed; retries count these, not claims and not waits. */
  readonly failures: number
  readonly verdicts: Readonly<Record<string, string>>
  readonly resume: Resume | null
  readonly fence: number
  /** Counts changes made from outside the worker that holds the run. */
  readonly version: number
  /** Sequence number of the run's last event. */
  readonly eventSeq: number
  readonly priority: number
  readonly lockKey: string | null
  readonly lockState: 'held' | 'behind' | null
  /** Early signals that no wait has consumed yet. */
  readonly signalsPending: number
  readonly deaths: number
  readonly deathsAlone: number
  readonly alone: boolean
  /** Milliseconds until the run's deadline, negative when past; null when there is none. */
  readonly deadlineInMs: number | null
  /** Milliseconds until `due_at`, negative when past; null when there is none. */
  readonly dueInMs: number | null
  readonly input: Json
  readonly plan: Plan
}

export const isOver = (state: RunState): boolean =>
  state === 'succeeded' || state === 'failed' || state === 'rejected' || state === 'cancelled'
