import { z } from 'zod'
import { statement } from './statement.ts'

/** Notes an effect before it is made, under a live lease; answers with the row as it stands, also when it was noted before. */
export const planEffect = statement({
  name: 'plan_effect',
  params: ['worker', 'fence', 'run', 'key', 'step', 'kind', 'target', 'undo', 'reversal'],
  row: z.object({ state: z.enum(['planned', 'done', 'undone']), result: z.json().nullable(), isNew: z.boolean() }),
  sql: `
    with w as materialized (
      select id from app.workers where id = :worker::uuid and state = 'live' for key share
    ),
    r as materialized (
      select r.id from app.runs r, w
      where r.id = :run::uuid and r.worker_id = w.id and r.fence = :fence::bigint
      for key share of r
    ),
    noted as (
      insert into app.effects (run_id, key, step_id, kind, target, state, undo, reversal)
      select r.id, :key::text, :step::text, :kind::text, :target::jsonb, 'planned', :undo::text, :reversal::text from r
      on conflict (run_id, key) do nothing
      returning state, result
    )
    select noted.state, noted.result, true as is_new from noted
    union all
    select e.state, e.result, false as is_new from app.effects e, r where e.run_id = r.id and e.key = :key::text`,
})

/** Marks an effect as made, with what it returned. */
export const finishEffect = statement({
  name: 'finish_effect',
  params: ['run', 'key', 'result'],
  row: z.object({ key: z.string() }),
  sql: `
    update app.effects set state = 'done', result = :result::jsonb, done_at = app.clock_now()
    where run_id = :run::uuid and key = :key::text and state = 'planned'
    returning key`,
})

const reversal = z.enum(['undo', 'compensate', 'irreversible'])

/** As a version that did not write it down would have: the kinds there were then. */
const reversalColumn = `coalesce(e.reversal,
      case e.kind when 'merge' then 'compensate' when 'check' then 'irreversible' else 'undo' end) as reversal`

/** Effects of a run, in the order they were planned. */
export const listEffects = statement({
  name: 'list_effects',
  params: ['run'],
  row: z.object({
    key: z.string(),
    stepId: z.string(),
    kind: z.string(),
    target: z.json(),
    state: z.string(),
    result: z.json().nullable(),
    undo: z.string(),
    reversal,
  }),
  sql: `
    select e.key, e.step_id, e.kind, e.target, e.state, e.result, e.undo, ${reversalColumn}
    from app.effects e
    where e.run_id = :run::uuid
    order by e.planned_at, e.key`,
})

/** Marks effects of a run that is over as undone by another, under that one's live lease; answers with those that were not so before. */
export const markUndone = statement({
  name: 'mark_undone',
  params: ['worker', 'fence', 'by', 'run', 'keys'],
  row: z.object({ key: z.string(), kind: z.string() }),
  sql: `
    with w as materialized (
      select id from app.workers where id = :worker::uuid and state = 'live' for key share
    ),
    r as materialized (
      select r.id from app.runs r, w
      where r.id = :by::uuid and r.worker_id = w.id and r.fence = :fence::bigint
      for key share of r
    )
    update app.effects e set state = 'undone'
    where e.run_id = :run::uuid and e.key = any(:keys::text[]) and e.state = 'done' and exists (select from r)
    returning e.key, e.kind`,
})

/** Runs that put this commit on a branch of theirs: one or none, as a rule. */
export const findRunsOfCommit = statement({
  name: 'find_runs_of_commit',
  params: ['commit'],
  row: z.object({ runId: z.string() }),
  sql: `
    select e.run_id from app.effects e where e.kind = 'branch' and e.result->>'commit' = :commit::text`,
})
