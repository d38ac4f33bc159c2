import { expect, test } from 'vitest'
import { pauseRounds } from './pauses.ts'

test('of two hundred pauses in the middle of a step each one holds within a second, and each resume starts one step', async () => {
  const { inTime, steps } = await pauseRounds(200, 40)
  expect(inTime).toBe(200)
  expect(steps).toBeGreaterThanOrEqual(200 * 12)
})
