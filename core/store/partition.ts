import { z } from 'zod'
import { statement } from './statement.ts'

/** Makes the partitions of history from this month to `months` ahead; needs the owner of the tables, and may run again. */
export const ensurePartitions = statement({
  name: 'ensure_partitions',
  params: ['months'],
  row: z.object({}),
  sql: `select from (select app.ensure_partitions(:months::integer)) ensured`,
})
