import { z } from 'zod'
import { roleList } from './held-roles.ts'
import { statement } from './statement.ts'

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
