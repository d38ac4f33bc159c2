import { expect, test } from 'vitest'
import { pauseRounds } from './pauses.ts'

test('no step begins more than a second after a pause was acknowledged, and two who resume start one step', async () => {
  const { inTime, steps } = await pauseRounds(20, 20)
  expect(inTime).toBe(20)
  expect(steps).toBeGreaterThanOrEqual(20 * 12)
})
