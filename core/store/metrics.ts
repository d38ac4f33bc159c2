import { z } from 'zod'
import { runStates } from './run-row.ts'
import { statement } from './statement.ts'

/** How many runs there are of each state. Reads every run: ask a few times a minute at most. */
export const countRunStates = statement({
  name: 'check_run_states',
  params: [],
  row: z.object({ state: z.enum(runStates), runs: z.number(), oldestMs: z.number().nullable() }),
  sql: `
    select r.state, count(*)::integer as runs,
      (extract(epoch from app.clock_now() - min(r.queued_at)) * 1000)::float8 as oldest_ms
    from app.runs r group by r.state`,
})

/** How the tries of runs that began within a day ended. */
export const countAttempts = statement({
  name: 'count_attempts',
  params: [],
  row: z.object({ outcome: z.string(), attempts: z.number() }),
  sql: `
    select a.outcome, count(*)::integer as attempts from app.attempts a
    where a.run_id >= app.uuid_floor(app.clock_now() - interval '1 day')
    group by a.outcome`,
})

/** How much waits: for people, to be dealt with, and for an operator. */
export const countWaiting = statement({
  name: 'count_waiting',
  params: [],
  row: z.object({ gates: z.number(), intake: z.number(), quarantined: z.number() }),
  sql: `
    select (select count(*)::integer from app.gates g where g.verdict is null) as gates,
      (select count(*)::integer from app.intake i where i.done_at is null and i.quarantined_at is null) as intake,
      (select count(*)::integer from app.intake i where i.quarantined_at is not null) as quarantined`,
})

/** Answers when the database does. */
export const ping = statement({
  name: 'ping',
  params: [],
  row: z.object({ isThere: z.boolean() }),
  sql: `select true as is_there`,
})

/** The run of a gate that is named without it. */
export const findRunOfGate = statement({
  name: 'find_run_of_gate',
  params: ['gate'],
  row: z.object({ number: z.number() }),
  sql: `
    select r.number from app.gates g join app.runs r on r.id = g.run_id
    where g.id = :gate::uuid`,
})

/** Repositories that runs were started on, newest first. */
export const listProjects = statement({
  name: 'list_projects',
  params: ['most', 'skip'],
  row: z.object({ id: z.string(), name: z.string(), address: z.string(), createdAt: z.date() }),
  sql: `
    select p.id, p.name, p.address, p.created_at from app.projects p
    order by p.id desc
    limit :most::integer offset :skip::integer`,
})
