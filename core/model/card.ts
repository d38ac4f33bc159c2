import type { GateSubject } from './outcome.ts'
import type { Role } from './plan.ts'
import type { RunState, WaitingFor } from './run.ts'
import type { GateVerdict } from './transition.ts'
import type { TakenBack } from './undo.ts'

/** What every surface shows of a run: data only, each surface finds its own form. */
export type RunCard = {
  readonly runId: string
  readonly handle: string
  readonly correlationId: string
  readonly pipeline: string
  /** Name and address of what the run works on; null for runs without a project. */
  readonly project: { readonly name: string; readonly address: string } | null
  readonly state: RunState
  readonly waitingFor: WaitingFor | null
  readonly reasonCode: string | null
  readonly reason: string | null
  /** Where it stands: item n of m of its plan, and what that item is. */
  readonly phase: { readonly n: number; readonly of: number; readonly title: string }
  /** What the step under way says it is doing; untrusted, and null when it says nothing. */
  readonly progress: string | null
  readonly tries: number
  readonly startedAt: Date
  readonly elapsedMs: number
  readonly money: Money
  /** What the first step expects the run to cost and take, and the policy it found; null until it has looked. */
  readonly outlook: Outlook | null
  /** Handle of the run that holds the lock this one is queued for. */
  readonly behind: string | null
  /** True when its deadline is past, so that no further try of it helps. */
  readonly isPastDeadline: boolean
  /** Handle of the run that was started to go on in place of this one. */
  readonly retriedAs: string | null
  readonly gates: readonly GateCard[]
  /** Where people review what the run made; null where there is no such place, or not yet. */
  readonly pullRequest: {
    readonly number: number
    readonly url: string
    /** What became of it there; null: it is open, as far as we were told. */
    readonly end: 'merged' | 'closed' | null
  } | null
  /** Of an undo: what became of each effect so far. */
  readonly takenBack: readonly TakenBack[]
  readonly startedBy: string
}

/** Cost in millionths of a US dollar; policy in lines for people. */
export type Outlook = {
  readonly lowMicros: number
  readonly likelyMicros: number
  readonly highMicros: number
  readonly seconds: number
  /** The same by what the money is for; what they come to is above. */
  readonly phases: readonly PhaseEstimate[]
  /** What the figures come from: `3 earlier runs`. */
  readonly basis: string
  readonly policy: readonly string[]
  /** Wishes of the project that the server does not grant, in sentences. */
  readonly clamped: readonly string[]
}

/** In millionths of a US dollar. */
export type PhaseEstimate = {
  readonly name: string
  readonly lowMicros: number
  readonly likelyMicros: number
  readonly highMicros: number
}

/** In millionths of a US dollar, and tokens. */
export type Money = {
  readonly spentMicros: number
  readonly reservedMicros: number
  readonly capMicros: number
  readonly spentTokens: number
  readonly capTokens: number
}

/** Calls of one purpose in one step, and what they cost. */
export type LedgerLine = {
  readonly step: string
  readonly purpose: string
  readonly calls: number
  readonly spentMicros: number
  readonly spentTokens: number
  /** Of calls under way, or whose cost nobody knows. */
  readonly reservedMicros: number
}

/** Money that stays set aside for a call of which nobody knows what it cost. */
export type HeldLine = {
  readonly id: string
  readonly step: string
  readonly purpose: string
  readonly reservedMicros: number
  readonly reservedTokens: number
}

/** One call of a model. Null: its provider did not say, or nobody knows. */
export type CallLine = {
  readonly id: string
  readonly at: Date
  readonly step: string
  /** What it was for; null once nobody remembers. */
  readonly purpose: string | null
  readonly model: string
  /** Null: an agent asked in its own words. */
  readonly prompt: { readonly id: string; readonly version: string } | null
  readonly inputTokens: number | null
  readonly cachedTokens: number | null
  readonly outputTokens: number | null
  readonly costMicros: number | null
  readonly durationMs: number
  /** `answered`, `cut`, `stopped`, or the code of what went wrong. */
  readonly outcome: string
  readonly requestId: string | null
  readonly questionSha256: string
  readonly answerSha256: string | null
}

export type GateCard = {
  readonly gateId: string
  readonly runId: string
  readonly handle: string
  readonly name: string
  readonly kind: 'plan' | 'budget'
  readonly subject: GateSubject
  /** Who may decide, how many of them, and whether the starter may. */
  readonly roles: readonly Role[]
  /** Pseudonyms of the only people who may; null: whoever has one of the roles. */
  readonly people: readonly string[] | null
  readonly quorum: number
  readonly votes: number
  readonly openedAt: Date
  /** Who may decide too since when; null: nobody more. */
  readonly escalated: { readonly roles: readonly Role[]; readonly at: Date } | null
  readonly expiresAt: Date | null
  readonly verdict: GateVerdict | null
  readonly decidedBy: string | null
  /** Whose role it was decided by, if not their own. */
  readonly decidedInPlaceOf: string | null
  readonly decidedAt: Date | null
}

/** One line of a list of runs. */
export type RunLine = {
  readonly handle: string
  readonly pipeline: string
  readonly project: string | null
  readonly state: RunState
  readonly waitingFor: WaitingFor | null
  readonly reason: string | null
  readonly phase: { readonly n: number; readonly of: number; readonly title: string }
  readonly startedAt: Date
  readonly elapsedMs: number
}

/** One line of a run's history. */
export type LogLine = {
  readonly seq: number
  readonly at: Date
  readonly kind: string
  readonly detail: Readonly<Record<string, unknown>>
}

export type ArtifactLine = {
  readonly name: string
  readonly sha256: string
  readonly sizeBytes: number
  readonly step: string
}
