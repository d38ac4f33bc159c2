import { z } from 'zod'
import { assert } from '../model/problem.ts'
import type { Run } from '../model/run.ts'
import { isOver } from '../model/run.ts'
import type { EventDraft, Transition } from '../model/transition.ts'
import { isTold } from '../model/transition.ts'
import type { Database, Executor } from './database.ts'
import { statement } from './statement.ts'
import { uuidv7 } from './uuid.ts'

/**
 * Writes the heart of transitions, many at once: the guarded update of the run, the settled try, the events. Returns
 * the ids that were written; a missing one was fenced, changed meanwhile, or locked. With a worker: its row is held by
 * `for key share`, so that a reaper waits for us or we find it dead.
 */
export const applyTransitions = statement({
  name: 'apply_transitions',
  params: ['worker', 'transitions'],
  row: z.object({ id: z.string() }),
  sql: `
    with d as materialized (
      select * from json_to_recordset(:transitions::json) as d(
        run_id uuid, fence bigint, version bigint, was_state text, was_position integer, was_attempt integer,
        was_event_seq integer, state text, waiting_for text, waiting_name text, paused_from text, ending text,
        reason_code text, reason text, interrupt text, plan_version integer, position integer, attempt integer,
        failures integer, verdicts jsonb, resume jsonb, fence_step integer, version_step integer, due_changed boolean,
        due_in_ms float8, lock_state text, signals_pending integer, deaths integer, deaths_alone integer,
        alone boolean, is_over boolean, tried_step text, tried_outcome text, output jsonb, error_code text, error text,
        duration_ms integer, events jsonb)
    ),
    w as materialized (
      select id from app.workers where id = :worker::uuid and state = 'live' for key share
    ),
    l as materialized (
      select d.*, r.event_seq as seq
      from d cross join lateral (
        select r.* from app.runs r where r.id = d.run_id for no key update skip locked
      ) r
      where r.fence = d.fence and r.version = d.version and r.state = d.was_state and r.position = d.was_position
        and r.attempt = d.was_attempt and r.event_seq = d.was_event_seq
        and (:worker::uuid is null or (r.worker_id = :worker::uuid and exists (select from w)))
    ),
    u as (
      update app.runs r set
        state = l.state, waiting_for = l.waiting_for, waiting_name = l.waiting_name, paused_from = l.paused_from,
        ending = coalesce(l.ending, r.ending), reason_code = l.reason_code, reason = l.reason,
        interrupt = l.interrupt, plan_version = coalesce(l.plan_version, r.plan_version), position = l.position,
        attempt = l.attempt, failures = coalesce(l.failures, r.failures),
        verdicts = coalesce(l.verdicts, r.verdicts), resume = l.resume, fence = r.fence + coalesce(l.fence_step, 0),
        version = r.version + coalesce(l.version_step, 0),
        event_seq = r.event_seq + coalesce(jsonb_array_length(l.events), 0),
        worker_id = case when l.state = 'running' then r.worker_id end,
        queued_at = case when l.state = 'queued' and r.state <> 'queued' then app.clock_now() else r.queued_at end,
        -- A gate is open until the deadline of its run at the longest.
        due_at = least(
          case when l.due_changed then app.clock_now() + l.due_in_ms * interval '1 millisecond' else r.due_at end,
          case when l.waiting_for = 'gate' then r.deadline_at end),
        lock_state = l.lock_state, signals_pending = coalesce(l.signals_pending, r.signals_pending),
        deaths = coalesce(l.deaths, r.deaths), deaths_alone = coalesce(l.deaths_alone, r.deaths_alone),
        alone = coalesce(l.alone, r.alone),
        finished_at = case when l.is_over then app.clock_now() end
      from l where r.id = l.run_id
      returning r.id
    ),
    tries as (
      insert into app.attempts (run_id, position, attempt, step_id, outcome, output, error_code, error, duration_ms, fence)
      select l.run_id, l.was_position, l.was_attempt, l.tried_step, l.tried_outcome, l.output, l.error_code, l.error,
        l.duration_ms, l.fence
      from l where l.tried_step is not null
    ),
    said as (
      insert into app.events (run_id, seq, kind, payload)
      select l.run_id, l.seq + e.n, e.value->>'kind', e.value->'payload'
      from l cross join lateral jsonb_array_elements(l.events) with ordinality e(value, n)
    )
    select u.id from u`,
})

/** Writes messages for the outside. */
const writeMessages = statement({
  name: 'write_messages',
  params: ['messages'],
  row: z.object({}),
  sql: `
    insert into app.outbox (run_id, id, topic, payload)
    select m.run_id, m.id, m.topic, m.payload
    from jsonb_to_recordset(:messages::jsonb) as m(run_id uuid, id uuid, topic text, payload jsonb)`,
})

