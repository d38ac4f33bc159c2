import type { FaultCode } from './problem.ts'

/** How a step kind is retried: transient I/O often, a generation thrice, one attempt where a repeat cannot help. */
export type RetryClass = 'io' | 'generation' | 'never'

export type Backoff = { readonly baseMs: number; readonly capMs: number }

/** Exponential from 2 s to 90 s in production; tests use a shorter base and the same code. */
export const productionBackoff: Backoff = { baseMs: 2_000, capMs: 90_000 }

const attemptsOf: Readonly<Record<RetryClass, number>> = { io: 5, generation: 3, never: 1 }

/** Faults that a repeat of the same call cannot mend, whatever the step's class. */
const final: ReadonlySet<FaultCode> = new Set<FaultCode>([
  'VALIDATION_ERROR',
  'PRECONDITION_FAILED',
  'BUDGET_EXCEEDED',
  'NO_SPACE',
  'FATAL',
])

/** One repair is all an invalid model answer gets. */
const attemptsForInvalidOutput = 2

export type FailedTry = {
  readonly code: FaultCode
  readonly retryable: boolean
  readonly retryAfterMs: number | null
  /** Ordinal of the try that failed, from 1. */
  readonly attempt: number
  /** Tries after the first that the run's own settings allow; null leaves it to the step's class. */
  readonly retries: number | null
}

/**
 * Milliseconds until the next try, or null when there is none. Full jitter: `random` (0 to 1) of the exponential
 * step, which keeps a fleet from coming back at once; a provider's Retry-After wins when it is longer.
 */
export function retryDelayMs(failed: FailedTry, retry: RetryClass, backoff: Backoff, random: number): number | null {
  if (!failed.retryable || final.has(failed.code)) return null
  if (failed.attempt >= attemptsFor(failed, retry)) return null
  const step = Math.min(backoff.capMs, backoff.baseMs * 2 ** (failed.attempt - 1))
  return Math.max(Math.round(step * random), failed.retryAfterMs ?? 0)
}

function attemptsFor({ code, retries }: FailedTry, retry: RetryClass): number {
  const asked = retries === null || retry === 'never' ? null : 1 + retries
  if (code !== 'MODEL_OUTPUT_INVALID') return asked ?? attemptsOf[retry]
  return Math.min(asked ?? attemptsForInvalidOutput, attemptsForInvalidOutput)
}

/** Callers that were told the same time come back spread over this part of it, and over no more than so long. */
const spread = 1 / 5
const mostSpreadMs = 10_000

/**
 * Milliseconds until the next try of a call that was told when it may come again; null when it was not. Whoever asks us to
 * wait is well, so that such a wait uses up no try.
 */
export function limitDelayMs(
  failed: Omit<FailedTry, 'attempt' | 'retries'>,
  retry: RetryClass,
  random: number,
): number | null {
  const { code, retryable, retryAfterMs } = failed
  if (code !== 'RATE_LIMIT' || !retryable || retryAfterMs === null || retry === 'never') return null
  return Math.round(retryAfterMs + random * Math.min(retryAfterMs * spread, mostSpreadMs))
}
