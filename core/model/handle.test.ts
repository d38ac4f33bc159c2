import fc from 'fast-check'
import { expect, test } from 'vitest'
import { handleOf, numberOf } from './handle.ts'

test('every run has a handle of its own, and the handle leads back to it', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 39 }), (number) => numberOf(handleOf(number)) === number))
})

test('handles are short and do not count up', () => {
  expect([1, 2, 3].map(handleOf)).toEqual([...new Set([1, 2, 3].map(handleOf))])
  expect(handleOf(1)).toMatch(/^r[0-9a-z]{3}$/)
  expect(
    handleOf(2) > handleOf(1) && handleOf(3) > handleOf(2) && handleOf(4) > handleOf(3) && handleOf(5) > handleOf(4),
  ).toBe(false)
})

test.each(['', 'r', 'r7', 'x7k2', 'r7k2!', 'r u', '7k2'])('%j is no handle', (text) => {
  expect(numberOf(text)).toBeNull()
})

test('handles are read as people write them', () => {
  expect(numberOf(handleOf(77).toUpperCase())).toBe(77)
})
