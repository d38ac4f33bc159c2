import { z } from 'zod'
import { statement } from './statement.ts'

/**
 * The newest runs of the same project and pipeline that succeeded before this one: what this step put out there, what the
 * steps cost by the id of their first round, and how long they worked without the waits between them.
 */
export const listEarlierRuns = statement({
  name: 'list_earlier_runs',
  params: ['run', 'step', 'most'],
  row: z.object({
    output: z.json().nullable(),
    workMs: z.number(),
    spent: z.record(z.string(), z.object({ micros: z.number(), tokens: z.number() })),
  }),
  sql: `
    select
      (select a.output from app.attempts a
       where a.run_id = e.id and a.outcome = 'done' and a.step_id = :step::text limit 1) as output,
      (select coalesce(sum(a.duration_ms), 0)::float8 from app.attempts a where a.run_id = e.id) as work_ms,
      coalesce((
        select jsonb_object_agg(s.step, jsonb_build_object('micros', s.micros, 'tokens', s.tokens)) from (
          select regexp_replace(v.step_id, '#[0-9]+$', '') as step, coalesce(sum(v.spent_micros), 0)::bigint as micros,
            coalesce(sum(v.spent_tokens), 0)::bigint as tokens
          from app.reservations v where v.run_id = e.id group by 1
        ) s), '{}') as spent
    from app.runs r
    cross join lateral (
      select o.id, o.number from app.runs o
      where o.project_id = r.project_id and o.number < r.number and o.pipeline = r.pipeline and o.state = 'succeeded'
      order by o.number desc limit :most::integer
    ) e
    where r.id = :run::uuid
    order by e.number desc`,
})

/** What a run has spent so far, by the id of each step's first round. */
export const listSpentBySteps = statement({
  name: 'list_spent_by_steps',
  params: ['run'],
  row: z.object({ step: z.string(), micros: z.number(), tokens: z.number() }),
  sql: `
    select regexp_replace(v.step_id, '#[0-9]+$', '') as step, coalesce(sum(v.spent_micros), 0)::bigint as micros,
      coalesce(sum(v.spent_tokens), 0)::bigint as tokens
    from app.reservations v where v.run_id = :run::uuid
    group by 1`,
})
