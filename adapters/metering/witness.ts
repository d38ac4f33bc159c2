import type { Guards } from './guards.ts'

/** So many failures in a row of one agent's calls count for everybody: less than what opens a circuit. */
const mostTold = 3

/** So many keep that agent alone away, and for so long. */
const mostBorne = 5
const restMs = 60_000

/**
 * The guards as the calls of one agent see them. An agent writes its bodies itself and can make a provider fail on them again and
 * again: that speaks against its provider as far as one witness does. Where the provider is down indeed others fail too, or the
 * same step does when it is tried again, and the agent itself is turned away as by an open circuit.
 */
export function asWitness({ gate, circuit }: Guards): Guards {
  let failures = 0
  let restUntil = 0
  return {
    gate,
    circuit: {
      enter: async () => {
        const ownMs = restUntil - performance.now()
        return ownMs > 0 ? ownMs : await circuit.enter()
      },
      waitMs: () => circuit.waitMs(),
      failed: async () => {
        failures++
        if (failures >= mostBorne) restUntil = performance.now() + restMs
        if (failures <= mostTold) await circuit.failed()
      },
      passed: async () => {
        failures = 0
        await circuit.passed()
      },
    },
  }
}
