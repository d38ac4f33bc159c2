import { describe, expect, test } from 'vitest'
import { Fate } from '../support/mortal.ts'
import { points, voyageUnder } from './voyage.ts'

const seeds = Array.from({ length: 20 }, (_, n) => n + 1)

/** Numbers in [0, 1), the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed * 2_654_435_769
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 0x9e3779b9) >>> 0
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32
  }
}

describe('killed at every point, in company of others and not only the first time', () => {
  test.each(seeds)('seed %i', async (seed) => {
    const calm = new Fate({})
    await voyageUnder(calm)
    const random = randomOf(seed)
    const shuffled = points
      .map((point) => ({ point, place: random() }))
      .toSorted((a, b) => a.place - b.place)
      .map(({ point }) => point)
    for (let from = 0; from < shuffled.length; from += 7) {
      // How often a point is come to grows with the deaths on the way, and never shrinks below what is rare.
      const times = shuffled
        .slice(from, from + 7)
        .map((point) => [point, 1 + Math.floor(random() * Math.min(3, calm.passed.get(point) ?? 1))] as const)
      const fate = new Fate(Object.fromEntries(times))
      await voyageUnder(fate)
      // How often a point is come to is a matter of timing; that it is come to once is not.
      const again = new Fate(Object.fromEntries([...fate.pending.keys()].map((point) => [point, 1])))
      if (again.pending.size > 0) await voyageUnder(again)
      expect([...again.pending], `points that did not kill, seed ${seed}`).toEqual([])
    }
  })
})
