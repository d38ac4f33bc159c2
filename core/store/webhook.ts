import { z } from 'zod'
import type { Executor } from './database.ts'
import { statement } from './statement.ts'
import { uuidv7 } from './uuid.ts'
import { webhookBody } from './webhook-event.ts'

/** Makes an endpoint; no row when an active one has the address already. */
export const insertWebhook = statement({
  name: 'insert_webhook',
  params: ['id', 'address', 'events', 'actor'],
  row: z.object({ id: z.string(), number: z.number() }),
  sql: `
    insert into app.webhooks (id, address, events, created_by)
    values (:id::uuid, :address::text, :events::text[], :actor::uuid)
    on conflict (address) where state = 'active' do nothing
    returning id, number`,
})

/** Active endpoints and those that said they are gone, in the order they were made. */
export const listWebhooks = statement({
  name: 'list_webhooks',
  params: [],
  row: z.object({
    id: z.string(),
    number: z.number(),
    address: z.string(),
    events: z.array(z.string()),
    state: z.enum(['active', 'gone']),
    waiting: z.number(),
    dead: z.number(),
    lastError: z.string().nullable(),
  }),
  sql: `
    select w.id, w.number, w.address, w.events, w.state,
      (select count(*)::integer from app.deliveries d where d.webhook_id = w.id and d.done_at is null) as waiting,
      (select count(*)::integer from app.deliveries d where d.webhook_id = w.id and d.outcome = 'dead') as dead,
      coalesce(
        (select d.last_error from app.deliveries d
          where d.webhook_id = w.id and d.done_at is null and d.last_error is not null
          order by d.next_at desc limit 1),
        (select d.last_error from app.deliveries d
          where d.webhook_id = w.id and d.outcome = 'dead'
          order by d.done_at desc limit 1)) as last_error
    from app.webhooks w
    where w.state <> 'removed'
    order by w.number`,
})

/** Ends an endpoint, once; no row when it has ended. Follow it with `abandonDeliveries`. */
export const endWebhook = statement({
  name: 'end_webhook',
  params: ['id', 'state'],
  row: z.object({ id: z.string() }),
  sql: `
    update app.webhooks w set state = :state::text, ended_at = coalesce(w.ended_at, app.clock_now())
    where w.id = :id::uuid and w.state <> :state::text and w.state <> 'removed'
    returning w.id`,
})

/** Gives up what still waits for an endpoint. */
export const abandonDeliveries = statement({
  name: 'abandon_deliveries',
  params: ['webhook', 'error'],
  row: z.object({ id: z.string() }),
  sql: `
    update app.deliveries d set outcome = 'dead', done_at = app.clock_now(), last_error = :error::text
    where d.webhook_id = :webhook::uuid and d.done_at is null
    returning d.id`,
})

/**
 * What each message is about, with its place in its run: the nth message of a kind tells of the nth event of that kind.
 * One row for each active endpoint that asked for it.
 */
const addressMessages = statement({
  name: 'address_messages',
  params: ['runs', 'ids'],
  row: z.object({
    webhookId: z.string(),
    messageId: z.string(),
    runId: z.string(),
    topic: z.string(),
    payload: z.json(),
    correlationId: z.string(),
    projectId: z.string().nullable(),
    sequence: z.number().nullable(),
    at: z.date(),
    address: z.string().nullable(),
    branch: z.string().nullable(),
  }),
  sql: `
    select w.id as webhook_id, o.id as message_id, o.run_id, o.topic, o.payload, r.correlation_id, r.project_id,
      e.seq as sequence, coalesce(e.at, o.created_at) as at, p.address,
      (select l.input->>'branch' from app.plans l where l.run_id = o.run_id and l.version = 1) as branch
    from unnest(:runs::uuid[], :ids::uuid[]) as m(run_id, id)
    join app.outbox o on o.run_id = m.run_id and o.id = m.id
    join app.webhooks w on w.state = 'active' and o.topic = any(w.events)
    join app.runs r on r.id = o.run_id
    left join app.projects p on p.id = r.project_id
    left join lateral (
      select e.seq, e.at from app.events e
      where e.run_id = o.run_id and e.kind = o.topic
      order by e.seq
      offset (select count(*) from app.outbox b where b.run_id = o.run_id and b.topic = o.topic and b.id < o.id)
      limit 1
    ) e on true
    order by o.created_at, e.seq`,
})

