import { expect, test } from 'vitest'
import { maxDeliveries, nextDeliveryMs, webhookNumber } from './webhook.ts'

const delays = (random: number): number[] => {
  const attempts = Array.from({ length: maxDeliveries - 1 }, (_, index) => index + 1)
  return attempts.map((attempt) => nextDeliveryMs(attempt, null, random) ?? Number.NaN)
}

test('a delivery is tried twelve times, from ten seconds on, over about a day', () => {
  expect(delays(1).slice(0, 3)).toEqual([10_000, 25_000, 62_500])
  const hours = (random: number) => delays(random).reduce((sum, delay) => sum + delay, 0) / 3_600_000
  expect(hours(0.5)).toBeGreaterThan(20)
  expect(hours(0.5)).toBeLessThan(26)
  expect(hours(1)).toBeLessThan(48)
  expect(nextDeliveryMs(12, null, 1)).toBeNull()
})

test('an endpoint that asks for time gets it, up to a day', () => {
  expect(nextDeliveryMs(1, 120_000, 1)).toBe(120_000)
  expect(nextDeliveryMs(1, 1_000, 1)).toBe(10_000)
  expect(nextDeliveryMs(1, 9e9, 0)).toBe(86_400_000)
})

test('a webhook is called w and a number', () => {
  expect(['w3', 'W12', 'w0', '3', 'r7k2', 'w3x'].map(webhookNumber)).toEqual([3, 12, null, null, null, null])
})
