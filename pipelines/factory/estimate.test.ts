import fc from 'fast-check'
import { expect, test } from 'vitest'
import { estimate } from './estimate.ts'

const forecast = { lowMicros: 30_000, likelyMicros: 60_000, highMicros: 480_000, seconds: 90 }
const run = (micros: Readonly<Record<string, number>>, workMs = 10_000) => ({
  output: null,
  workMs,
  spent: Object.fromEntries(Object.entries(micros).map(([step, each]) => [step, { micros: each, tokens: 1 }])),
})

test('without earlier runs an estimate is the author’s for documents, and up to the cap for code', () => {
  const known = { forecast, capMicros: 10_000_000, earlier: [], goesOnToCode: true }
  expect(estimate(known)).toMatchObject({
    lowMicros: 30_000,
    highMicros: 10_000_000,
    phases: [
      { name: 'documents', likelyMicros: 60_000 },
      { name: 'milestones', lowMicros: 0, highMicros: 9_970_000 },
    ],
    basis: 'the README’s length and the run’s cap',
  })
  expect(estimate({ ...known, goesOnToCode: false })).toMatchObject({ ...forecast, basis: 'the README’s length' })
})

test('with earlier runs it is their middle, told apart by what the money was for', () => {
  const earlier = [
    run({ anchor: 20_000, suite: 200_000, 'm-001-implement': 1_000_000 }),
    run({ suite: 100_000, 'm-002-review': 3_000_000 }, 30_000),
  ]
  const { phases, seconds, basis } = estimate({ forecast, capMicros: 10_000_000, earlier, goesOnToCode: true })
  expect(phases).toEqual([
    { name: 'documents', lowMicros: 50_000, likelyMicros: 160_000, highMicros: 440_000 },
    { name: 'milestones', lowMicros: 500_000, likelyMicros: 2_000_000, highMicros: 6_000_000 },
  ])
  expect([seconds, basis]).toEqual([20, '2 earlier runs'])
})

test('whatever runs cost within the cap, the range of the next one’s estimate covers each of them', () => {
  const cost = fc.nat(1_000_000)
  const runs = fc.array(fc.record({ suite: cost, 'm-001-implement': cost }), { minLength: 1, maxLength: 10 })
  fc.assert(
    fc.property(runs, fc.integer({ min: 2_000_000, max: 9_000_000 }), (costs, capMicros) => {
      const { lowMicros, likelyMicros, highMicros } = estimate({
        forecast,
        capMicros,
        earlier: costs.map((each) => run(each)),
        goesOnToCode: true,
      })
      expect(lowMicros).toBeLessThanOrEqual(likelyMicros)
      expect(likelyMicros).toBeLessThanOrEqual(highMicros)
      expect(highMicros).toBeLessThanOrEqual(capMicros)
      for (const each of costs) {
        const total = each.suite + each['m-001-implement']
        expect(total >= lowMicros && total <= highMicros, `${total} in ${lowMicros} to ${highMicros}`).toBe(true)
      }
    }),
  )
})
