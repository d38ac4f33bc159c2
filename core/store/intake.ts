import { z } from 'zod'
import type { Json } from '../model/json.ts'
import type { Database } from './database.ts'
import type { People } from './people.ts'
import { statement } from './statement.ts'

/** Keeps events, many at once; one whose delivery or content is known already is left out of the rows. */
const insertIntake = statement({
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

/** An event as a network sent it, with the digest of its content. */
type SentEvent = {
  readonly source: string
  readonly deliveryId: string
  readonly topic: string
  readonly body: Json
  readonly bodySha256: string
}

/** Keeps events, many at once, and says of each whether it is new; the same delivery or content is kept once. May be repeated. */
export async function keepEvents(
  { db, people }: { readonly db: Database; readonly people: People },
  events: readonly SentEvent[],
): Promise<readonly boolean[]> {
  const entries = events.map(async ({ source, deliveryId, topic, body, bodySha256 }) => {
    const mark = await people.markRequest(bodySha256)
    return { source, delivery_id: deliveryId, topic, semantic_key: `${topic} ${mark}`, body_sha256: mark, body }
  })
  const kept = await db.run(insertIntake, { entries: await Promise.all(entries) })
  const isKept = new Set(kept.map(({ source, deliveryId }) => `${source} ${deliveryId}`))
  return events.map(({ source, deliveryId }) => isKept.has(`${source} ${deliveryId}`))
}

/** Which of these deliveries are kept already. */
export const findKnownIntake = statement({
  name: 'find_known_intake',
  params: ['source', 'deliveryIds'],
  row: z.object({ deliveryId: z.string() }),
  sql: `
    select i.delivery_id from app.intake i
    where i.source = :source::text and i.delivery_id = any(:deliveryIds::text[])`,
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
