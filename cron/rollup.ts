import { rollUpCosts } from '../core/store/rollup.ts'
import type { Schedule } from './work.ts'

/** How far back a day may still be summed up that nobody has closed. */
const mostDays = 40

/** Sums up the cost of each project's day, until the day is closed. */
export const rollup: Schedule = {
  name: 'rollup',
  says: 'sums up what each day of each project cost',
  everyMs: 3_600_000,
  offsetMs: 15 * 60_000,
  boundMs: 120_000,
  work: async ({ db }) => {
    const rows = await db.run(rollUpCosts, { mostDays })
    return { rows: rows.length, closed: new Set(rows.filter((row) => row.isClosed).map((row) => row.day)).size }
  },
}
