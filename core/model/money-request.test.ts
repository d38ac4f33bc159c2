import { expect, test } from 'vitest'
import { suggestedRaise } from './money-request.ts'

const cap = { micros: 10_000_000, tokens: 2_000_000 }

test.each([
  [
    'half of the cap again',
    { micros: 600_000, tokens: 10 },
    { micros: 0, tokens: 0 },
    { micros: 5_000_000, tokens: 1_000_000 },
  ],
  [
    'what the call lacks, where that is more',
    { micros: 9_010_000, tokens: 10 },
    { micros: 500_000, tokens: 10 },
    { micros: 8_600_000, tokens: 1_000_000 },
  ],
  [
    'tokens where money is no limit',
    { micros: 0, tokens: 3_000_500 },
    { micros: 0, tokens: 500 },
    { micros: 5_000_000, tokens: 3_000_000 },
  ],
] as const)('a raise is suggested by %s', (_, asked, left, expected) => {
  expect(suggestedRaise(asked, left, cap)).toEqual(expected)
})

test('a run that may spend nothing is suggested what its call lacks', () => {
  expect(suggestedRaise({ micros: 1, tokens: 1 }, { micros: 0, tokens: 0 }, { micros: 0, tokens: 0 })).toEqual({
    micros: 100_000,
    tokens: 1_000,
  })
})
