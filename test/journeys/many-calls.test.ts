import { test } from 'vitest'
import { callAtOnce } from './many-calls.ts'

test('two hundred model calls at once, of runs of one worker, wait for longer than two leases: none is lost, all is booked', async () => {
  await callAtOnce(200)
}, 60_000)