/**
 * Writes what few transitions bring along: plans, gates, names of artifacts, consumed signals. Rows are found by
 * `any(array(…))`, not by a join: the server takes a JSON array for a hundred rows and would rather read a table of a
 * thousand whole than look up one.
 */
const writeConsequences = statement({
  name: 'write_consequences',
  params: ['consequences'],
  row: z.object({}),
  sql: `
    with l as materialized (
      select * from jsonb_to_recordset(:consequences::jsonb) as l(
        run_id uuid, plan jsonb, plan_version integer, gate jsonb, close_gate text, close_step text, is_over boolean,
        withdraws boolean, artifacts jsonb, consumed_signal uuid, cap_micros bigint, cap_tokens bigint, deadline_ms float8)
    ),
    planned as (
      insert into app.plans (run_id, version, input, steps)
      select l.run_id, l.plan_version,
        (select p.input from app.plans p where p.run_id = l.run_id and p.version = l.plan_version - 1), l.plan
      from l where l.plan is not null
    ),
    opened as (
      insert into app.gates (run_id, id, step_id, kind, name, artifact, artifact_sha256, subject, policy, requested_by,
        expires_at)
      select l.run_id, (l.gate->>'id')::uuid, l.gate->>'stepId', l.gate->>'kind', l.gate->>'name',
        l.gate->'artifact'->>'name', l.gate->'artifact'->>'sha256', l.gate->'subject', l.gate->'policy',
        (l.gate->>'requestedBy')::uuid,
        least(app.clock_now() + (l.gate->'policy'->>'expiresAfterMs')::float8 * interval '1 millisecond',
          case when l.gate->>'kind' = 'plan' then (select least(r.deadline_at,
            r.created_at + l.deadline_ms * interval '1 millisecond') from app.runs r where r.id = l.run_id) end)
      from l where l.gate is not null
      -- One request for money at a time: a person's own stands.
      on conflict (run_id) where kind = 'budget' and verdict is null do nothing
    ),
    closed as (
      update app.gates g set
        verdict = coalesce((select l.close_gate from l where l.run_id = g.run_id and l.close_step = g.step_id), 'withdrawn'),
        decided_at = app.clock_now()
      where g.run_id = any(array(select l.run_id from l where l.close_gate is not null or l.is_over or l.withdraws))
        and g.verdict is null
        and (select l.is_over or l.close_step = g.step_id
          or (l.withdraws and g.kind = 'budget' and g.requested_by is null) from l where l.run_id = g.run_id)
    ),
    named as (
      insert into app.run_artifacts (run_id, name, step_id, sha256, size_bytes)
      select l.run_id, a.value->>'name', a.value->>'stepId', a.value->>'sha256', (a.value->>'sizeBytes')::integer
      from l cross join lateral jsonb_array_elements(l.artifacts) a(value)
      on conflict do nothing
    ),
    capped as (
      update app.budgets b set
        cap_micros = least(b.cap_micros, (select l.cap_micros from l where l.run_id = b.scope_id)),
        cap_tokens = least(b.cap_tokens, (select l.cap_tokens from l where l.run_id = b.scope_id))
      where b.scope = 'run'
        and b.scope_id = any(array(select l.run_id from l where l.cap_micros is not null or l.cap_tokens is not null))
    ),
    hurried as (
      update app.runs r set
        deadline_at = least(r.deadline_at, l.deadline_at),
        due_at = case when r.waiting_for = 'gate' then least(r.due_at, l.deadline_at) else r.due_at end
      from (
        select r.id, r.created_at + l.deadline_ms * interval '1 millisecond' as deadline_at
        from l cross join lateral (select r.* from app.runs r where r.id = l.run_id limit 1) r
      ) l
      where r.id = l.id and r.id = any(array(select l.run_id from l where l.deadline_ms is not null))
    )
    update app.signals s set consumed_at = app.clock_now()
    where s.run_id = any(array(select l.run_id from l where l.consumed_signal is not null))
      and s.id = any(array(select l.consumed_signal from l where l.consumed_signal is not null))`,
})

/** Whose change it is: a worker settles under its lease; anyone else holds the row's lock and raises its version. */
export type Hand = { readonly worker: string } | 'outside'

/** Applies transitions, all or nothing per run, and returns the ids of the runs that were written. */
export async function apply(
  db: Database | Executor,
  transitions: readonly Transition[],
  hand: Hand,
): Promise<ReadonlySet<string>> {
  const isSimple = transitions.every((change) => !isHeard(change) && consequencesOf(change) === null)
  return isSimple || !('transaction' in db)
    ? applyIn(db, transitions, hand)
    : db.transaction((tx) => applyIn(tx, transitions, hand))
}

