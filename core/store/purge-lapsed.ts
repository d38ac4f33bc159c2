import { z } from 'zod'
import { statement } from './statement.ts'

/**
 * Removes what lapsed a month ago: questions that nobody answered or that were answered, codes that are no more good,
 * delegations that have ended (who delegated what stays in the audit), and the counts of days that are past. Run as `purgerRole`.
 */
export const purgeLapsed = statement({
  name: 'purge_lapsed',
  params: [],
  row: z.object({ removed: z.number() }),
  sql: `
    with old as materialized (select app.clock_now() - interval '30 days' as since),
    p as (delete from app.prompts p using old where p.asked_at < old.since returning 1),
    c as (delete from app.link_codes c using old where c.expires_at < old.since returning 1),
    d as (delete from app.delegations d using old where d.until < old.since returning 1),
    s as (
      delete from app.spending s using old
      where s.begun_at < old.since and s.level not in ('step', 'task') and s.reserved_micros = 0 and s.reserved_tokens = 0
      returning 1
    )
    select ((select count(*) from p) + (select count(*) from c) + (select count(*) from d)
      + (select count(*) from s))::integer as removed`,
})
