import type { Json } from './json.ts'
import type { GatePolicy, Plan } from './plan.ts'
import type { MoneyRequest } from './money-request.ts'
import type { FaultCode } from './problem.ts'

/** Bytes a step saved: the name people see, and the address of the content. */
export type ArtifactRef = {
  readonly name: string
  /** 64 hex digits. */
  readonly sha256: string
  readonly sizeBytes: number
}

/** What a gate card shows of the artifact it judges, in the order people read it. */
export type GateSubject = {
  readonly artifact: ArtifactRef
  readonly what: string
  readonly risks: readonly string[]
  readonly questions: readonly string[]
  /** What changed since the version a gate showed before; empty at the first. */
  readonly changes: readonly string[]
  readonly facts: readonly string[]
  /** Of a request for money: how much, in millionths of a dollar. */
  readonly micros?: number | undefined
  /** And how many tokens; left out: in proportion. */
  readonly tokens?: number | undefined
  /** Of a call that is dear by itself: in which step, by its first round's id, and up to how much. */
  readonly call?: { readonly step: string; readonly micros: number } | undefined
  /** Words that an approval may add, by which it grants less. */
  readonly options?: readonly string[] | undefined
}

/** Null leaves a limit as it is. */
export type RunLimits = {
  readonly capMicros: number | null
  readonly capTokens: number | null
  /** Milliseconds from the run's start. */
  readonly deadlineMs: number | null
}

/** A run that a step wants started and waited for. */
export type ChildStart = {
  readonly pipeline: string
  readonly input: Json
  readonly priority?: number
}

export type Wait =
  | { readonly kind: 'time'; readonly delayMs: number }
  | { readonly kind: 'signal'; readonly name: string; readonly timeoutMs: number | null }
  | { readonly kind: 'children'; readonly children: readonly ChildStart[] }

/** How a step ended, as data. */
export type Outcome =
  | {
      readonly kind: 'done'
      readonly output: Json
      readonly verdict?: string
      readonly artifacts?: readonly ArtifactRef[]
      /** Needed when a gate stands behind this step. */
      readonly subject?: GateSubject
      /** The policy of that gate, where it was only known now; else the plan's. */
      readonly policy?: GatePolicy
      /** Tighter limits for the run, known only now; a limit is never loosened this way. */
      readonly limits?: RunLimits
      /** What the outside shall hear of it, besides that the step is done. */
      readonly tells?: {
        readonly kind: 'documentation_generated' | 'milestone_completed'
        readonly payload: { readonly [key: string]: Json }
      }
      /** Items to put right behind this step, one block per call. */
      readonly extend?: Plan
    }
  | { readonly kind: 'wait'; readonly wait: Wait }
  /**
   * Only a person can say how it goes on: the run pauses with this sentence, which names the ways on, and the step is tried
   * again on /resume. `code` says in a word what it is about.
   */
  | {
      readonly kind: 'ask'
      readonly code: string
      readonly message: string
      readonly artifacts?: readonly ArtifactRef[]
    }
  | {
      readonly kind: 'fault'
      readonly code: FaultCode
      readonly message: string
      readonly retryable: boolean
      readonly retryAfterMs: number | null
      /** What a person could grant so that it goes on; only with BUDGET_EXCEEDED. */
      readonly request?: MoneyRequest
    }
  /** The step stopped because its signal told it to: no attempt is counted. */
  | { readonly kind: 'aborted' }
  /** The engine or a step met an impossible state. */
  | { readonly kind: 'defect'; readonly message: string }
