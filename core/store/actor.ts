import { z } from 'zod'
import { roleList } from './held-roles.ts'
import { statement } from './statement.ts'

/** Makes a person who has no account yet. */
export const insertActor = statement({
  name: 'insert_actor',
  params: ['actor'],
  row: z.object({ id: z.string() }),
  sql: `insert into app.actors (id, kind) values (:actor::uuid, 'person') returning id`,
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

/** How many people may administer. */
export const countAdmins = statement({
  name: 'count_admins',
  params: [],
  row: z.object({ admins: z.number() }),
  sql: `select count(*)::integer as admins from app.actor_roles r where r.role = 'admin' and r.revoked_at is null`,
})

/** Gives a role, again where it was taken back; no row when it is held already. */
export const grantRole = statement({
  name: 'grant_role',
  params: ['actor', 'role'],
  row: z.object({ actorId: z.string() }),
  sql: `
    insert into app.actor_roles (actor_id, role) values (:actor::uuid, :role::text)
    on conflict (actor_id, role) do update set revoked_at = null, granted_at = app.clock_now()
      where actor_roles.revoked_at is not null
    returning actor_id`,
})

/** True when somebody may administer already. Locks the table against a second first admin. */
export const hasAdmin = statement({
  name: 'has_admin',
  params: [],
  row: z.object({ hasAdmin: z.boolean() }),
  sql: `select exists (select from app.actor_roles r where r.role = 'admin' and r.revoked_at is null) as has_admin`,
})

/** Serializes sign-ins of new people for the length of a transaction. */
export const lockPeople = statement({
  name: 'lock_people',
  params: [],
  row: z.object({}),
  sql: `select from (select pg_advisory_xact_lock(7081, 2)) signing_in`,
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
