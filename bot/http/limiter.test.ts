import { expect, test } from 'vitest'
import { Limiter } from './limiter.ts'

test('each name has so many an hour, hears how many are left and when there are more, and then has all again', () => {
  let now = 0
  const limiter = new Limiter(2, 3_600_000, () => now)
  expect(limiter.take('a')).toEqual({ isSpent: false, limit: 2, remaining: 1, resetSeconds: 3_600 })
  now = 1_800_000
  expect(limiter.take('a')).toMatchObject({ isSpent: false, remaining: 0, resetSeconds: 1_800 })
  expect(limiter.take('a')).toMatchObject({ isSpent: true, remaining: 0 })
  expect(limiter.take('b')).toMatchObject({ isSpent: false, remaining: 1 })
  now = 3_600_000
  expect(limiter.take('a')).toMatchObject({ isSpent: false, remaining: 1, resetSeconds: 3_600 })
})

test('what did not happen is given back, and no more than was taken', () => {
  const limiter = new Limiter(1, 1_000, () => 0)
  limiter.giveBack('a')
  limiter.take('a')
  limiter.giveBack('a')
  limiter.giveBack('a')
  expect(limiter.take('a')).toMatchObject({ isSpent: false, remaining: 0 })
  expect(limiter.take('a')).toMatchObject({ isSpent: true })
})
