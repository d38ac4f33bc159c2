import { ensurePartitions } from '../core/store/partition.ts'
import type { Schedule } from './work.ts'

const monthsAhead = 2

/** Makes room for history that is to come, so that a month of it can later be dropped at once. */
export const partitions: Schedule = {
  name: 'partitions',
  says: 'makes the partitions of history for the months to come',
  everyMs: 24 * 3_600_000,
  offsetMs: 2 * 3_600_000,
  boundMs: 120_000,
  work: async ({ owner }) => {
    await owner.run(ensurePartitions, { months: monthsAhead })
    return { monthsAhead }
  },
}
