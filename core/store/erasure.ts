import { z } from 'zod'
import { statement } from './statement.ts'

/** Every actor that turned out to be this person, the person first. */
export const listSelves = statement({
  name: 'list_selves',
  params: ['actor'],
  row: z.object({ id: z.string() }),
  sql: `
    select a.id from app.actors a where a.id = :actor::uuid or a.same_as = :actor::uuid
    order by a.same_as is not null, a.id`,
})

/** Keeps that somebody shall be forgotten; asked again, it stays as it was. */
export const noteErasure = statement({
  name: 'erase_note',
  params: ['actor', 'by'],
  row: z.object({ actorId: z.string() }),
  sql: `
    insert into pii.erasures (actor_id, asked_by) values (:actor::uuid, :by::uuid)
    on conflict (actor_id) do nothing
    returning actor_id`,
})

/** Whether somebody was forgotten; no row when nobody asked for it. */
export const findErasure = statement({
  name: 'erase_find',
  params: ['actor'],
  row: z.object({ askedBy: z.string(), doneAt: z.date().nullable() }),
  sql: `select e.asked_by, e.done_at from pii.erasures e where e.actor_id = :actor::uuid`,
})

/** Asks once more for the erasure of somebody who was erased before; no row while one is under way. */
export const repeatErasure = statement({
  name: 'erase_again',
  params: ['actor', 'by'],
  row: z.object({ actorId: z.string() }),
  sql: `
    insert into pii.erasures (actor_id, asked_by) values (:actor::uuid, :by::uuid)
    on conflict (actor_id) do update set done_at = null where erasures.done_at is not null
    returning actor_id`,
})

/** Which of these, whose keys are destroyed, have accounts, rights or private places all the same, and nobody is erasing them. */
export const listReturned = statement({
  name: 'erase_list_returned',
  params: ['subjects'],
  row: z.object({ id: z.string() }),
  sql: `
    select distinct case when a.same_as = any(:subjects::uuid[]) then a.same_as else a.id end as id from app.actors a
    where a.id = any(:subjects::uuid[])
      and (exists (select from pii.identities i where i.actor_id = a.id)
        or exists (select from app.actor_roles r where r.actor_id = a.id and r.revoked_at is null)
        or exists (select from app.api_keys k where k.owner_id = a.id and k.revoked_at is null)
        or exists (select from app.destinations d where d.actor_id = a.id and d.state = 'open'))
      and not exists (
        select from pii.erasures e where e.actor_id in (a.id, a.same_as) and e.done_at is null)
    order by id`,
})

/** Who is still to be forgotten. */
export const listErasures = statement({
  name: 'erase_list',
  params: [],
  row: z.object({ actorId: z.string() }),
  sql: `select e.actor_id from pii.erasures e where e.done_at is null`,
})

/** Takes back all roles, and every right lent or borrowed, of these actors; that they had them stays on record. */
export const endRights = statement({
  name: 'erase_rights',
  params: ['actors'],
  row: z.object({ actorId: z.string() }),
  sql: `
    with lent as (
      update app.delegations d set until = least(d.until, app.clock_now())
      where d.from_actor = any(:actors::uuid[]) or d.to_actor = any(:actors::uuid[])
    ),
    keys as (
      update app.api_keys k set label = 'erased', revoked_at = coalesce(k.revoked_at, app.clock_now())
      where k.owner_id = any(:actors::uuid[])
    ),
    codes as (
      update app.link_codes c set used_by = c.actor_id, used_at = app.clock_now()
      where c.actor_id = any(:actors::uuid[]) and c.used_at is null
    )
    update app.actor_roles r set revoked_at = app.clock_now()
    where r.actor_id = any(:actors::uuid[]) and r.revoked_at is null
    returning r.actor_id`,
})

