import { expect, test } from 'vitest'
import { callAtOnce, endAtOnce, weigh } from './many-calls.ts'

test('a thousand model calls at once, of runs of one worker, wait for longer than two leases: none is lost, all is booked', async () => {
  await callAtOnce(1_000)
})

test.each(['worker stops', 'cancelled', 'broken off'] as const)(
  'a thousand model calls that end at once (%s) are all on record, and the heart beats meanwhile',
  async (way) => {
    await endAtOnce(1_000, way)
  },
)

test('a thousand runs at a call of a model take little more memory than their calls, and give it back', async () => {
  const { beyondMb, keptMb } = await weigh(1_000)
  expect(beyondMb).toBeLessThanOrEqual(50)
  expect(keptMb).toBeLessThanOrEqual(50)
})
