import { z } from 'zod'
import { statement } from './statement.ts'

/** Runs that opened the pull request of this address, as people see it in a browser: one or none, as a rule. */
export const findRunsOfPullRequest = statement({
  name: 'find_runs_of_pull_request',
  params: ['url'],
  row: z.object({ runId: z.string() }),
  sql: `
    select e.run_id from app.effects e
    where e.kind = 'pull_request' and e.result->>'url' = :url::text`,
})

/** The same, with what people call the run, and the address at which it knows the repository. */
export const findPullRequestEffects = statement({
  name: 'find_pull_request_effects',
  params: ['url'],
  row: z.object({ number: z.number(), address: z.string().nullable() }),
  sql: `
    select (select r.number from app.runs r where r.id = e.run_id) as number, e.target->>'address' as address
    from app.effects e
    where e.kind = 'pull_request' and e.result->>'url' = :url::text
    order by e.planned_at`,
})

/**
 * Writes into a run's history, and into the outbox, what became of its pull request; also when the run has ended. Once
 * for each kind of event: no row the second time. Send it under the lock of the run's row.
 */
export const tellPullRequest = statement({
  name: 'tell_pull_request',
  params: ['run', 'kind', 'number', 'message'],
  row: z.object({ runId: z.string() }),
  sql: `
    with r as (
      update app.runs r set event_seq = r.event_seq + 1, version = r.version + 1
      where r.id = :run::uuid
        and not exists (select from app.events e where e.run_id = :run::uuid and e.kind = :kind::text)
      returning r.id, r.event_seq, r.state, r.position
    ),
    said as (
      insert into app.events (run_id, seq, kind, payload)
      select r.id, r.event_seq, :kind::text,
        jsonb_build_object('pr_number', :number::integer, 'state', r.state, 'position', r.position)
      from r
    )
    insert into app.outbox (run_id, id, topic, payload)
    select r.id, :message::uuid, :kind::text, jsonb_build_object('pr_number', :number::integer) from r
    returning run_id`,
})
