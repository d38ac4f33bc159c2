import { describe, expect, test } from 'vitest'
import { Fate } from '../support/mortal.ts'
import { points, voyageUnder } from './voyage.ts'

describe('a process killed at any point loses nothing and repeats nothing', () => {
  test('every point is come to on a voyage, and there are no others', async () => {
    const passed = await voyageUnder(new Fate({}))
    expect(passed.toSorted()).toEqual(points.toSorted())
  })

  // Before a statement is after the one before it; the long test dies there too.
  const chosen = points.filter((point) => point.startsWith('after') || point.startsWith('before the '))
  // Several deaths on each voyage, far apart.
  const voyages = Math.ceil(chosen.length / 16)
  const deaths = Array.from({ length: voyages }, (_, n) => chosen.filter((_point, index) => index % voyages === n))

  test.each(deaths.map((fatal) => [fatal.join(', '), fatal] as const))('%s', async (_, fatal) => {
    const fate = new Fate(Object.fromEntries(fatal.map((point) => [point, 1])))
    await voyageUnder(fate)
    expect([...fate.pending.keys()], 'points that did not kill').toEqual([])
  })
})
