import { z } from 'zod'
import { statement } from './statement.ts'

/** What forgets what came in, once nobody can send it a second time any more. Run as `purgerRole`. */

/**
 * Removes the rows that are over from a page of a table by source and delivery id, a page at a time. Answers where the
 * next page begins: null after the last one.
 */
const purgeOf = (table: 'inbox' | 'intake' | 'quarantine', isOver: string) =>
  statement({
    name: `purge_${table}`,
    params: ['source', 'deliveryId', 'most'],
    row: z.object({ source: z.string().nullable(), deliveryId: z.string().nullable(), removed: z.number() }),
    sql: `
    with page as materialized (
      select t.source, t.delivery_id, t.ctid as place from app.${table} t
      where (t.source, t.delivery_id) > (:source::text, :deliveryId::text)
      order by t.source, t.delivery_id
      limit :most::integer
    ),
    gone as (
      -- A row that is over is never changed again, so that none has moved.
      delete from app.${table} t where t.ctid = any(array(select page.place from page)) and ${isOver}
      returning t.delivery_id
    )
    select last.source, last.delivery_id, (select count(*)::integer from gone) as removed
    from (select) always
    left join (
      select page.source, page.delivery_id from page order by page.source desc, page.delivery_id desc limit 1
    ) last on true`,
  })

/** Tables of what came in. GitHub sends again for three days, other networks and programs for one. */
export const purgeDeliveries = [
  purgeOf('inbox', `t.received_at < app.clock_now() - interval '7 days'`),
  purgeOf(
    'intake',
    `(t.done_at < app.clock_now() - interval '7 days' or t.quarantined_at < app.clock_now() - interval '90 days')`,
  ),
  purgeOf('quarantine', `t.at < app.clock_now() - interval '90 days'`),
]
