import { z } from 'zod'
import { statement } from './statement.ts'

/** Notes a request before its work, in the same transaction; no row when this delivery was answered before. */
export const insertDelivery = statement({
  name: 'insert_delivery',
  params: ['source', 'deliveryId', 'bodySha256'],
  row: z.object({ deliveryId: z.string() }),
  sql: `
    insert into app.inbox (source, delivery_id, body_sha256, reply)
    values (:source::text, :deliveryId::text, :bodySha256::text, 'null')
    on conflict (source, delivery_id) do nothing
    returning delivery_id`,
})

/** Keeps the answer for whoever asks the same again. */
export const keepReply = statement({
  name: 'keep_reply',
  params: ['source', 'deliveryId', 'reply'],
  row: z.object({}),
  sql: `
    update app.inbox set reply = :reply::jsonb
    where source = :source::text and delivery_id = :deliveryId::text`,
})

/** The answer a delivery got, and the hash of what it asked. */
export const findDelivery = statement({
  name: 'find_delivery',
  params: ['source', 'deliveryId'],
  row: z.object({ bodySha256: z.string(), reply: z.json() }),
  sql: `
    select i.body_sha256, i.reply from app.inbox i
    where i.source = :source::text and i.delivery_id = :deliveryId::text`,
})
