import { finishErasures, repeatErasures } from '../core/store/forget.ts'
import type { Schedule } from './work.ts'

/** Finishes erasures that broke off, and repeats those that a restored backup of the database knows nothing of. */
export const erasures: Schedule = {
  name: 'erasures',
  says: 'finishes erasures that broke off, and repeats those that a restored backup undid',
  everyMs: 5 * 60_000,
  offsetMs: 0,
  boundMs: 4 * 60_000,
  work: async ({ db, people, log }) => {
    const finished = await finishErasures(db, people)
    const repeated = await repeatErasures(db, people)
    if (repeated > 0)
      log('warn', 'people who were erased were back in the database, and were erased again', { repeated })
    return { finished, repeated }
  },
}
