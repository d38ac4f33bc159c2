import { z } from 'zod'
import { held, heldRoles } from './held-roles.ts'
import { statement } from './statement.ts'

const scopes = z.array(z.enum(['read', 'operate', 'decide']))

/** Keeps the hash of a new key. */
export const insertKey = statement({
  name: 'insert_key',
  params: ['id', 'owner', 'label', 'scopes', 'sha256'],
  row: z.object({ id: z.string() }),
  sql: `
    insert into app.api_keys (id, owner_id, label, scopes, sha256)
    values (:id::uuid, :owner::uuid, :label::text, :scopes::text[], :sha256::text)
    returning id`,
})

/** Every key there ever was, newest first; revoked ones stay on record. */
export const listKeys = statement({
  name: 'list_keys',
  params: ['most'],
  row: z.object({
    id: z.string(),
    label: z.string(),
    scopes,
    ownerId: z.string(),
    madeAt: z.date(),
    usedAt: z.date().nullable(),
    revokedAt: z.date().nullable(),
  }),
  sql: `
    select k.id, k.label, k.scopes, k.owner_id, k.made_at, k.used_at, k.revoked_at from app.api_keys k
    order by k.id desc
    limit :most::integer`,
})

/** Ends a key; no row when there is none of that id or it is ended already. */
export const revokeKey = statement({
  name: 'revoke_key',
  params: ['id'],
  row: z.object({ label: z.string() }),
  sql: `
    update app.api_keys k set revoked_at = app.clock_now()
    where k.id = :id::uuid and k.revoked_at is null
    returning k.label`,
})

/**
 * Whose key has this hash, and what its owner may do now, those they stand in for included; no row for a key that is
 * unknown or revoked. Notes the use, once a minute at most.
 */
export const findKey = statement({
  name: 'find_key',
  params: ['sha256'],
  row: z.object({
    id: z.string(),
    scopes,
    actorId: z.string(),
    label: z.string(),
    ...held,
  }),
  sql: `
    with used as (
      update app.api_keys k set used_at = app.clock_now()
      where k.sha256 = :sha256::text and k.revoked_at is null
        and (k.used_at is null or k.used_at < app.clock_now() - interval '1 minute')
    )
    select k.id, k.scopes, p.id as actor_id, k.label,
      ${heldRoles}
    from app.api_keys k
    cross join lateral (
      select coalesce(x.same_as, x.id) as id from app.actors x where x.id = k.owner_id
    ) p
    where k.sha256 = :sha256::text and k.revoked_at is null`,
})
