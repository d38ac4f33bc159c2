import { z } from 'zod'
import { gatePolicy, plan, runStates } from './run-row.ts'
import { gateSubject } from './gate.ts'
import { statement } from './statement.ts'

/** What people look at. Reads only; nothing is decided from here. */

const waitingFor = z.enum(['gate', 'time', 'signal', 'children']).nullable()

const lineColumns = `r.id, r.number, r.pipeline, r.state, r.waiting_for, r.reason_code, r.reason, r.position, p.steps as plan,
  r.created_at, (extract(epoch from coalesce(r.finished_at, app.clock_now()) - r.created_at) * 1000)::float8 as elapsed_ms,
  (select j.name from app.projects j where j.id = r.project_id) as project_name`

const line = {
  id: z.string(),
  number: z.number(),
  pipeline: z.string(),
  state: z.enum(runStates),
  waitingFor,
  reasonCode: z.string().nullable(),
  reason: z.string().nullable(),
  position: z.number(),
  plan,
  createdAt: z.date(),
  elapsedMs: z.number(),
  projectName: z.string().nullable(),
}

/** A page of runs, newest first, children left out. One more than a page tells whether there is another. */
export const listRuns = statement({
  name: 'list_runs',
  params: ['most', 'skip'],
  row: z.object(line),
  sql: `
    select ${lineColumns}
    from app.runs r join app.plans p on p.run_id = r.id and p.version = r.plan_version
    where r.parent_id is null
    order by r.number desc
    limit :most::integer offset :skip::integer`,
})

const takenBack = z.object({
  what: z.string(),
  outcome: z.enum(['undone', 'compensated', 'was gone', 'irreversible', 'failed']),
  says: z.string(),
})

/** One run as its card shows it. */
export const viewRun = statement({
  name: 'view_run',
  params: ['number'],
  row: z.object({
    ...line,
    correlationId: z.string(),
    failures: z.number(),
    projectAddress: z.string().nullable(),
    startedBy: z.string(),
    holder: z.number().nullable(),
    retriedAs: z.number().nullable(),
    isPastDeadline: z.boolean(),
    spentMicros: z.number().nullable(),
    reservedMicros: z.number().nullable(),
    capMicros: z.number().nullable(),
    spentTokens: z.number().nullable(),
    capTokens: z.number().nullable(),
    outlook: z
      .object({
        lowMicros: z.number(),
        likelyMicros: z.number(),
        highMicros: z.number(),
        seconds: z.number(),
        phases: z
          .array(
            z.object({
              name: z.string(),
              lowMicros: z.number(),
              likelyMicros: z.number(),
              highMicros: z.number(),
            }),
          )
          .default([]),
        basis: z.string().default(''),
        policy: z.array(z.string()),
        clamped: z.array(z.string()).default([]),
      })
      .nullable(),
    pullRequest: z.object({ number: z.number(), url: z.string() }).nullable(),
    pullRequestEnd: z.enum(['merged', 'closed']).nullable(),
    progress: z.string().nullable(),
    takenBack: z.array(takenBack).nullable(),
  }),
  sql: `
    select ${lineColumns}, r.correlation_id, r.failures,
      (select j.address from app.projects j where j.id = r.project_id) as project_address,
      r.started_by,
      case when r.lock_state = 'behind' then
        (select h.number from app.runs h where h.lock_key = r.lock_key and h.lock_state = 'held')
      end as holder,
      (select n.number from app.runs n where n.retry_of = r.id) as retried_as,
      coalesce(r.deadline_at <= app.clock_now(), false) as is_past_deadline,
      b.spent_micros, b.reserved_micros, b.cap_micros, b.spent_tokens, b.cap_tokens,
      (select a.output->'outlook' from app.attempts a
       where a.run_id = r.id and a.outcome = 'done' and a.output ? 'outlook' order by a.position limit 1) as outlook,
      (select a.output->'pullRequest' from app.attempts a
       where a.run_id = r.id and a.outcome = 'done' and a.output ? 'pullRequest' order by a.position desc limit 1) as pull_request,
      (select replace(e.kind, 'pull_request_', '') from app.events e
       where e.run_id = r.id and e.kind in ('pull_request_merged', 'pull_request_closed')
       order by e.seq desc limit 1) as pull_request_end,
      (select g.text from app.progress g
       where g.run_id = r.id and r.state = 'running' and g.step_id = p.steps->r.position->>'id') as progress,
      (select jsonb_agg(a.output->'takenBack' order by a.position) from app.attempts a
       where a.run_id = r.id and a.outcome = 'done' and a.output ? 'takenBack') as taken_back
    from app.runs r
    join app.plans p on p.run_id = r.id and p.version = r.plan_version
    left join app.budgets b on b.scope = 'run' and b.scope_id = r.id
    where r.number = :number::bigint`,
})

