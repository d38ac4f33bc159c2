import { z } from 'zod'
import { uuidv7 } from './uuid.ts'
import type { Database } from './database.ts'
import { statement } from './statement.ts'

const remindOfGates = statement({
  name: 'remind_of_gates',
  params: ['ids'],
  row: z.object({ runId: z.string() }),
  sql: `
    with due as materialized (
      select g.run_id, g.id from app.gates g
      where g.verdict is null and (g.expires_at is null or g.expires_at > app.clock_now())
        and coalesce(g.reminded_at, g.opened_at)
          + (g.policy->>'remindEveryMs')::float8 * interval '1 millisecond' <= app.clock_now()
        -- Nobody can decide for a run that is paused.
        and (g.kind = 'budget' or (select r.state from app.runs r where r.id = g.run_id) = 'waiting')
      order by g.opened_at, g.id
      limit cardinality(:ids::uuid[])
      for no key update of g skip locked
    ),
    reminded as (
      update app.gates g set reminded_at = app.clock_now()
      where g.run_id = any(array(select due.run_id from due)) and g.id = any(array(select due.id from due))
      returning g.run_id, g.id, g.name, (extract(epoch from app.clock_now() - g.opened_at) * 1000)::bigint as waited_ms
    ),
    told as (
      select reminded.*, (:ids::uuid[])[row_number() over (order by reminded.id)] as message from reminded
    )
    insert into app.outbox (run_id, id, topic, payload)
    select told.run_id, told.message, 'gate_reminder',
      jsonb_build_object('gate', told.name, 'gate_id', told.id, 'waited_ms', told.waited_ms)
    from told
    returning run_id`,
})

const escalateGates = statement({
  name: 'escalate_gates',
  params: ['ids'],
  row: z.object({ runId: z.string() }),
  sql: `
    with due as materialized (
      select g.run_id, g.id, g.policy from app.gates g
      where g.verdict is null and (g.expires_at is null or g.expires_at > app.clock_now())
        and g.escalated_at is null
        and g.opened_at + (g.policy->'escalation'->>'afterMs')::float8 * interval '1 millisecond' <= app.clock_now()
        -- Nobody can decide for a run that is paused.
        and (g.kind = 'budget' or (select r.state from app.runs r where r.id = g.run_id) = 'waiting')
      order by g.opened_at, g.id
      limit cardinality(:ids::uuid[])
      for no key update of g skip locked
    ),
    escalated as (
      update app.gates g set escalated_at = app.clock_now()
      where g.run_id = any(array(select due.run_id from due)) and g.id = any(array(select due.id from due))
      returning g.run_id, g.id, g.name, g.policy->'escalation'->'roles' as roles
    ),
    told as materialized (
      select escalated.*, (:ids::uuid[])[row_number() over (order by escalated.id)] as message from escalated
    ),
    -- In private and by role, whatever level or mute is kept there, but not before quiet hours are over.
    places as materialized (
      select distinct told.run_id, told.id, told.message, d.id as destination_id,
        case when case when d.quiet_from <= d.quiet_to
            then here.at::time between d.quiet_from and d.quiet_to
            else here.at::time not between d.quiet_to and d.quiet_from end
          then (here.at::date + d.quiet_to + (d.quiet_to < here.at::time)::integer * interval '1 day'
            + interval '1 millisecond') at time zone d.zone
          else '-infinity' end as next_at
      from told
      join app.actor_roles held on told.roles ? held.role and held.revoked_at is null
      join app.destinations d on d.actor_id = held.actor_id and d.state = 'open'
      cross join lateral (select app.clock_now() at time zone d.zone as at) here
    ),
    shown as (
      insert into app.cards (run_id, id, key, destination_id, kind, subject, topic, next_at)
      select places.run_id, gen_random_uuid(), translate(encode(uuid_send(gen_random_uuid()), 'base64'), '+/=', '-_'),
        places.destination_id, due.kind, due.subject, due.topic, places.next_at
      from places
      cross join lateral (values ('note', places.message, 'gate_escalated'), ('gate', places.id, null))
        due(kind, subject, topic)
      on conflict on constraint cards_once do nothing
    )
    insert into app.outbox (run_id, id, topic, payload)
    select told.run_id, told.message, 'gate_escalated',
      jsonb_build_object('gate', told.name, 'gate_id', told.id, 'roles', told.roles)
    from told
    returning run_id`,
})

/**
 * Lets more people decide each open gate that nobody decided in time, once, tells them in private, and writes a message.
 * Decides nothing. Answers how many.
 */
export async function escalateOpenGates(db: Database, most: number): Promise<number> {
  return (await db.run(escalateGates, { ids: Array.from({ length: most }, uuidv7) })).length
}

/** Writes a message for each open gate whose people should hear of it again, once per interval. Answers how many. */
export async function remindOfOpenGates(db: Database, most: number): Promise<number> {
  return (await db.run(remindOfGates, { ids: Array.from({ length: most }, uuidv7) })).length
}
