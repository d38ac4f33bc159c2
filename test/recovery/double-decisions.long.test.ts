import { expect, test } from 'vitest'
import { decideTwice } from './double-decisions.ts'

test('1,200 times two people decide at once, 200 for each pair of places, and each time there is one decision', async () => {
  expect(await decideTwice(200)).toBe(1_200)
})
