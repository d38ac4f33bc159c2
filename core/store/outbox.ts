import { z } from 'zod'
import { statement } from './statement.ts'

/**
 * Takes unsent messages for a while, oldest first, so that they can be sent outside any transaction. One that is not
 * marked as sent by then can be taken again: after a crash, or because a surface was away.
 */
export const takeMessages = statement({
  name: 'take_messages',
  params: ['most', 'forMs'],
  row: z.object({
    runId: z.string(),
    id: z.string(),
    number: z.number(),
    topic: z.string(),
    payload: z.json(),
    /** The one gate that it tells of, by its id. */
    gateId: z.string().nullable(),
  }),
  sql: `
    with next as materialized (
      select o.run_id, o.id from app.outbox o
      where o.sent_at is null and o.taken_until <= app.clock_now()
      order by o.created_at, o.id
      limit :most::integer
      for update of o skip locked
    ),
    taken as (
      update app.outbox o set taken_until = app.clock_now() + :forMs::float8 * interval '1 millisecond'
      where o.run_id = any(array(select next.run_id from next)) and o.id = any(array(select next.id from next))
      returning o.run_id, o.id, o.topic, o.payload, o.created_at
    )
    select taken.run_id, taken.id, r.number, taken.topic, taken.payload, taken.payload->>'gate_id' as gate_id
    from taken join app.runs r on r.id = taken.run_id
    order by taken.created_at, taken.id`,
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
