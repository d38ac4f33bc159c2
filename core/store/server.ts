import { z } from 'zod'
import { statement } from './statement.ts'

/** What the server says of itself. */
export const readServer = statement({
  name: 'read_server',
  params: [],
  row: z.object({
    serverVersion: z.string(),
    fsync: z.string(),
    fullPageWrites: z.string(),
    synchronousCommit: z.string(),
    now: z.date(),
  }),
  sql: `
    select split_part(current_setting('server_version'), ' ', 1) as server_version, current_setting('fsync') as fsync,
      current_setting('full_page_writes') as full_page_writes,
      current_setting('synchronous_commit') as synchronous_commit, clock_timestamp() as now`,
})
