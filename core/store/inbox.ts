import { z } from 'zod'
import { statement } from './statement.ts'

/**
 * Keeps the answer of a request, in the transaction that did its work, and tells workers elsewhere to look for ready
 * runs once that is committed. No row when this delivery was answered before.
 */
export const keepAnswer = statement({
  name: 'keep_answer',
  params: ['source', 'deliveryId', 'bodySha256', 'reply'],
  row: z.object({ deliveryId: z.string() }),
  sql: `
    with kept as (
      insert into app.inbox (source, delivery_id, body_sha256, reply)
      values (:source::text, :deliveryId::text, :bodySha256::text, :reply::jsonb)
      on conflict (source, delivery_id) do nothing
      returning delivery_id
    )
    select kept.delivery_id from kept cross join (select pg_notify('qp_ready', '')) as hinted`,
})

/** The answer a delivery got, and the hash of what it asked. */
export const findAnswer = statement({
  name: 'find_answer',
  params: ['source', 'deliveryId'],
  row: z.object({ bodySha256: z.string(), reply: z.json() }),
  sql: `
    select i.body_sha256, i.reply from app.inbox i
    where i.source = :source::text and i.delivery_id = :deliveryId::text`,
})
