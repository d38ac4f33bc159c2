import { expect, test } from 'vitest'
import { dollars } from './amount.ts'

test.each([
  [0, '$0.00'],
  [1, '$0.000001'],
  [2_740, '$0.003'],
  [4_999, '$0.005'],
  [5_000, '$0.01'],
  [1_499_000, '$1.50'],
  [12_000_000, '$12.00'],
])('%i millionths of a dollar are %s', (micros, said) => {
  expect(dollars(micros)).toBe(said)
})
