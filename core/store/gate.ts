import { z } from 'zod'
import { pseudonymOf } from '../model/actor.ts'
import type { DecisionRecord } from '../ports.ts'
import type { Registry } from './people.ts'
import { gatePolicy } from './run-row.ts'
import { statement } from './statement.ts'

const verdict = z.enum(['approved', 'rejected', 'changes_requested', 'expired', 'withdrawn'])

const choice = z.enum(['approved', 'rejected', 'changes_requested'])

const artifactRef = z.object({ name: z.string(), sha256: z.string(), sizeBytes: z.number() })

/** What a gate shows, as stored. */
export const gateSubject = z.object({
  artifact: artifactRef,
  what: z.string(),
  risks: z.array(z.string()),
  questions: z.array(z.string()),
  changes: z.array(z.string()),
  facts: z.array(z.string()),
  /** Of a request for money: how much, in millionths of a dollar. */
  micros: z.number().optional(),
  tokens: z.number().optional(),
  call: z.object({ step: z.string(), micros: z.number() }).optional(),
  options: z.array(z.string()).optional(),
})

export const gateRow = z.object({
  id: z.string(),
  runId: z.string(),
  stepId: z.string().nullable(),
  kind: z.enum(['plan', 'budget']),
  name: z.string(),
  artifactSha256: z.string().nullable(),
  subject: gateSubject,
  policy: gatePolicy,
  requestedBy: z.string().nullable(),
  openedAt: z.date(),
  escalatedAt: z.date().nullable(),
  expiresAt: z.date().nullable(),
  verdict: verdict.nullable(),
  decidedBy: z.string().nullable(),
  decidedAt: z.date().nullable(),
})

const gateColumns = `g.id, g.run_id, g.step_id, g.kind, g.name, g.artifact_sha256, g.subject, g.policy, g.requested_by,
  g.opened_at, g.escalated_at, g.expires_at, g.verdict, g.decided_by, g.decided_at`

/** The moment it is asked. Before a lock is waited for, it tells what was there already when somebody asked for it. */
export const readClock = statement({
  name: 'read_clock',
  params: [],
  row: z.object({ now: z.date() }),
  sql: `select app.clock_now() as now`,
})

/**
 * All gates of a run with their votes, oldest first, their rows locked; the run's row is locked before them. Somebody
 * whose accounts were joined since is one person here: the votes and the start of any of them are theirs.
 */
export const lockGates = statement({
  name: 'lock_gates',
  params: ['number'],
  row: gateRow.extend({
    starter: z.string(),
    votes: z.array(z.object({ actorId: z.string(), inPlaceOf: z.string().nullable(), choice })),
  }),
  sql: `
    select ${gateColumns},
      (select coalesce(a.same_as, r.started_by) from app.runs r left join app.actors a on a.id = r.started_by
       where r.id = g.run_id) as starter,
      coalesce((
        select jsonb_agg(jsonb_build_object('actorId', coalesce(a.same_as, v.actor_id),
            'inPlaceOf', coalesce(b.same_as, v.in_place_of), 'choice', v.choice)
          order by v.at, v.actor_id)
        from app.votes v left join app.actors a on a.id = v.actor_id left join app.actors b on b.id = v.in_place_of
        where v.run_id = g.run_id and v.gate_id = g.id), '[]') as votes
    from app.gates g
    where g.run_id = (select r.id from app.runs r where r.number = :number::bigint)
    order by g.opened_at, g.id
    for no key update of g`,
})

/** Opens a gate that is a request of a person rather than a step of the plan. */
export const openRequest = statement({
  name: 'open_request',
  params: ['run', 'id', 'kind', 'name', 'subject', 'policy', 'requestedBy'],
  row: z.object({ id: z.string() }),
  sql: `
    insert into app.gates (run_id, id, kind, name, subject, policy, requested_by)
    values (:run::uuid, :id::uuid, :kind::text, :name::text, :subject::jsonb, :policy::jsonb, :requestedBy::uuid)
    returning id`,
})

/** Takes back what a run has asked for by itself: a person asks for another amount. */
export const withdrawRequest = statement({
  name: 'withdraw_request',
  params: ['run'],
  row: z.object({ id: z.string() }),
  sql: `
    update app.gates set verdict = 'withdrawn', decided_at = app.clock_now()
    where run_id = :run::uuid and kind = 'budget' and name = 'budget' and verdict is null and requested_by is null
    returning id`,
})

/**
 * Takes a vote and, when it settles the gate, sets the verdict: once, and on the very bytes that were shown. No row: the
 * gate was settled meanwhile or is about other bytes, and nothing was written.
 */
export const castVote = statement({
  name: 'cast_vote',
  params: [
    'run',
    'gate',
    'actor',
    'choice',
    'sha256',
    'surface',
    'deliveryId',
    'verdict',
    'role',
    'inPlaceOf',
    'remark',
  ],
  row: z.object({ id: z.string() }),
  sql: `
    with settled as (
      update app.gates g set verdict = :verdict::text,
        decided_by = case when :verdict::text is not null then :actor::uuid end,
        decided_role = case when :verdict::text is not null then :role::text end,
        decided_on_surface = case when :verdict::text is not null then :surface::text end,
        remark_id = :remark::uuid,
        decided_at = case when :verdict::text is not null then app.clock_now() end
      where g.run_id = :run::uuid and g.id = :gate::uuid and g.verdict is null
        and g.artifact_sha256 is not distinct from :sha256::text
      returning g.run_id, g.id
    )
    insert into app.votes (run_id, gate_id, actor_id, in_place_of, choice, artifact_sha256, surface, delivery_id)
    select s.run_id, s.id, :actor::uuid, :inPlaceOf::uuid, :choice::text, :sha256::text, :surface::text,
      :deliveryId::text
    from settled s
    returning gate_id as id`,
})

const listDecidedGates = statement({
  name: 'list_decided_gates',
  params: ['run'],
  row: z.object({
    name: z.string(),
    verdict: choice,
    artifact: z.string(),
    sha256: z.string(),
    role: z.string(),
    actorId: z.string(),
    decidedOn: z.string(),
    remark: z.instanceof(Buffer).nullable(),
  }),
  sql: `
    select g.name, g.verdict, coalesce(g.artifact, g.subject->>'what') as artifact,
      coalesce(g.artifact_sha256, encode(sha256(convert_to(g.subject::text, 'UTF8')), 'hex')) as sha256,
      g.decided_role as role, g.decided_by as actor_id,
      to_char(g.decided_at at time zone 'UTC', 'YYYY-MM-DD') as decided_on, m.sealed as remark
    from app.gates g left join pii.remarks m on m.id = g.remark_id
    -- Money that was granted is a decision like others; money that was refused has changed nothing.
    where g.run_id = :run::uuid and (g.kind = 'plan' or g.verdict = 'approved') and g.decided_by is not null
    order by g.decided_at, g.id`,
})

/** Decisions of a run's gates, oldest first, by role and pseudonym: fit for documents. */
export async function listDecisions({ db, people }: Registry, runId: string): Promise<readonly DecisionRecord[]> {
  const rows = await db.run(listDecidedGates, { run: runId })
  const records = rows.map(async ({ name, actorId, remark, ...row }) => ({
    ...row,
    gate: name,
    pseudonym: pseudonymOf(actorId),
    comment: remark && (await people.openRemark(actorId, remark)),
  }))
  return Promise.all(records)
}