async function applyIn(tx: Executor, transitions: readonly Transition[], hand: Hand): Promise<ReadonlySet<string>> {
  const worker = hand === 'outside' ? null : hand.worker
  const rows = await tx.run(applyTransitions, { worker, transitions: transitions.map((t) => encode(t, hand)) })
  const written = new Set(rows.map((row) => row.id))
  await bringAlong(
    tx,
    transitions.filter(({ was }) => written.has(was.id)),
  )
  return written
}

/** Applies one transition inside a transaction that holds the run's row lock. Throws a Defect when the row differs all the same. */
export async function applyLocked(tx: Executor, change: Transition): Promise<void> {
  const [written] = await Promise.all([
    tx.run(applyTransitions, { worker: null, transitions: [encode(change, 'outside')] }),
    bringAlong(tx, [change]),
  ])
  assert(written.length === 1, `run ${change.was.id} changed under its own lock`)
}

async function bringAlong(tx: Executor, transitions: readonly Transition[]): Promise<void> {
  const messages = transitions.flatMap(messagesOf)
  const consequences = transitions.flatMap((change) => consequencesOf(change) ?? [])
  await Promise.all([
    messages.length > 0 && tx.run(writeMessages, { messages }),
    consequences.length > 0 && tx.run(writeConsequences, { consequences }),
  ])
}

/** What is null or as it was is left out: reading this is a third of what the statement costs the server. */
function encode({ was, now, attempt, events }: Transition, hand: Hand): Record<string, unknown> {
  return compact({
    run_id: was.id,
    fence: was.fence,
    version: was.version,
    was_state: was.state,
    was_position: was.position,
    was_attempt: was.attempt,
    was_event_seq: was.eventSeq,
    state: now.state,
    waiting_for: now.waitingFor,
    waiting_name: now.waitingName,
    paused_from: now.pausedFrom,
    ending: changed(now.ending, was.ending),
    reason_code: now.reasonCode,
    reason: now.reason,
    interrupt: now.interrupt,
    plan_version: changed(now.planVersion, was.planVersion),
    position: now.position,
    attempt: now.attempt,
    failures: changed(now.failures, was.failures),
    verdicts: changed(now.verdicts, was.verdicts),
    resume: now.resume,
    fence_step: now.fence - was.fence || null,
    version_step: hand === 'outside' ? 1 : null,
    due_changed: now.dueInMs !== was.dueInMs || null,
    due_in_ms: now.dueInMs,
    lock_state: now.lockState,
    signals_pending: changed(now.signalsPending, was.signalsPending),
    deaths: changed(now.deaths, was.deaths),
    deaths_alone: changed(now.deathsAlone, was.deathsAlone),
    alone: changed(now.alone, was.alone),
    is_over: isOver(now.state) || null,
    tried_step: attempt?.stepId ?? null,
    tried_outcome: attempt?.outcome ?? null,
    output: attempt?.output ?? null,
    error_code: attempt?.errorCode ?? null,
    error: attempt?.error ?? null,
    duration_ms: attempt?.durationMs ?? null,
    events: events.length === 0 ? null : events.map((event) => withState(event, now)),
  })
}

/** Each event says where the run stood after it, so that the row can be recomputed from its events. */
const withState = ({ kind, payload }: EventDraft, { state, position }: Run) => ({
  kind,
  payload: { ...payload, state, position },
})

const isHeard = ({ events }: Transition): boolean => events.some(({ kind }) => isTold(kind))

const messagesOf = ({ was, events }: Transition) =>
  events
    .filter(({ kind }) => isTold(kind))
    .map(({ kind, payload }) => ({ run_id: was.id, id: uuidv7(), topic: kind, payload }))

function consequencesOf(change: Transition) {
  const { was, now, plan, openGate, closeGate, artifacts, consumedSignal, limits, withdraws } = change
  // A request for money may be open still: it ends with its run.
  const isEnding = isOver(now.state) && !isOver(was.state)
  const isPlain = !plan && !openGate && !closeGate && !isEnding && !withdraws
  if (isPlain && artifacts.length === 0 && !consumedSignal && !limits) return null
  return compact({
    run_id: was.id,
    plan,
    plan_version: now.planVersion,
    gate: openGate,
    close_gate: closeGate,
    close_step: closeGate && was.plan[was.position]?.id,
    is_over: isEnding || null,
    withdraws: withdraws || null,
    artifacts,
    consumed_signal: consumedSignal,
    cap_micros: limits?.capMicros ?? null,
    cap_tokens: limits?.capTokens ?? null,
    deadline_ms: limits?.deadlineMs ?? null,
  })
}

const changed = <T>(now: T, was: T): T | null => (now === was ? null : now)

function compact(fields: Record<string, unknown>): Record<string, unknown> {
  const present: Record<string, unknown> = {}
  for (const key in fields) if (fields[key] !== null) present[key] = fields[key]
  return present
}
