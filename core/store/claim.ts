import { z } from 'zod'
import { runColumns, runRow } from './run-row.ts'
import { statement } from './statement.ts'

/**
 * Takes ready runs for a live worker: of each actor the best few up to its cap, then the best of all up to the
 * worker's room. Must follow `lockClaims` in one transaction when a cap is set, since a cap counted by two claims at
 * once is no cap.
 */
export const claimRuns = statement({
  name: 'claim_runs',
  params: ['worker', 'room', 'actorCap', 'systemActor'],
  row: runRow,
  sql: `
    with recursive w as materialized (
      select id from app.workers where id = :worker::uuid and state = 'live' for key share
    ),
    actor(id) as (
      (select r.started_by from app.runs r
       where r.state = 'queued' and r.lock_state is distinct from 'behind'
       order by r.started_by limit 1)
      union all
      select (select r.started_by from app.runs r
              where r.state = 'queued' and r.lock_state is distinct from 'behind' and r.started_by > actor.id
              order by r.started_by limit 1)
      from actor where actor.id is not null
    ),
    busy as materialized (
      select r.started_by, count(*)::integer as runs from app.runs r where r.state = 'running' group by r.started_by
    ),
    picked as materialized (
      select best.id
      from actor cross join lateral (
        select r.id, r.priority, r.queued_at from app.runs r
        where r.state = 'queued' and r.lock_state is distinct from 'behind' and r.started_by = actor.id and not r.alone
        order by r.priority desc, r.queued_at
        limit case
          when :actorCap::integer is null or actor.id = :systemActor::uuid then :room::integer
          else least(:room::integer, greatest(0, :actorCap::integer -
            coalesce((select busy.runs from busy where busy.started_by = actor.id), 0)))
        end
      ) best
      where actor.id is not null and exists (select from w)
      order by best.priority desc, best.queued_at
      limit :room::integer
    ),
    locked as materialized (
      select r.id from app.runs r join picked on picked.id = r.id
      where r.state = 'queued' and r.lock_state is distinct from 'behind'
        -- A plan written since this statement began is not seen by it: such a run is taken next time.
        and exists (select from app.plans p where p.run_id = r.id and p.version = r.plan_version)
      order by r.id
      for no key update of r skip locked
    ),
    taken as (
      update app.runs run set state = 'running', worker_id = :worker::uuid, fence = run.fence + 1
      from locked where run.id = locked.id
      returning run.*
    )
    select ${runColumns} from taken r join app.plans p on p.run_id = r.id and p.version = r.plan_version`,
})

/** Serializes claims for the length of a transaction, so that a cap per actor holds exactly. */
export const lockClaims = statement({
  name: 'lock_claims',
  params: [],
  row: z.object({}),
  sql: `select from (select pg_advisory_xact_lock(7081, 1)) claimed`,
})

/** Takes one run that must run alone, for the process made for it; no row when another process was first. */
export const claimAlone = statement({
  name: 'claim_alone',
  params: ['worker', 'run'],
  row: runRow,
  sql: `
    with w as materialized (
      select id from app.workers where id = :worker::uuid and state = 'live' for key share
    ),
    locked as materialized (
      select r.id from app.runs r
      where r.id = :run::uuid and r.state = 'queued' and r.alone and r.lock_state is distinct from 'behind'
        and exists (select from w)
        and exists (select from app.plans p where p.run_id = r.id and p.version = r.plan_version)
      for no key update of r skip locked
    ),
    r as (
      update app.runs run set state = 'running', worker_id = :worker::uuid, fence = run.fence + 1
      from locked where run.id = locked.id
      returning run.*
    )
    select ${runColumns} from r join app.plans p on p.run_id = r.id and p.version = r.plan_version`,
})

/** Ready runs that were aboard dying workers and must now run alone. */
export const listAlone = statement({
  name: 'list_alone',
  params: ['room'],
  row: z.object({ id: z.string() }),
  sql: `
    select r.id from app.runs r
    where r.alone and r.state = 'queued' and r.lock_state is distinct from 'behind'
    order by r.id
    limit :room::integer`,
})

/** Makes waiting runs ready whose time has come: a pause between tries, a time-out, a gate nobody decided. */
export const wakeDue = statement({
  name: 'wake_due',
  params: ['most'],
  row: z.object({ id: z.string() }),
  sql: `
    with due as materialized (
      select r.id from app.runs r
      where r.state = 'waiting' and r.due_at <= app.clock_now()
      order by r.due_at
      limit :most::integer
    ),
    locked as materialized (
      select r.id from app.runs r join due on due.id = r.id
      where r.state = 'waiting' and r.due_at <= app.clock_now()
      order by r.id
      for no key update of r skip locked
    )
    update app.runs r set state = 'queued', waiting_for = null, waiting_name = null, due_at = null,
      queued_at = app.clock_now()
    from locked where r.id = locked.id
    returning r.id`,
})

/** Gives each free lock key to the first run behind it. Two at once: one hits the unique index and tries later. */
export const grantLocks = statement({
  name: 'grant_locks',
  params: [],
  row: z.object({ id: z.string() }),
  sql: `
    with next as materialized (
      select distinct on (b.lock_key) b.id from app.runs b
      where b.lock_state = 'behind' and b.state = 'queued'
        and not exists (select from app.runs h where h.lock_key = b.lock_key and h.lock_state = 'held')
      order by b.lock_key, b.priority desc, b.number
    )
    update app.runs r set lock_state = 'held', queued_at = app.clock_now()
    from next where r.id = next.id and r.lock_state = 'behind' and r.state = 'queued'
    returning r.id`,
})

/** Parents that wait for children of which none is alive any more. */
export const listReadyParents = statement({
  name: 'list_ready_parents',
  params: ['most'],
  row: z.object({ id: z.string() }),
  sql: `
    select r.id from app.runs r
    where r.waiting_for = 'children'
      and not exists (
        select from app.runs c where c.parent_id = r.id
          and c.state not in ('succeeded', 'failed', 'rejected', 'cancelled'))
    order by r.id
    limit :most::integer`,
})

/** Runs of a worker that somebody asked to pause or cancel. */
export const listInterrupted = statement({
  name: 'list_interrupted',
  params: ['worker'],
  row: z.object({ id: z.string(), interrupt: z.enum(['pause', 'cancel']) }),
  sql: `
    select r.id, r.interrupt from app.runs r
    where r.worker_id = :worker::uuid and r.interrupt in ('pause', 'cancel')`,
})
