import { z } from 'zod'
import { statement } from './statement.ts'

/**
 * Sums up runs begun and money spent by project and UTC day, from the first day that is still open to today. Each pass
 * counts whole days, so it may run at any hour and any number of times; a figure only ever grows, because what it counts
 * may have been purged since. A day is closed twelve hours after its end and is never written again.
 */
export const rollUpCosts = statement({
  name: 'roll_up_costs',
  params: ['mostDays'],
  row: z.object({ day: z.string(), isClosed: z.boolean() }),
  sql: `
    with today as materialized (
      select (app.clock_now() at time zone 'UTC')::date as day
    ),
    span as materialized (
      select greatest(today.day - :mostDays::integer,
          coalesce((select max(c.day) + 1 from app.daily_costs c where c.closed_at is not null),
            today.day - :mostDays::integer)) as first,
        today.day as last
      from today
    ),
    days as materialized (
      select d.day::date as day, d.day at time zone 'UTC' as begins, (d.day + interval '1 day') at time zone 'UTC' as ends
      from span cross join lateral generate_series(span.first::timestamp, span.last::timestamp, interval '1 day') d(day)
    ),
    counted as (
      -- Every day has a row, whatever happened on it, so that a quiet day is closed too.
      select days.day, days.ends, null::uuid as project_id, 0 as runs, 0::bigint as micros, 0::bigint as tokens from days
      union all
      select days.day, days.ends, r.project_id, 1, 0, 0
      from days join app.runs r on r.id >= app.uuid_floor(days.begins) and r.id < app.uuid_floor(days.ends)
      union all
      select days.day, days.ends, (select r.project_id from app.runs r where r.id = v.run_id), 0, v.spent_micros,
        v.spent_tokens
      from days cross join lateral (
        select v.* from app.reservations v where v.settled_at >= days.begins and v.settled_at < days.ends offset 0
      ) v
    )
    insert into app.daily_costs (day, project_id, runs, spent_micros, spent_tokens, closed_at)
    select counted.day, counted.project_id, sum(counted.runs)::integer, sum(counted.micros)::bigint,
      sum(counted.tokens)::bigint,
      case when counted.ends + interval '12 hours' <= app.clock_now() then app.clock_now() end
    from counted
    group by counted.day, counted.ends, counted.project_id
    on conflict (day, project_id) do update set
      runs = greatest(daily_costs.runs, excluded.runs),
      spent_micros = greatest(daily_costs.spent_micros, excluded.spent_micros),
      spent_tokens = greatest(daily_costs.spent_tokens, excluded.spent_tokens),
      closed_at = excluded.closed_at
    where daily_costs.closed_at is null
    returning day::text, closed_at is not null as is_closed`,
})
