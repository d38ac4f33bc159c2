import type { RateGate } from '../../core/ports.ts'

/** For the callers of this process alone, where there is no database to share what was learned. */
export function createRateGate(now: () => number = () => performance.now()): RateGate {
  let closedUntil = 0
  return {
    waitMs: async () => Math.max(closedUntil - now(), 0),
    close: async (forMs) => {
      closedUntil = Math.max(closedUntil, now() + forMs)
    },
  }
}
