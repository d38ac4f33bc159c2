import type { Address } from './bed.ts'
import { withClient } from './bed.ts'

/** Half of them at a gate, half until next week; each with its plan, its events and its first step. */
const parkedSql = `
  with r as (
    insert into app.runs (id, pipeline, pipeline_version, started_by, correlation_id, state, waiting_for, waiting_name,
      due_at, position, event_seq, fence)
    select uuidv7((g - $1) * interval '10 milliseconds'), 'trivial', 1, '00000000-0000-7000-8000-000000000000', uuidv7(),
      'waiting', case when g % 2 = 0 then 'gate' else 'time' end, case when g % 2 = 0 then 'gate' end,
      case when g % 2 = 1 then now() + interval '7 days' end, 1, 3, 1
    from generate_series(1, $1::integer) g
    returning id, waiting_for
  ),
  p as (
    insert into app.plans (run_id, version, input, steps) select id, 1, 'null', $2::jsonb from r
  ),
  g as (
    insert into app.gates (run_id, id, step_id, kind, name, subject, policy)
    select id, uuidv7(), 'gate', 'plan', 'gate', '{}', '{}' from r where waiting_for = 'gate'
  ),
  a as (
    insert into app.attempts (run_id, position, attempt, step_id, outcome, output, duration_ms, fence)
    select id, 0, 1, 's0', 'done', '{"ok":true}', 1, 1 from r
  )
  insert into app.events (run_id, seq, kind, payload)
  select id, seq, (array['run_started', 'step_finished', 'run_waits'])[seq],
    jsonb_build_object('state', 'waiting', 'position', 1)
  from r, generate_series(1, 3) seq`

/** Runs that succeeded after five steps, with all that such a run leaves behind. */
const finishedSql = `
  with r as (
    insert into app.runs (id, pipeline, pipeline_version, started_by, correlation_id, state, position, event_seq, fence,
      finished_at)
    select uuidv7((g - $1) * interval '1 second'), 'trivial', 1, '00000000-0000-7000-8000-000000000000', uuidv7(),
      'succeeded', 5, 7, 1, now()
    from generate_series(1, $1::integer) g
    returning id
  ),
  p as (
    insert into app.plans (run_id, version, input, steps) select id, 1, 'null', $2::jsonb from r
  ),
  b as (
    insert into app.budgets (scope, scope_id, cap_micros, cap_tokens) select 'run', id, 0, 0 from r
  ),
  o as (
    insert into app.outbox (run_id, id, topic, payload, sent_at)
    select id, uuidv7(), topic, '{}', now() from r, unnest(array['run_started', 'run_succeeded']) topic
  ),
  a as (
    insert into app.attempts (run_id, position, attempt, step_id, outcome, output, duration_ms, fence)
    select id, n, 1, 's' || n, 'done', '{"ok":true}', 1, 1 from r, generate_series(0, 4) n
  )
  insert into app.events (run_id, seq, kind, payload)
  select id, seq, case seq when 1 then 'run_started' when 7 then 'run_succeeded' else 'step_finished' end,
    jsonb_build_object('step', 's' || seq, 'attempt', 1, 'state', 'running', 'position', seq)
  from r, generate_series(1, 7) seq`

const fills = { parked: parkedSql, finished: finishedSql }

/** Writes `count` runs at once, and leaves the tables as vacuum would. */
export async function fill(address: Address, kind: keyof typeof fills, count: number, plan: unknown): Promise<void> {
  await withClient(address, async (client) => {
    await client.query(fills[kind], [count, JSON.stringify(plan)])
    await client.query('vacuum analyze')
    await client.query('checkpoint')
  })
}