/** Closes the private places of these actors, and asks for every card of a run they had a part in to be drawn anew. */
export const closePlaces = statement({
  name: 'erase_places',
  params: ['actors'],
  row: z.object({ id: z.string() }),
  sql: `
    with places as (
      update app.destinations d set state = 'closed', closed_because = 'erased', taken_until = '-infinity',
        quiet_from = null, quiet_to = null, zone = 'UTC'
      where d.actor_id = any(:actors::uuid[])
    )
    update app.cards c set wanted = c.wanted + 1, asked_at = app.clock_now()
    where c.run_id in (
        select r.id from app.runs r where r.started_by = any(:actors::uuid[])
        union select g.run_id from app.gates g
        where g.decided_by = any(:actors::uuid[]) or g.requested_by = any(:actors::uuid[])
        union select v.run_id from app.votes v
        where v.actor_id = any(:actors::uuid[]) or v.in_place_of = any(:actors::uuid[]))
    returning c.id`,
})

/** Removes accounts, private addresses, subscriptions and prompts of everybody whose erasure is under way. */
export const removeErased = statement({
  name: 'erase_rows',
  params: [],
  row: z.object({}),
  sql: `select from (select pii.remove_erased()) removed`,
})

/** Says that nothing is left to do; no row when somebody else said so already. */
export const finishErasure = statement({
  name: 'erase_done',
  params: ['actor'],
  row: z.object({ askedBy: z.string() }),
  sql: `
    update pii.erasures e set done_at = app.clock_now() where e.actor_id = :actor::uuid and e.done_at is null
    returning e.asked_by`,
})

/** The sealed accounts of these actors. */
export const exportAccounts = statement({
  name: 'export_accounts',
  params: ['actors'],
  row: z.object({
    surface: z.string(),
    subject: z.string(),
    sealedAccount: z.instanceof(Buffer),
    sealedLabel: z.instanceof(Buffer),
    linkedAt: z.date(),
  }),
  sql: `
    select i.surface, i.actor_id as subject, i.sealed_account, i.sealed_label, i.linked_at from pii.identities i
    where i.actor_id = any(:actors::uuid[])
    order by i.linked_at, i.lookup`,
})

/** The private places of these actors, with what they hear there and when they want silence. */
export const exportPlaces = statement({
  name: 'export_places',
  params: ['actors'],
  row: z.object({
    surface: z.string(),
    subject: z.string(),
    sealed: z.instanceof(Buffer),
    state: z.string(),
    quiet: z.json(),
    subscriptions: z.json(),
  }),
  sql: `
    select d.surface, a.subject_id as subject, a.sealed, d.state,
      jsonb_build_object('from', d.quiet_from, 'to', d.quiet_to, 'zone', d.zone) as quiet,
      coalesce((select jsonb_agg(jsonb_build_object('project', p.address, 'level', s.level,
          'mutedUntil', nullif(s.muted_until, '-infinity')) order by p.address)
        from app.subscriptions s left join app.projects p on p.id = s.project_id where s.destination_id = d.id), '[]')
        as subscriptions
    from app.destinations d join pii.addresses a on a.destination_id = d.id
    where d.actor_id = any(:actors::uuid[])
    order by d.created_at, d.id`,
})

/** The sealed words of these actors. */
export const exportRemarks = statement({
  name: 'export_remarks',
  params: ['actors'],
  row: z.object({
    id: z.string(),
    subject: z.string(),
    sealed: z.instanceof(Buffer).nullable(),
    writtenAt: z.date(),
  }),
  sql: `
    select m.id, m.actor_id as subject, m.sealed, m.written_at from pii.remarks m
    where m.actor_id = any(:actors::uuid[])
    order by m.written_at, m.id`,
})

