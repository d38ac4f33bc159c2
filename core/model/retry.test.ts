import { expect, test } from 'vitest'
import { limitDelayMs, productionBackoff, retryDelayMs } from './retry.ts'

const failed = { code: 'RATE_LIMIT', retryable: true, retryAfterMs: null, attempt: 1, retries: null } as const

test.each([
  [1, 2_000],
  [2, 4_000],
  [3, 8_000],
  [4, 16_000],
])('after failure %i the longest pause is %i ms', (attempt, ms) => {
  expect(retryDelayMs({ ...failed, attempt }, 'io', productionBackoff, 1)).toBe(ms)
})

test('a pause is never longer than 90 s by itself', () => {
  expect(retryDelayMs({ ...failed, attempt: 4 }, 'io', { baseMs: 60_000, capMs: 90_000 }, 1)).toBe(90_000)
})

test('the provider says when, if it says later', () => {
  expect(retryDelayMs({ ...failed, retryAfterMs: 120_000 }, 'io', productionBackoff, 0.5)).toBe(120_000)
})

test.each([
  ['io', 5],
  ['generation', 3],
  ['never', 1],
] as const)('a step of class %s has %i tries', (retry, tries) => {
  expect(retryDelayMs({ ...failed, attempt: tries - 1 || 1 }, retry, productionBackoff, 1) === null).toBe(tries === 1)
  expect(retryDelayMs({ ...failed, attempt: tries }, retry, productionBackoff, 1)).toBeNull()
})

test('invalid model output gets one repair', () => {
  const invalid = { ...failed, code: 'MODEL_OUTPUT_INVALID' } as const
  expect(retryDelayMs(invalid, 'generation', productionBackoff, 0)).toBe(0)
  expect(retryDelayMs({ ...invalid, attempt: 2 }, 'generation', productionBackoff, 0)).toBeNull()
})

test.each([
  ['io', 0, 1],
  ['io', 9, 10],
  ['generation', 1, 2],
  ['generation', 9, 10],
  ['never', 9, 1],
] as const)('a step of class %s that policy gives %i more tries has %i', (retry, retries, tries) => {
  const delays = Array.from({ length: tries }, (_, index) =>
    retryDelayMs({ ...failed, retries, attempt: index + 1 }, retry, productionBackoff, 1),
  )
  expect(delays.map((delay) => delay === null)).toEqual(delays.map((_, index) => index === tries - 1))
})

test('policy gives invalid model output no second repair, and may take the first away', () => {
  const invalid = { ...failed, code: 'MODEL_OUTPUT_INVALID' } as const
  expect(retryDelayMs({ ...invalid, retries: 9, attempt: 2 }, 'generation', productionBackoff, 0)).toBeNull()
  expect(retryDelayMs({ ...invalid, retries: 0 }, 'generation', productionBackoff, 0)).toBeNull()
})

test.each(['VALIDATION_ERROR', 'PRECONDITION_FAILED', 'NO_SPACE', 'FATAL'] as const)(
  '%s is never retried, even by mistake',
  (code) => {
    expect(retryDelayMs({ ...failed, code }, 'io', productionBackoff, 1)).toBeNull()
  },
)

test('whoever is told when to come again comes then, spread over a fifth of the time', () => {
  const told = { ...failed, retryAfterMs: 7_000 }
  expect(limitDelayMs(told, 'io', 0)).toBe(7_000)
  expect(limitDelayMs(told, 'io', 1)).toBe(8_400)
  expect(limitDelayMs({ ...told, retryAfterMs: 3_600_000 }, 'generation', 1)).toBe(3_610_000)
})

test('what has no named time, or another cause, or may not be repeated is no such wait', () => {
  expect(limitDelayMs(failed, 'io', 0)).toBeNull()
  expect(limitDelayMs({ ...failed, retryAfterMs: 7_000 }, 'never', 0)).toBeNull()
  expect(limitDelayMs({ ...failed, code: 'TRANSIENT_NETWORK', retryAfterMs: 7_000 }, 'io', 0)).toBeNull()
})
