import { z } from 'zod'
import { roles } from '../model/plan.ts'
import { statement } from './statement.ts'

const roleList = z.array(z.enum(roles as unknown as [(typeof roles)[number]]))

/** Keeps the hash of a code that joins an account to `actor`, or (null) gives its roles to whoever says it. */
export const insertLinkCode = statement({
  name: 'insert_link_code',
  params: ['sha256', 'actor', 'roles', 'forMs'],
  row: z.object({ expiresAt: z.date() }),
  sql: `
    insert into app.link_codes (code_sha256, actor_id, roles, expires_at)
    values (:sha256::text, :actor::uuid, :roles::text[],
      app.clock_now() + :forMs::float8 * interval '1 millisecond')
    returning expires_at`,
})

/** Uses up a code; whoever it worked for may say it again. No row when it is wrong, somebody else's, or too old. */
export const useLinkCode = statement({
  name: 'use_link_code',
  params: ['sha256', 'actor'],
  row: z.object({ actorId: z.string().nullable(), roles: roleList }),
  sql: `
    update app.link_codes c set used_by = :actor::uuid, used_at = app.clock_now()
    where c.code_sha256 = :sha256::text and c.expires_at > app.clock_now()
      and (c.used_at is null or c.used_by = :actor::uuid or c.actor_id = :actor::uuid)
    returning c.actor_id, c.roles`,
})

/** Makes two actors one: every account and private place of `from` is from now on that of `to`. */
export const joinActors = statement({
  name: 'join_actors',
  params: ['from', 'to'],
  row: z.object({ id: z.string() }),
  sql: `
    with places as (
      update app.destinations d set actor_id = :to::uuid where d.actor_id = :from::uuid
    )
    update app.actors a set same_as = :to::uuid
    where a.id = any(array(
      select :from::uuid union all select b.id from app.actors b where b.same_as = :from::uuid))
    returning a.id`,
})

/** Everybody who may be given roles, newest first, with the surfaces they have accounts on. */
export const listPeople = statement({
  name: 'check_people',
  params: [],
  row: z.object({ id: z.string(), roles: roleList, surfaces: z.array(z.string()), isErased: z.boolean() }),
  sql: `
    select p.id,
      coalesce(array_agg(distinct i.surface order by i.surface) filter (where i.surface is not null), '{}') as surfaces,
      array(select r.role from app.actor_roles r where r.actor_id = p.id and r.revoked_at is null order by r.role) as roles,
      exists (select from pii.erasures e where e.actor_id = p.id) as is_erased
    from app.actors p
    join app.actors a on a.id = p.id or a.same_as = p.id
    left join pii.identities i on i.actor_id = a.id
    where p.same_as is null and p.kind = 'person'
    group by p.id
    order by p.id desc`,
})

/** Makes a person who has no account yet. */
export const insertActor = statement({
  name: 'insert_actor',
  params: ['actor'],
  row: z.object({ id: z.string() }),
  sql: `insert into app.actors (id, kind) values (:actor::uuid, 'person') returning id`,
})

/** Takes a role back; it stays on record. */
export const revokeRole = statement({
  name: 'revoke_role',
  params: ['actor', 'role'],
  row: z.object({ actorId: z.string() }),
  sql: `
    update app.actor_roles r set revoked_at = app.clock_now()
    where r.actor_id = :actor::uuid and r.role = :role::text and r.revoked_at is null
    returning r.actor_id`,
})

/** Lets somebody act for somebody else from now on for so long; zero ends it. */
export const delegate = statement({
  name: 'delegate',
  params: ['from', 'to', 'forMs'],
  row: z.object({ until: z.date() }),
  sql: `
    insert into app.delegations (from_actor, to_actor, until)
    values (:from::uuid, :to::uuid, app.clock_now() + :forMs::float8 * interval '1 millisecond')
    on conflict (to_actor, from_actor) do update set until = excluded.until
    returning until`,
})

/** How many people may administer. */
export const countAdmins = statement({
  name: 'count_admins',
  params: [],
  row: z.object({ admins: z.number() }),
  sql: `select count(*)::integer as admins from app.actor_roles r where r.role = 'admin' and r.revoked_at is null`,
})

/** Keeps a decision that waits for its words. */
export const insertPrompt = statement({
  name: 'insert_prompt',
  params: ['destination', 'prompt', 'actor', 'command'],
  row: z.object({ prompt: z.string() }),
  sql: `
    insert into app.prompts (destination_id, prompt, actor_id, command)
    values (:destination::uuid, :prompt::text, :actor::uuid, :command::jsonb)
    on conflict (destination_id, prompt) do nothing
    returning prompt`,
})

/** The decision that waits under a message for this person's words; it stays until it is taken. */
export const takePrompt = statement({
  name: 'take_prompt',
  params: ['destination', 'prompt', 'actor'],
  row: z.object({ command: z.json() }),
  sql: `
    update app.prompts p set taken_at = app.clock_now()
    where p.destination_id = :destination::uuid and p.prompt = :prompt::text and p.actor_id = :actor::uuid
    returning p.command`,
})

/** Puts an event aside that could not be taken in. */
export const insertQuarantine = statement({
  name: 'insert_quarantine',
  params: ['source', 'deliveryId', 'body', 'why'],
  row: z.object({ deliveryId: z.string() }),
  sql: `
    insert into app.quarantine (source, delivery_id, body, why)
    values (:source::text, :deliveryId::text, coalesce(:body::jsonb, 'null'), :why::text)
    on conflict (source, delivery_id) do nothing
    returning delivery_id`,
})
