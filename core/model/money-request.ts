import type { GatePolicy } from './plan.ts'
import { Fault } from './problem.ts'

/** What a person can grant so that a refused call may be made after all. Amounts in millionths of a dollar and in tokens. */
export type MoneyRequest =
  /** More for the whole run: so much, on top of these caps. */
  | {
      readonly kind: 'raise'
      readonly micros: number
      readonly tokens: number
      readonly capMicros: number
      readonly capTokens: number
      /** A file that allows more by now, in words; null: the amount is ours. */
      readonly because: string | null
      readonly policy: GatePolicy
    }
  /** One call that is dear by itself; granted for all calls of its step that cost no more. */
  | { readonly kind: 'call'; readonly micros: number; readonly tokens: number; readonly policy: GatePolicy }

/** Who may grant money where no project says otherwise. */
export const raisePolicy: GatePolicy = {
  roles: ['approver', 'admin'],
  quorum: 1,
  selfApproval: true,
  expiresAfterMs: null,
  remindEveryMs: null,
}

/** The gate's name for calls that are dear by themselves. */
export const costlyPrompt = 'costly-prompt'

/** What a granted raise may be limited to: the phase under way, after which the run pauses. */
export const onlyThisPhase = 'phase'

/** As much as helps for a while: half of the cap again, and never less than the call lacks, rounded up to ten cents. */
export function suggestedRaise(
  asked: { readonly micros: number; readonly tokens: number },
  left: { readonly micros: number; readonly tokens: number },
  cap: { readonly micros: number; readonly tokens: number },
): { readonly micros: number; readonly tokens: number } {
  const lacks = { micros: Math.max(0, asked.micros - left.micros), tokens: Math.max(0, asked.tokens - left.tokens) }
  return {
    micros: Math.ceil(Math.max(lacks.micros, cap.micros / 2) / dime) * dime,
    tokens: Math.ceil(Math.max(lacks.tokens, cap.tokens / 2) / 1_000) * 1_000,
  }
}

const dime = 100_000

/** Money was refused, and a person could grant it. */
export class MoneyRefused extends Fault {
  readonly request: MoneyRequest

  constructor(message: string, request: MoneyRequest) {
    super({ code: 'BUDGET_EXCEEDED', message, retryable: false })
    this.request = request
  }
}
