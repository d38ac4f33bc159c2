import { expect, test } from 'vitest'
import { nearest } from './nearest.ts'

const keys = ['stack', 'models', 'budgets', 'steps', 'policies', 'env_refs']

test.each([
  ['polices', 'policies'],
  ['modles', 'models'],
  ['STEPS', 'steps'],
  ['budget', 'budgets'],
  ['env-refs', 'env_refs'],
])('%s is close to %s', (word, candidate) => {
  expect(nearest(word, keys)).toBe(candidate)
})

test.each(['', 'x', 'xyzzy', 'policies-of-another-kind'])('%j is close to nothing', (word) => {
  expect(nearest(word, keys)).toBeNull()
})

test('of two that are equally close the first is taken, and none of none', () => {
  expect(nearest('ab', ['ac', 'ad'])).toBe('ac')
  expect(nearest('ab', [])).toBeNull()
})

test('swapped neighbours are one mistake', () => {
  expect(nearest('rnu', ['runs', 'run'])).toBe('run')
})

test('a word of any length is answered in a moment', () => {
  const before = process.threadCpuUsage()
  nearest('a'.repeat(1_000_000), ['b'.repeat(1_000_000), 'c'])
  expect(process.threadCpuUsage(before).user / 1_000).toBeLessThan(1_000)
})
