import { z } from 'zod'
import { statement } from './statement.ts'

/** Keeps events, many at once; one whose delivery or content is known already is left out of the rows. */
export const insertIntake = statement({
  name: 'insert_intake',
  params: ['entries'],
  row: z.object({ source: z.string(), deliveryId: z.string() }),
  sql: `
    insert into app.intake (source, delivery_id, topic, semantic_key, body_sha256, body)
    select e.source, e.delivery_id, e.topic, e.semantic_key, e.body_sha256, e.body
    from jsonb_to_recordset(:entries::jsonb)
      as e(source text, delivery_id text, topic text, semantic_key text, body_sha256 text, body jsonb)
    on conflict do nothing
    returning source, delivery_id`,
})

/** Takes waiting events for a while, oldest first; what is not marked by then is taken again. */
export const takeIntake = statement({
  name: 'take_intake',
  params: ['most', 'forMs'],
  row: z.object({
    source: z.string(),
    deliveryId: z.string(),
    topic: z.string(),
    body: z.json(),
    failures: z.number(),
    receivedAt: z.date(),
  }),
  sql: `
    with next as materialized (
      select i.ctid as place from app.intake i
      where i.done_at is null and i.quarantined_at is null and i.taken_until <= app.clock_now()
      order by i.received_at
      limit :most::integer
      for update of i skip locked
    )
    update app.intake i set taken_until = app.clock_now() + :forMs::float8 * interval '1 millisecond'
    -- The rows are locked, so that none has moved.
    where i.ctid = any(array(select next.place from next))
    returning i.source, i.delivery_id, i.topic, coalesce(i.body, 'null') as body, i.failures, i.received_at`,
})

/** Marks an event as dealt with, and lets go of its body. */
export const finishIntake = statement({
  name: 'finish_intake',
  params: ['source', 'deliveryId'],
  row: z.object({ deliveryId: z.string() }),
  sql: `
    update app.intake i set done_at = app.clock_now(), body = null
    where i.source = :source::text and i.delivery_id = :deliveryId::text and i.done_at is null
    returning i.delivery_id`,
})

/** Notes a failed try: the event is taken again later each time, and put aside at the last try that it may have. */
export const failIntake = statement({
  name: 'fail_intake',
  params: ['source', 'deliveryId', 'why', 'most'],
  row: z.object({ isQuarantined: z.boolean() }),
  sql: `
    update app.intake i set failures = i.failures + 1, why = :why::text,
      taken_until = app.clock_now() + interval '1 second' * power(2, i.failures),
      quarantined_at = case when i.failures + 1 >= :most::integer then app.clock_now() end
    where i.source = :source::text and i.delivery_id = :deliveryId::text and i.done_at is null
      and i.quarantined_at is null
    returning i.quarantined_at is not null as is_quarantined`,
})
