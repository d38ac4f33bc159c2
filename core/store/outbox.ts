import { z } from 'zod'
import { statement } from './statement.ts'

/** Unsent messages, oldest first, locked for the transaction that sends and marks them; other relays skip them. */
export const takeMessages = statement({
  name: 'take_messages',
  params: ['most'],
  row: z.object({ runId: z.string(), id: z.string(), number: z.number(), topic: z.string(), payload: z.json() }),
  sql: `
    select o.run_id, o.id, r.number, o.topic, o.payload
    from app.outbox o join app.runs r on r.id = o.run_id
    where o.sent_at is null
    order by o.created_at, o.id
    limit :most::integer
    for update of o skip locked`,
})

/** Marks messages as sent. */
export const markSent = statement({
  name: 'mark_sent',
  params: ['runs', 'ids'],
  row: z.object({ id: z.string() }),
  sql: `
    update app.outbox o set sent_at = app.clock_now()
    from unnest(:runs::uuid[], :ids::uuid[]) as sent(run_id, id)
    where o.run_id = sent.run_id and o.id = sent.id
    returning o.id`,
})

/** How many messages wait, and since how long the oldest does, in milliseconds. */
export const measureOutbox = statement({
  name: 'measure_outbox',
  params: [],
  row: z.object({ waiting: z.number(), oldestMs: z.number().nullable() }),
  sql: `
    select count(*)::integer as waiting,
      (extract(epoch from app.clock_now() - min(o.created_at)) * 1000)::float8 as oldest_ms
    from app.outbox o where o.sent_at is null`,
})
