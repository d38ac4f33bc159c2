import { expect, test } from 'vitest'
import { atTheTill, race } from './support/money.ts'

test('in a hundred rounds of forty racers for ten units no level ever grants more or less than ten', async () => {
  expect(await race(await atTheTill(), 100)).toEqual([])
})
