import type { RateGate } from '../../core/ports.ts'

/** For the callers of this process. Several processes each learn of a limit by themselves, at the price of one refused call. */
export function createRateGate(now: () => number = Date.now): RateGate {
  let closedUntil = 0
  return {
    until: () => (closedUntil > now() ? closedUntil : null),
    close: (untilMs) => {
      closedUntil = Math.max(closedUntil, untilMs)
    },
  }
}
