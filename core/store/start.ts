import { z } from 'zod'
import type { Json } from '../model/json.ts'
import type { Plan } from '../model/plan.ts'
import type { Executor } from './database.ts'
import { runColumns, runRow, runStates } from './run-row.ts'
import { statement } from './statement.ts'
import { uuidv7 } from './uuid.ts'

/** A run to be born. With `worker` it starts on that worker at once, without a claim. */
export type StartDraft = {
  readonly id: string
  readonly pipeline: string
  readonly pipelineVersion: number
  readonly projectId: string | null
  readonly startedBy: string
  readonly correlationId: string
  readonly parentId: string | null
  readonly retryOf: string | null
  readonly priority: number
  readonly deadlineMs: number | null
  readonly lockKey: string | null
  readonly input: Json
  readonly plan: Plan
  readonly cap: { readonly micros: number; readonly tokens: number } | null
}

/**
 * Inserts runs with their plan, first event, message and budget. A run with a lock key starts behind it; `grantLocks`
 * lets the first one through. With a worker the others are leased at birth.
 */
export const insertRuns = statement({
  name: 'insert_runs',
  params: ['worker', 'drafts'],
  row: runRow,
  sql: `
    with d as materialized (
      select * from json_to_recordset(:drafts::json) as d(
        id uuid, pipeline text, pipeline_version integer, project_id uuid, started_by uuid, correlation_id uuid,
        parent_id uuid, retry_of uuid, priority integer, deadline_ms float8, lock_key text, input jsonb, plan jsonb,
        cap jsonb, outbox_id uuid)
    ),
    w as materialized (
      select id from app.workers where id = :worker::uuid and state = 'live' for key share
    ),
    r as (
      insert into app.runs (id, pipeline, pipeline_version, project_id, started_by, correlation_id, parent_id, retry_of,
        priority, deadline_at, lock_key, lock_state, event_seq, state, worker_id, fence)
      select d.id, d.pipeline, d.pipeline_version, d.project_id, d.started_by, d.correlation_id, d.parent_id, d.retry_of,
        d.priority, app.clock_now() + d.deadline_ms * interval '1 millisecond', d.lock_key,
        case when d.lock_key is not null then 'behind' end, 1,
        case when d.lock_key is null and w.id is not null then 'running' else 'queued' end,
        case when d.lock_key is null then w.id end,
        case when d.lock_key is null and w.id is not null then 1 else 0 end
      from d left join w on true
      returning *
    ),
    p as (
      insert into app.plans (run_id, version, input, steps)
      select d.id, 1, coalesce(d.input, 'null'), d.plan from d
      returning *
    ),
    said as (
      insert into app.events (run_id, seq, kind, payload)
      select r.id, 1, 'run_started', jsonb_build_object('pipeline', r.pipeline, 'state', 'queued', 'position', 0) from r
    ),
    told as (
      insert into app.outbox (run_id, id, topic, payload)
      select d.id, d.outbox_id, 'run_started', jsonb_build_object('pipeline', d.pipeline) from d
      where d.outbox_id is not null
    ),
    paid as (
      insert into app.budgets (scope, scope_id, cap_micros, cap_tokens)
      select 'run', d.id, (d.cap->>'micros')::bigint, (d.cap->>'tokens')::bigint from d where d.cap is not null
    )
    select ${runColumns} from r join p on p.run_id = r.id`,
})

/** Starts runs and returns them as they stand: queued, behind a lock, or running on `worker`. */
export async function startRuns(db: Executor, drafts: readonly StartDraft[], worker: string | null) {
  return db.run(insertRuns, { worker, drafts: drafts.map(encode) })
}

function encode(draft: StartDraft): Record<string, unknown> {
  return {
    id: draft.id,
    pipeline: draft.pipeline,
    pipeline_version: draft.pipelineVersion,
    project_id: draft.projectId,
    started_by: draft.startedBy,
    correlation_id: draft.correlationId,
    parent_id: draft.parentId,
    retry_of: draft.retryOf,
    priority: draft.priority,
    deadline_ms: draft.deadlineMs,
    lock_key: draft.lockKey,
    input: draft.input,
    plan: draft.plan,
    cap: draft.cap,
    // Children are their parent's business; people hear of the parent.
    outbox_id: draft.parentId === null ? uuidv7() : null,
  }
}

/** Serializes the starts of one lock key for the length of a transaction: two at once would both find it free. */
export const lockStarts = statement({
  name: 'lock_starts',
  params: ['lockKey'],
  row: z.object({}),
  sql: `select from (select pg_advisory_xact_lock(7082, hashtext(:lockKey::text))) starting`,
})

/** The last of the runs that went on with a run, one after the other; no row where nobody retried it so. */
export const findLastRetry = statement({
  name: 'find_last_retry',
  params: ['run'],
  row: z.object({ number: z.number(), state: z.enum(runStates) }),
  sql: `
    with recursive chain as (
      select r.id, r.number, r.state from app.runs r where r.retry_of = :run::uuid
      union all
      -- One at most: the limit only has it looked up, where a join might read the index whole.
      select n.id, n.number, n.state
      from chain cross join lateral (select r.* from app.runs r where r.retry_of = chain.id limit 1) n
    )
    select chain.number, chain.state from chain
    order by chain.number desc
    limit 1`,
})

/** The run that holds a lock key, if any. */
export const findLockHolder = statement({
  name: 'find_lock_holder',
  params: ['lockKey'],
  row: z.object({ id: z.string(), number: z.number(), state: z.string(), startedBy: z.string() }),
  sql: `
    select r.id, r.number, r.state, r.started_by from app.runs r
    where r.lock_key = :lockKey::text and r.lock_state = 'held'`,
})

/** The project of an address, made when it is new. */
export const upsertProject = statement({
  name: 'upsert_project',
  params: ['id', 'address', 'name'],
  row: z.object({ id: z.string() }),
  sql: `
    insert into app.projects (id, address, name) values (:id::uuid, :address::text, :name::text)
    on conflict (address) do update set name = excluded.name
    returning id`,
})
