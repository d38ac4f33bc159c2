import fc from 'fast-check'
import { expect } from 'vitest'
import { distantCommands, newModel } from './commands.ts'
import { openStage, Real } from './real.ts'

/** What sequences must have come through, or they have shown nothing. */
const wanted =
  'start hire claim claimAlone drive finish zombie heed beat crash signOff clock expire reap wake pause resume retry ' +
  'cancel signal decide succeeded failed rejected cancelled waiting paused'

/** Databases side by side: one alone spends most of its time on the way between two processes. */
const lanes = 2

/** Holds the engine on Postgres against the model, so many sequences of at most sixty commands. */
export async function holdAgainstPostgres(sequences: number): Promise<void> {
  const tally = new Map<string, number>()
  await Promise.all(Array.from({ length: lanes }, () => hold(sequences / lanes, tally)))
  // The rarest comes some eight times in 250.
  const least = Math.max(1, sequences / 500)
  expect(wanted.split(' ').filter((what) => (tally.get(what) ?? 0) < least)).toEqual([])
}

async function hold(sequences: number, tally: Map<string, number>): Promise<void> {
  const stage = await openStage()
  await fc.assert(
    fc.asyncProperty(distantCommands(), async (commands) => {
      const real = new Real(stage)
      try {
        await fc.asyncModelRun(() => ({ model: newModel(tally), real }), commands)
      } finally {
        expect(await real.close(), 'what broke meanwhile').toEqual([])
      }
    }),
    { numRuns: sequences },
  )
}