/** All else that the database knows of these actors: nothing of it is sealed, and other people are in it by their ids. */
export const exportRows = statement({
  name: 'export_rows',
  params: ['actors'],
  row: z.object({ known: z.record(z.string(), z.json()) }),
  sql: `
    select jsonb_build_object(
      'roles', (select jsonb_agg(jsonb_build_object('role', r.role, 'grantedAt', r.granted_at,
          'revokedAt', r.revoked_at) order by r.role)
        from app.actor_roles r where r.actor_id = any(:actors::uuid[])),
      'delegations', (select jsonb_agg(jsonb_build_object('from', d.from_actor, 'to', d.to_actor, 'until', d.until)
          order by d.until)
        from app.delegations d where d.from_actor = any(:actors::uuid[]) or d.to_actor = any(:actors::uuid[])),
      'keys', (select jsonb_agg(jsonb_build_object('id', k.id, 'label', k.label, 'scopes', k.scopes, 'madeAt', k.made_at,
          'usedAt', k.used_at, 'revokedAt', k.revoked_at) order by k.id)
        from app.api_keys k where k.owner_id = any(:actors::uuid[])),
      'linkCodes', (select jsonb_agg(jsonb_build_object('madeAt', c.made_at, 'expiresAt', c.expires_at,
          'usedAt', c.used_at) order by c.made_at)
        from app.link_codes c where c.actor_id = any(:actors::uuid[]) or c.used_by = any(:actors::uuid[])),
      'mailCodes', (select jsonb_agg(jsonb_build_object('madeAt', c.made_at, 'expiresAt', c.expires_at,
          'usedAt', c.used_at) order by c.made_at)
        from pii.mail_codes c where c.actor_id = any(:actors::uuid[])),
      'mailLinks', (select jsonb_agg(jsonb_build_object('run', l.run_id, 'madeAt', l.made_at,
          'expiresAt', l.expires_at) order by l.made_at)
        from pii.gate_links l where l.actor_id = any(:actors::uuid[])),
      'prompts', (select jsonb_agg(jsonb_build_object('askedAt', p.asked_at, 'takenAt', p.taken_at,
          'command', p.command) order by p.asked_at)
        from app.prompts p where p.actor_id = any(:actors::uuid[])),
      'webhooks', (select jsonb_agg(jsonb_build_object('number', w.number, 'address', w.address, 'events', w.events,
          'madeAt', w.created_at, 'endedAt', w.ended_at) order by w.number)
        from app.webhooks w where w.created_by = any(:actors::uuid[])),
      'runs', (select jsonb_agg(jsonb_build_object('number', r.number, 'id', r.id, 'pipeline', r.pipeline,
          'state', r.state, 'finishedAt', r.finished_at) order by r.number)
        from app.runs r where r.started_by = any(:actors::uuid[])),
      'requests', (select jsonb_agg(jsonb_build_object('run', g.run_id, 'gate', g.name, 'at', g.opened_at)
          order by g.opened_at)
        from app.gates g where g.requested_by = any(:actors::uuid[])),
      'decisions', (select jsonb_agg(jsonb_build_object('run', v.run_id, 'gate', g.name, 'choice', v.choice,
          'sha256', v.artifact_sha256, 'surface', v.surface, 'delivery', v.delivery_id, 'at', v.at,
          'by', v.actor_id, 'inPlaceOf', 'actor:' || v.in_place_of,
          'remark', case when g.decided_by = v.actor_id and v.actor_id = any(:actors::uuid[]) then g.remark_id end)
          order by v.at)
        from app.votes v left join app.gates g on g.run_id = v.run_id and g.id = v.gate_id
        where v.actor_id = any(:actors::uuid[]) or v.in_place_of = any(:actors::uuid[])),
      'audit', (select jsonb_agg(jsonb_build_object('seq', e.seq, 'at', e.at, 'by', e.actor_id, 'action', e.action,
          'run', e.run_id, 'target', e.target, 'sha256', e.content_sha256, 'detail', e.detail) order by e.seq)
        from audit.entries e
        where e.actor_id = any(:actors::uuid[])
          or array[e.target, e.detail->>'in_place_of'] && array(select 'actor:' || a.id from unnest(:actors::uuid[]) a(id)))
    ) as known`,
})
