import { expect, test } from 'vitest'
import { weather } from './storm.ts'

test('a minute in which GitHub takes twenty calls every two seconds loses no run and costs no call too many', {
  timeout: 180_000,
}, async () => {
  const storm = { runs: 600, stormMs: 60_000, slots: 20, windowMs: 2_000 }
  const seen = await weather(storm)
  const most = 1.2 * storm.slots * (storm.stormMs / storm.windowMs)
  expect(seen.during).toMatchObject({ lost: 0, charged: 0 })
  expect(seen.during['succeeded'], 'the storm was still on').toBeLessThan(storm.runs)
  expect(seen).toMatchObject({ early: 0, unasked: 0 })
  expect(seen.calls).toBeLessThanOrEqual(most)
})
