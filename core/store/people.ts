import { z } from 'zod'
import { roles } from '../model/plan.ts'
import { statement } from './statement.ts'

/** The person behind an account of a surface, with the roles held now, those of people they stand in for included. */
export const findAccount = statement({
  name: 'find_account',
  params: ['surface', 'account'],
  row: z.object({
    actorId: z.string(),
    label: z.string(),
    roles: z.array(z.enum(roles as unknown as [(typeof roles)[number]])),
  }),
  sql: `
    select p.id as actor_id, a.label,
      array(
        select r.role from app.actor_roles r where r.actor_id = p.id and r.revoked_at is null
        union
        select r.role from app.delegations d join app.actor_roles r on r.actor_id = d.from_actor
        where d.to_actor = p.id and d.until > app.clock_now() and r.revoked_at is null
          and r.role in ('operator', 'approver')
        order by 1) as roles
    from pii.accounts a
    cross join lateral (
      select coalesce(x.same_as, x.id) as id from app.actors x where x.id = a.actor_id
    ) p
    where a.surface = :surface::text and a.account = :account::text`,
})

/** Makes a person with one account; no row when the account exists by now. */
export const insertAccount = statement({
  name: 'insert_account',
  params: ['actor', 'surface', 'account', 'label'],
  row: z.object({ actorId: z.string() }),
  sql: `
    with made as (
      insert into app.actors (id, kind) values (:actor::uuid, 'person') returning id
    )
    insert into pii.accounts (surface, account, actor_id, label)
    select :surface::text, :account::text, made.id, :label::text from made
    returning actor_id`,
})

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