const insertDeliveries = statement({
  name: 'insert_deliveries',
  params: ['deliveries'],
  row: z.object({ id: z.string() }),
  sql: `
    insert into app.deliveries (run_id, message_id, webhook_id, id, event, body)
    select d.run_id, d.message_id, d.webhook_id, d.id, d.event, d.body
    from jsonb_to_recordset(:deliveries::jsonb) as d(
      run_id uuid, message_id uuid, webhook_id uuid, id uuid, event text, body text)
    order by d.webhook_id, d.run_id, d.message_id
    on conflict (run_id, message_id, webhook_id) do nothing
    returning id`,
})

/**
 * Turns messages of the outbox into deliveries, one for each endpoint that asked for the event; belongs into the
 * transaction that marks them. Done again it adds nothing. Returns how many were added.
 */
export async function fanOut(tx: Executor, messages: readonly { readonly runId: string; readonly id: string }[]) {
  if (messages.length === 0) return 0
  const runs = messages.map(({ runId }) => runId)
  const rows = await tx.run(addressMessages, { runs, ids: messages.map(({ id }) => id) })
  const deliveries = rows.flatMap((row) => {
    const id = uuidv7()
    const body = webhookBody(row, id)
    const key = { run_id: row.runId, message_id: row.messageId, webhook_id: row.webhookId }
    return body === null ? [] : [{ ...key, id, event: row.topic, body }]
  })
  if (deliveries.length === 0) return 0
  return (await tx.run(insertDeliveries, { deliveries })).length
}

/** Queues a message of an admin's own, to see whether an endpoint hears us. It is about no run. */
export async function queuePing(tx: Executor, webhookId: string): Promise<void> {
  const id = uuidv7()
  const body = JSON.stringify({ event: 'ping', delivery_id: id, at: new Date().toISOString() })
  const key = { run_id: noRun, message_id: id, webhook_id: webhookId }
  await tx.run(insertDeliveries, { deliveries: [{ ...key, id, event: 'ping', body }] })
}

const noRun = '00000000-0000-0000-0000-000000000000'

/**
 * Takes what is due for a while: the oldest delivery of each active endpoint that is not busy, so that a slow endpoint
 * keeps nobody but itself waiting. A delivery that is not settled by then can be taken again.
 */
export const takeDeliveries = statement({
  name: 'take_deliveries',
  params: ['busy', 'forMs'],
  row: z.object({
    runId: z.string(),
    messageId: z.string(),
    webhookId: z.string(),
    id: z.string(),
    event: z.string(),
    body: z.string(),
    attempt: z.number(),
    address: z.string(),
  }),
  sql: `
    with due as materialized (
      select d.run_id, d.message_id, d.webhook_id, w.address
      from app.webhooks w
      cross join lateral (
        select d.run_id, d.message_id, d.webhook_id from app.deliveries d
        where d.webhook_id = w.id and d.done_at is null and d.next_at <= app.clock_now()
          and d.taken_until <= app.clock_now()
        order by d.next_at, d.id
        limit 1
        for update of d skip locked
      ) d
      where w.state = 'active' and w.id <> all(:busy::uuid[])
    )
    update app.deliveries d set
      attempt = d.attempt + 1, taken_until = app.clock_now() + :forMs::float8 * interval '1 millisecond'
    from due
    where d.run_id = any(array(select due.run_id from due)) and d.message_id = any(array(select due.message_id from due))
      and d.run_id = due.run_id and d.message_id = due.message_id and d.webhook_id = due.webhook_id
    returning d.run_id, d.message_id, d.webhook_id, d.id, d.event, d.body, d.attempt, due.address`,
})

/**
 * Records how an attempt went: with an outcome the delivery is done, without one it is tried again after the delay. No
 * row when somebody else has taken it since.
 */
export const settleDelivery = statement({
  name: 'settle_delivery',
  params: ['run', 'message', 'webhook', 'attempt', 'outcome', 'status', 'error', 'delayMs'],
  row: z.object({ id: z.string() }),
  sql: `
    update app.deliveries d set
      outcome = :outcome::text, done_at = case when :outcome::text is not null then app.clock_now() end,
      status = :status::integer, last_error = :error::text, taken_until = '-infinity',
      next_at = app.clock_now() + :delayMs::float8 * interval '1 millisecond'
    where d.run_id = :run::uuid and d.message_id = :message::uuid and d.webhook_id = :webhook::uuid
      and d.attempt = :attempt::integer and d.done_at is null
    returning d.id`,
})
