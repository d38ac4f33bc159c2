import { z } from 'zod'
import { runColumns, runRow } from './run-row.ts'
import { statement } from './statement.ts'

/** Registers a worker, live from now. */
export const insertWorker = statement({
  name: 'insert_worker',
  params: ['worker', 'leaseMs', 'description'],
  row: z.object({}),
  sql: `
    insert into app.workers (id, state, lease_ms, description)
    values (:worker::uuid, 'live', :leaseMs::integer, :description::text)`,
})

/** Renews the lease of everything the worker holds. No row: the worker was declared dead and holds nothing. */
export const beat = statement({
  name: 'beat',
  params: ['worker'],
  row: z.object({ id: z.string() }),
  sql: `
    update app.workers set beat_at = app.clock_now()
    where id = :worker::uuid and state = 'live'
    returning id`,
})

/** Declares workers dead whose lease is over. `for update` waits out a settle that holds the row by key share. */
export const buryWorkers = statement({
  name: 'bury_workers',
  params: [],
  row: z.object({ id: z.string() }),
  sql: `
    with late as materialized (
      select w.id from app.workers w
      where w.state = 'live' and w.beat_at < app.clock_now() - w.lease_ms * interval '1 millisecond'
      order by w.id
      for update skip locked
    )
    update app.workers w set state = 'dead'
    from late where w.id = late.id
    returning w.id`,
})

/** Workers that are live by their row, with what they said of themselves. */
export const listLiveWorkers = statement({
  name: 'list_live_workers',
  params: [],
  row: z.object({ id: z.string(), description: z.string() }),
  sql: `select w.id, w.description from app.workers w where w.state = 'live'`,
})

/** Declares workers dead that somebody knows to be gone, without waiting for their lease. */
export const buryKnownDead = statement({
  name: 'bury_known_dead',
  params: ['workers'],
  row: z.object({ id: z.string() }),
  sql: `
    with gone as materialized (
      select w.id from app.workers w
      where w.id = any(:workers::uuid[]) and w.state = 'live'
      order by w.id
      for update skip locked
    )
    update app.workers w set state = 'dead'
    from gone where w.id = gone.id
    returning w.id`,
})

/**
 * Gives the runs of dead workers back to the queue under a new fence. The second death aboard sends a run to run
 * alone; a run that has died alone as often as allowed is left for `listPoison`. Its own statement after the burial:
 * it must see what the settle that the burial waited for has written.
 */
export const requeueOrphans = statement({
  name: 'requeue_orphans',
  params: ['deathsAloneAllowed'],
  row: z.object({ id: z.string() }),
  sql: `
    with locked as materialized (
      select r.id from app.runs r join app.workers w on w.id = r.worker_id
      where r.state = 'running' and w.state = 'dead'
        and not (r.alone and r.deaths_alone + 1 >= :deathsAloneAllowed::integer)
      order by r.id
      for no key update of r skip locked
    ),
    u as (
      update app.runs r set state = 'queued', worker_id = null, fence = r.fence + 1, version = r.version + 1,
        event_seq = r.event_seq + 1, queued_at = app.clock_now(), deaths = r.deaths + 1,
        alone = r.deaths + 1 >= 2, deaths_alone = r.deaths_alone + case when r.alone then 1 else 0 end
      from locked where r.id = locked.id
      returning r.id, r.event_seq, r.position, r.state
    ),
    said as (
      insert into app.events (run_id, seq, kind, payload)
      select u.id, u.event_seq, 'run_requeued',
        jsonb_build_object('reason', 'worker_died', 'state', u.state, 'position', u.position)
      from u
    )
    select u.id from u`,
})

/** Orphans that have died alone as often as allowed, their rows locked. */
export const listPoison = statement({
  name: 'list_poison',
  params: ['deathsAloneAllowed'],
  row: runRow,
  sql: `
    select ${runColumns}
    from app.runs r
    join app.workers w on w.id = r.worker_id
    join app.plans p on p.run_id = r.id and p.version = r.plan_version
    where r.state = 'running' and w.state = 'dead' and r.alone
      and r.deaths_alone + 1 >= :deathsAloneAllowed::integer
    order by r.id
    for no key update of r skip locked`,
})

/**
 * Ends a worker that stops in order; its runs go back to the queue with `requeueOwn`, in the same transaction. `for update`
 * waits out a claim that holds the row by key share: what it takes is given back with the rest.
 */
export const stopWorker = statement({
  name: 'stop_worker',
  params: ['worker'],
  row: z.object({ id: z.string() }),
  sql: `
    with leaving as materialized (
      select w.id from app.workers w where w.id = :worker::uuid and w.state = 'live' for update
    )
    update app.workers w set state = 'stopped', beat_at = app.clock_now()
    from leaving where w.id = leaving.id
    returning w.id`,
})

/** Gives the runs of a worker back that it has not in hand: not a death, so nothing is counted against them. */
export const requeueOwn = statement({
  name: 'requeue_own',
  params: ['worker', 'inHand', 'reason'],
  row: z.object({ id: z.string() }),
  sql: `
    with locked as materialized (
      select r.id from app.runs r
      where r.state = 'running' and r.worker_id = :worker::uuid and r.id <> all(:inHand::uuid[])
      order by r.id
      for no key update of r
    ),
    u as (
      update app.runs r set state = 'queued', worker_id = null, fence = r.fence + 1, version = r.version + 1,
        event_seq = r.event_seq + 1, queued_at = app.clock_now()
      from locked where r.id = locked.id
      returning r.id, r.event_seq, r.position, r.state
    ),
    said as (
      insert into app.events (run_id, seq, kind, payload)
      select u.id, u.event_seq, 'run_requeued',
        jsonb_build_object('reason', :reason::text, 'state', u.state, 'position', u.position)
      from u
    )
    select u.id from u`,
})

/** How many workers are live, for a surface that must know whether anybody will do the work. */
export const countLiveWorkers = statement({
  name: 'count_live_workers',
  params: [],
  row: z.object({ live: z.number() }),
  sql: `
    select count(*)::integer as live from app.workers w
    where w.state = 'live' and w.beat_at >= app.clock_now() - w.lease_ms * interval '1 millisecond'`,
})
