import { z } from 'zod'
import { held, heldRoles } from './held-roles.ts'
import { statement } from './statement.ts'

const bytes = z.instanceof(Buffer)

/**
 * Keeps the hash of a code that was made for somebody and an address, sealed. No row when they had `most` within the
 * hour. Older ones of theirs are forgotten.
 */
export const insertMailCode = statement({
  name: 'insert_mail_code',
  params: ['actor', 'sha256', 'sealed', 'forMs', 'most'],
  row: z.object({ expiresAt: z.date() }),
  sql: `
    with old as (
      delete from pii.mail_codes c
      where c.actor_id = :actor::uuid and c.made_at <= app.clock_now() - interval '1 hour'
    )
    insert into pii.mail_codes (actor_id, code_sha256, sealed, expires_at)
    select :actor::uuid, :sha256::text, :sealed::bytea, app.clock_now() + :forMs::float8 * interval '1 millisecond'
    where (select count(*) from pii.mail_codes c
      where c.actor_id = :actor::uuid and c.made_at > app.clock_now() - interval '1 hour') < :most::integer
    returning expires_at`,
})

/** Uses up somebody's own code; a wrong one counts against all they have, and after `mostFailures` none is good. */
export const useMailCode = statement({
  name: 'use_mail_code',
  params: ['actor', 'sha256', 'mostFailures'],
  row: z.object({ sealed: bytes }),
  sql: `
    with good as (
      update pii.mail_codes c set used_at = app.clock_now()
      where c.actor_id = :actor::uuid and c.code_sha256 = :sha256::text and c.expires_at > app.clock_now()
        and c.used_at is null and c.failures < :mostFailures::integer
      returning c.sealed
    ),
    wrong as (
      update pii.mail_codes c set failures = c.failures + 1
      where c.actor_id = :actor::uuid and c.used_at is null and c.failures < :mostFailures::integer
        and not exists (select from good)
    )
    select good.sealed from good`,
})

/** Ends a person's mailbox, and whatever is at an address: nothing is sent there, its links are dead, the address is forgotten. */
export const forgetMailbox = statement({
  name: 'forget_mailbox',
  params: ['actor', 'lookup'],
  row: z.object({ id: z.string() }),
  sql: `
    with place as (
      update app.destinations d
      set state = 'closed', closed_because = 'taken back', actor_id = null, taken_until = '-infinity'
      where d.surface = 'mail' and (d.actor_id = :actor::uuid
        or d.id = (select a.destination_id from pii.addresses a where a.lookup = :lookup::bytea))
      returning d.id
    )
    delete from pii.addresses a where a.destination_id = any(array(select place.id from place))
    returning a.destination_id as id`,
})

/** The mailbox of a person. */
export const findMailbox = statement({
  name: 'find_mailbox',
  params: ['actor'],
  row: z.object({ id: z.string() }),
  sql: `
    select d.id from app.destinations d
    where d.surface = 'mail' and d.actor_id = :actor::uuid and d.state = 'open'
    limit 1`,
})

/**
 * Makes the link of a gate's card that is about to be mailed, or finds it made; no row where nobody's own mailbox is,
 * or where the gate is closed. It ends with the gate, after 30 days at most.
 */
export const insertGateLink = statement({
  name: 'insert_gate_link',
  params: ['key', 'sha256'],
  row: z.object({ gateId: z.string() }),
  sql: `
    with allowed as materialized (
      select g.run_id, g.id, d.id as destination_id, d.actor_id, g.artifact_sha256,
        least(g.expires_at, app.clock_now() + interval '30 days') as expires_at
      from app.cards c
      join app.gates g on g.run_id = c.run_id and g.id = c.subject
      join app.destinations d on d.id = c.destination_id
      where c.key = :key::text and c.kind = 'gate' and d.surface = 'mail' and d.state = 'open'
        and d.actor_id is not null and g.verdict is null
    ),
    made as (
      insert into pii.gate_links (token_sha256, run_id, gate_id, destination_id, actor_id, artifact_sha256, expires_at)
      select :sha256::text, allowed.run_id, allowed.id, allowed.destination_id, allowed.actor_id,
        allowed.artifact_sha256, allowed.expires_at
      from allowed
      on conflict (token_sha256) do nothing
    )
    select allowed.id as gate_id from allowed`,
})

/**
 * What a link stands for, and what its recipient may do now, for those they stand in for included. No row for a link
 * that was never given out, is too old, was about other bytes, or whose mailbox has changed hands since.
 */
export const findGateLink = statement({
  name: 'find_gate_link',
  params: ['sha256'],
  row: z.object({
    number: z.number(),
    gateId: z.string(),
    destinationId: z.string(),
    subjectId: z.string(),
    sealedAddress: bytes,
    actorId: z.string(),
    ...held,
  }),
  sql: `
    select r.number, l.gate_id, l.destination_id, a.subject_id, a.sealed as sealed_address, p.id as actor_id,
      ${heldRoles}
    from pii.gate_links l
    join app.runs r on r.id = l.run_id
    join app.gates g on g.run_id = l.run_id and g.id = l.gate_id
      and g.artifact_sha256 is not distinct from l.artifact_sha256
    join app.destinations d on d.id = l.destination_id and d.state = 'open'
    join pii.addresses a on a.destination_id = d.id
    cross join lateral (
      select coalesce(x.same_as, x.id) as id from app.actors x where x.id = l.actor_id
    ) p
    where l.token_sha256 = :sha256::text and l.expires_at > app.clock_now() and d.actor_id = p.id`,
})
