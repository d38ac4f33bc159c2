/** "You may not", "too late": an answer for a person, in a sentence that names the next step. */
export type Refusal = {
  readonly code: RefusalCode
  readonly message: string
  readonly next?: string
  /** Whom the message names by pseudonym: it may be kept as it is, and gets the person's name when it is shown. */
  readonly about?: string
}

export type RefusalCode =
  | 'usage'
  | 'not_found'
  | 'not_allowed'
  | 'already_decided'
  | 'stale'
  | 'wrong_state'
  | 'lock_held'
  | 'invalid_input'

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal }

export const accepted = <T>(value: T): Result<T> => ({ ok: true, value })

export const refused = (code: RefusalCode, message: string, next?: string): Result<never> => ({
  ok: false,
  refusal: next === undefined ? { code, message } : { code, message, next },
})

/** Why the world failed us. The engine retries the first group by its class and gives up on the second. */
export type FaultCode =
  | 'RATE_LIMIT'
  | 'UPSTREAM_TIMEOUT'
  | 'TRANSIENT_NETWORK'
  | 'TOOL_FAILURE'
  | 'MODEL_OUTPUT_INVALID'
  | 'VALIDATION_ERROR'
  | 'PRECONDITION_FAILED'
  | 'BUDGET_EXCEEDED'
  | 'NO_SPACE'
  | 'FATAL'

export type FaultDetail = {
  readonly code: FaultCode
  /** A sentence for the operator: what failed, then what to do. */
  readonly message: string
  readonly retryable: boolean
  readonly retryAfterMs?: number
  /** True where a call was never made, or reached nobody: it cannot have cost anything. */
  readonly isUnsent?: boolean
  readonly cause?: unknown
}

/** The world failed us: thrown by adapters, read by the engine, which retries or gives up. */
export class Fault extends Error {
  readonly code: FaultCode
  readonly retryable: boolean
  readonly retryAfterMs: number | null
  readonly isUnsent: boolean

  constructor(detail: FaultDetail) {
    super(detail.message, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.name = 'Fault'
    this.code = detail.code
    this.retryable = detail.retryable
    this.retryAfterMs = detail.retryAfterMs ?? null
    this.isUnsent = detail.isUnsent ?? false
  }
}

/** We were wrong: the run parks as `invariant` and nothing is guessed. */
export class Defect extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'Defect'
  }
}

/** Throws a Defect when `condition` is false. Stays on in production. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Defect(message)
}

/** Marks a `switch` as exhaustive: a new variant fails to compile here, and throws a Defect if it ever arrives. */
export function unreachable(value: never): never {
  throw new Defect(`unreachable value ${JSON.stringify(value)}`)
}
