import { z } from 'zod'
import { statement } from './statement.ts'

/** The id that stands for every project in a subscription. */
export const everyProject = '00000000-0000-0000-0000-000000000000'

/** The place behind an address of a surface, by its keyed hash. */
export const findDestination = statement({
  name: 'find_destination',
  params: ['lookup'],
  row: z.object({ id: z.string(), state: z.enum(['open', 'closed']), actorId: z.string().nullable() }),
  sql: `
    select d.id, d.state, d.actor_id from pii.addresses a join app.destinations d on d.id = a.destination_id
    where a.lookup = :lookup::bytea`,
})

/** Makes a place; no row when somebody else just did. `actor` is whose private place it is. */
export const insertDestination = statement({
  name: 'insert_destination',
  params: ['id', 'surface', 'actor', 'lookup', 'subject', 'sealed'],
  row: z.object({ id: z.string() }),
  sql: `
    with made as (
      insert into app.destinations (id, surface, actor_id) values (:id::uuid, :surface::text, :actor::uuid)
      returning id
    )
    insert into pii.addresses (lookup, destination_id, subject_id, sealed)
    select :lookup::bytea, made.id, :subject::uuid, :sealed::bytea from made
    returning destination_id as id`,
})

/** Whoever writes from a place that was closed can be written to again; a private place follows its person. */
export const reopenDestination = statement({
  name: 'reopen_destination',
  params: ['id', 'actor'],
  row: z.object({ id: z.string() }),
  sql: `
    update app.destinations d set state = 'open', closed_because = null, actor_id = :actor::uuid
    where d.id = :id::uuid
    returning d.id`,
})

/** Stops all sending to a place that takes nothing any more. */
export const closeDestination = statement({
  name: 'close_destination',
  params: ['id', 'because'],
  row: z.object({ id: z.string() }),
  sql: `
    update app.destinations d set state = 'closed', closed_because = :because::text, taken_until = '-infinity'
    where d.id = :id::uuid
    returning d.id`,
})

/**
 * What a place hears of a project from now on; null leaves it as it is, which is what it hears of all projects where
 * nothing was said of this one. `forMs` above zero keeps it silent that long.
 */
export const subscribe = statement({
  name: 'subscribe',
  params: ['destination', 'project', 'level', 'forMs'],
  row: z.object({ level: z.enum(['all', 'decisions', 'nothing']), mutedUntil: z.date().nullable() }),
  sql: `
    insert into app.subscriptions (destination_id, project_id, level, muted_until)
    values (:destination::uuid, :project::uuid,
      coalesce(:level::text, (
        select s.level from app.subscriptions s where s.destination_id = :destination::uuid
          and s.project_id = '00000000-0000-0000-0000-000000000000'), 'nothing'),
      case when :forMs::float8 > 0 then app.clock_now() + :forMs::float8 * interval '1 millisecond' else '-infinity' end)
    on conflict (destination_id, project_id) do update
      set level = coalesce(:level::text, subscriptions.level), muted_until = excluded.muted_until
    returning level, nullif(muted_until, '-infinity') as muted_until`,
})

/** Shows every run at a place that was never asked about; what people said since stands. */
export const subscribeHome = statement({
  name: 'subscribe_home',
  params: ['destination'],
  row: z.object({ level: z.string() }),
  sql: `
    insert into app.subscriptions (destination_id, project_id, level)
    values (:destination::uuid, '00000000-0000-0000-0000-000000000000', 'all')
    on conflict (destination_id, project_id) do nothing
    returning level`,
})

/** The project that people mean by a name or an address; the newest of that name. */
export const findProject = statement({
  name: 'find_project',
  params: ['name'],
  row: z.object({ id: z.string(), name: z.string() }),
  sql: `
    select p.id, p.name from app.projects p
    where p.address = :name::text or p.name = :name::text
    order by (p.address = :name::text) desc, p.created_at desc
    limit 1`,
})

/** Sets the hours in which a place must stay silent; null takes them back. */
export const keepQuiet = statement({
  name: 'keep_quiet',
  params: ['destination', 'from', 'to', 'zone'],
  row: z.object({ id: z.string() }),
  sql: `
    update app.destinations d set quiet_from = :from::text::time, quiet_to = :to::text::time, zone = :zone::text
    where d.id = :destination::uuid
    returning d.id`,
})
