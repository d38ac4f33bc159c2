/** How long after failed attempt `attempt` (from 1) the next may be, in milliseconds; null: that was the last. */
export function nextDeliveryMs(attempt: number, retryAfterMs: number | null, random: number): number | null {
  if (attempt >= maxDeliveries) return null
  // Full jitter keeps many deliveries from coming back at once; who asks for more time gets it.
  const step = Math.round(baseMs * growth ** (attempt - 1) * random)
  return Math.min(Math.max(step, retryAfterMs ?? 0), longestMs)
}

/** Twelve attempts, ten seconds and then two and a half times as long each: a day on average, two at the very most. */
export const maxDeliveries = 12
const baseMs = 10_000
const growth = 2.5
const longestMs = 86_400_000

/** What people call a webhook: `w3`. */
export const webhookHandle = (number: number): string => `w${number}`

/** The number behind `w3`; null for anything else. */
export function webhookNumber(handle: string): number | null {
  const digits = /^w([1-9]\d{0,8})$/i.exec(handle)?.[1]
  return digits === undefined ? null : Number(digits)
}

/** An endpoint as its admins see it. */
export type WebhookLine = {
  readonly handle: string
  readonly address: string
  readonly events: readonly string[]
  /** `gone`: the endpoint said so itself (410). */
  readonly state: 'active' | 'gone'
  /** Deliveries under way or to be tried again. */
  readonly waiting: number
  /** Deliveries given up after the last attempt. */
  readonly dead: number
  /** What the last failed delivery that is not done heard; null when there is none. */
  readonly lastError: string | null
}
