import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nearCommands, newModel } from './commands.ts'
import { Memory } from './memory.ts'
import { holdAgainstPostgres } from './sequences.ts'

test('the pure core does what the model says, at ten thousand sequences a minute', () => {
  const sequences = 4_000
  const tally = new Map<string, number>()
  const before = process.cpuUsage()
  fc.assert(
    fc.property(nearCommands(), (commands) => {
      fc.modelRun(() => ({ model: newModel(tally), real: new Memory() }), commands)
    }),
    { numRuns: sequences },
  )
  // Counted in time on a processor, which does not depend on what else the machine has to do.
  const { user, system } = process.cpuUsage(before)
  expect(sequences / ((user + system) / 60_000_000)).toBeGreaterThan(10_000)
  expect(tally.get('paused as dead_letter')).toBeGreaterThan(5)
}, 300_000)

test('the engine on Postgres does what the model says, whatever comes in whatever order', async () => {
  await holdAgainstPostgres(250)
}, 300_000)
