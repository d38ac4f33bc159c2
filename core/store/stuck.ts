import { z } from 'zod'
import { statement } from './statement.ts'

/**
 * Live runs that nothing will wake, or that should have been moved long ago, with the reason. Empty while all is well:
 * every run has a due time, a lease, an open gate, a signal or children that it waits for, or is paused with a reason.
 */
export const checkStuckRuns = statement({
  name: 'check_stuck_runs',
  params: ['lateMs', 'pausedMs'],
  row: z.object({ number: z.number(), problem: z.string() }),
  sql: `
    with late as materialized (
      select app.clock_now() - :lateMs::float8 * interval '1 millisecond' as before,
        app.clock_now() - :pausedMs::float8 * interval '1 millisecond' as paused_before
    )
    select stuck.number, stuck.problem from (
      select r.number, case
          when r.state = 'queued' and r.lock_state = 'behind' and not exists (
            select from app.runs h where h.lock_key = r.lock_key and h.lock_state = 'held')
            then case when r.queued_at < late.before then 'its lock is free and nobody gives it to it' end
          when r.state = 'queued' and r.lock_state is distinct from 'behind' and r.queued_at < late.before
            and not exists (select from app.workers w where w.state = 'live' and w.beat_at > late.before)
            then 'it is ready and no worker is alive'
          when r.state = 'running' and not exists (
            select from app.workers w where w.id = r.worker_id and w.state = 'live' and w.beat_at > late.before)
            then 'its worker is gone and nobody takes it over'
          when r.state = 'waiting' and r.due_at < late.before then 'its time has come and nobody wakes it'
          when r.state = 'waiting' and r.waiting_for = 'gate' and not exists (
            select from app.gates g where g.run_id = r.id and g.verdict is null)
            then 'it waits at a gate that is not open'
          when r.state = 'waiting' and r.waiting_for = 'children' and not exists (
            select from app.runs c where c.parent_id = r.id
              and (c.finished_at is null or c.finished_at >= late.before))
            then 'its children are over and nobody wakes it'
          when r.state = 'paused' and paused.at < late.paused_before then 'it is paused since ' || to_char(paused.at at time zone 'UTC', 'YYYY-MM-DD')
        end as problem
      from late cross join app.runs r
      left join lateral (
        select e.at from app.events e where e.run_id = r.id and e.seq = r.event_seq and r.state = 'paused'
      ) paused on true
      where r.finished_at is null
    ) stuck
    where stuck.problem is not null
    order by stuck.number
    limit 100`,
})