const gateView = z.object({
  id: z.string(),
  runId: z.string(),
  number: z.number(),
  name: z.string(),
  kind: z.enum(['plan', 'budget']),
  subject: gateSubject,
  policy: gatePolicy,
  votes: z.number(),
  openedAt: z.date(),
  escalatedAt: z.date().nullable(),
  expiresAt: z.date().nullable(),
  verdict: z.enum(['approved', 'rejected', 'changes_requested', 'expired', 'withdrawn']).nullable(),
  decidedBy: z.string().nullable(),
  decidedInPlaceOf: z.string().nullable(),
  decidedAt: z.date().nullable(),
})

const gateColumns = `g.id, g.run_id, (select r.number from app.runs r where r.id = g.run_id) as number, g.name, g.kind,
  g.subject, g.policy,
  (select count(*)::integer from app.votes v where v.run_id = g.run_id and v.gate_id = g.id) as votes,
  g.opened_at, g.escalated_at, g.expires_at, g.verdict, g.decided_by,
  (select v.in_place_of from app.votes v
   where v.run_id = g.run_id and v.gate_id = g.id and v.actor_id = g.decided_by) as decided_in_place_of,
  g.decided_at`

/** A page of the gates that wait for people, oldest first. One more than a page tells whether there is another. */
export const listOpenGates = statement({
  name: 'list_open_gates',
  params: ['most', 'skip'],
  row: gateView,
  sql: `
    select ${gateColumns} from app.gates g
    where g.verdict is null
    order by g.opened_at, g.id
    limit :most::integer offset :skip::integer`,
})

/** All gates of one run, oldest first. */
export const viewGates = statement({
  name: 'view_gates',
  params: ['run'],
  row: gateView,
  sql: `
    select ${gateColumns} from app.gates g
    where g.run_id = :run::uuid
    order by g.opened_at, g.id`,
})

/** A page of a run's history in order, and one line more where there is another; tries and their errors, wishes that policy did not grant, escalations and what an undo took back woven in. */
export const listLog = statement({
  name: 'list_log',
  params: ['run', 'most', 'skip'],
  row: z.object({ seq: z.number(), at: z.date(), kind: z.string(), detail: z.record(z.string(), z.unknown()) }),
  sql: `
    select history.seq, history.at, history.kind, history.detail from (
      select e.seq, 0 as nth, e.at, e.kind, e.payload as detail from app.events e where e.run_id = :run::uuid
      union all
      select 0 as seq, 0 as nth, a.finished_at as at, 'try_' || a.outcome as kind,
        jsonb_strip_nulls(jsonb_build_object('step', a.step_id, 'attempt', a.attempt, 'error_code', a.error_code,
          'error', a.error, 'duration_ms', a.duration_ms)) as detail
      from app.attempts a where a.run_id = :run::uuid and a.outcome <> 'done'
      union all
      select 0, wish.nth, a.finished_at, 'policy_clamped', jsonb_build_object('step', a.step_id, 'wish', wish.text)
      from app.attempts a,
        jsonb_array_elements_text(a.output->'outlook'->'clamped') with ordinality wish(text, nth)
      where a.run_id = :run::uuid and a.outcome = 'done'
      union all
      select 0, 0, a.finished_at, 'taken_back', a.output->'takenBack'
      from app.attempts a where a.run_id = :run::uuid and a.outcome = 'done' and a.output ? 'takenBack'
      union all
      select 0, 0, g.escalated_at, 'gate_escalated',
        jsonb_build_object('gate', g.name, 'roles', g.policy->'escalation'->'roles')
      from app.gates g where g.run_id = :run::uuid and g.escalated_at is not null
    ) history
    order by history.at, history.seq, history.nth, history.kind, history.detail
    limit :most::integer offset :skip::integer`,
})

/** Id and lock of a run by the number its handle stands for. */
export const findRun = statement({
  name: 'find_run',
  params: ['number'],
  row: z.object({ id: z.string() }),
  sql: `select r.id from app.runs r where r.number = :number::bigint`,
})

/** Versions of one artifact name that gates of a run have shown, oldest first. */
export const listShownVersions = statement({
  name: 'list_shown_versions',
  params: ['run'],
  row: z.object({ artifact: z.string(), sha256: z.string() }),
  sql: `
    select g.artifact, g.artifact_sha256 as sha256 from app.gates g
    where g.run_id = :run::uuid and g.artifact is not null
    order by g.opened_at, g.id`,
})
