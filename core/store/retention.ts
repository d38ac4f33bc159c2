import { z } from 'zod'
import { statement } from './statement.ts'

/**
 * What removes runs for good. Run as `purgerRole`: the running program may delete nothing. Its rights are listed in
 * `migrations/0025_grants.sql`, whose list replaced those before it.
 */

/** Days a finished run is kept where its project names none. */
const defaultRetentionDays = 90

/**
 * Whether run `r` may go. Its days are its project's, as its first step read them, or its parent's; never above the
 * server's. Kept all the same: what is not over or belongs to a run that is not; what is not in the closed costs of its
 * day yet; and, for a week, what somebody has still to be told.
 */
const isDue = `
  r.finished_at is not null
  and (select p.id from app.runs p where p.id = r.parent_id and p.finished_at is null) is null
  and (select kept.until < app.clock_now() and (kept.until < app.clock_now() - interval '7 days' or (
      select o.id from app.outbox o where o.run_id = r.id and o.sent_at is null limit 1) is null)
    from (select r.finished_at + greatest(interval '36 hours', interval '1 day' * least(:mostDays::float8, coalesce(
      (select least((a.output->>'retentionDays')::float8, 36500) from app.attempts a
       where a.run_id = r.id and a.outcome = 'done' and jsonb_typeof(a.output->'retentionDays') = 'number'
       order by a.position limit 1),
      (select least((a.output->>'retentionDays')::float8, 36500) from app.attempts a
       where a.run_id = r.parent_id and a.outcome = 'done' and jsonb_typeof(a.output->'retentionDays') = 'number'
       order by a.position limit 1),
      ${defaultRetentionDays}))) as until) kept)`

/** A page of all runs by id, with which of them are due. */
export const purgeListRuns = statement({
  name: 'purge_list_runs',
  params: ['after', 'most', 'mostDays'],
  row: z.object({ id: z.string(), isDue: z.boolean() }),
  sql: `
    select r.id, coalesce(${isDue}, false) as is_due from (
      select r.* from app.runs r where r.id > :after::uuid order by r.id limit :most::integer
    ) r
    order by r.id`,
})

/**
 * Months (`2026_08`) with partitions of their own, all of whose runs are due or gone: their history goes at once. Of one that
 * is not whole, a table had rows in the default partition when the partitions were made, and they are there still.
 */
export const purgeListMonths = statement({
  name: 'purge_list_months',
  params: ['mostDays'],
  row: z.object({ month: z.string(), isWhole: z.boolean() }),
  sql: `
    select m.month, count(*) = 2 as is_whole from (
      select right(c.relname, 7) as month, make_timestamptz(
          left(right(c.relname, 7), 4)::integer, right(c.relname, 2)::integer, 1, 0, 0, 0, 'UTC') as first
      from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent in ('app.attempts'::regclass, 'app.events'::regclass)
        and c.relname ~ '^(attempts|events)_\\d{4}_\\d{2}$'
    ) m
    where m.first + interval '1 month 1 day' <= app.clock_now()
      -- The first one that must stay ends the search.
      and (select true from app.runs r
        where r.id >= app.uuid_floor(m.first) and r.id < app.uuid_floor(m.first + interval '1 month')
          and (${isDue}) is not true
        limit 1) is null
    group by m.month
    order by m.month`,
})

/** Removes the rows of runs, where they are due still. All else of them must follow in the same transaction. */
export const purgeRuns = statement({
  name: 'purge_runs',
  params: ['runs', 'mostDays'],
  row: z.object({ id: z.string() }),
  sql: `delete from app.runs r where r.id = any(:runs::uuid[]) and ${isDue} returning r.id`,
})

/** Removes what runs left everywhere but in the partitioned history, people's words included. */
export const purgeTraces = statement({
  name: 'purge_traces',
  params: ['runs'],
  row: z.object({}),
  sql: `
    with gates as (
      delete from app.gates t where t.run_id = any(:runs::uuid[]) returning t.remark_id
    ),
    remarks as (
      delete from pii.remarks t where t.id = any(array(select gates.remark_id from gates))
    ),
    votes as (delete from app.votes t where t.run_id = any(:runs::uuid[])),
    plans as (delete from app.plans t where t.run_id = any(:runs::uuid[])),
    signals as (delete from app.signals t where t.run_id = any(:runs::uuid[])),
    outbox as (delete from app.outbox t where t.run_id = any(:runs::uuid[])),
    effects as (delete from app.effects t where t.run_id = any(:runs::uuid[])),
    reservations as (delete from app.reservations t where t.run_id = any(:runs::uuid[]) returning t.levels),
    links as (delete from pii.gate_links t where t.run_id = any(:runs::uuid[])),
    cards as (delete from app.cards t where t.run_id = any(:runs::uuid[])),
    deliveries as (delete from app.deliveries t where t.run_id = any(:runs::uuid[])),
    artifacts as (delete from app.run_artifacts t where t.run_id = any(:runs::uuid[])),
    calls as (delete from app.model_calls t where t.run_id = any(:runs::uuid[])),
    texts as (delete from app.model_texts t where t.run_id = any(:runs::uuid[])),
    progress as (delete from app.progress t where t.run_id = any(:runs::uuid[])),
    levels as (
      delete from app.spending t using (
        select distinct k.value->>0 as level, k.value->>1 as key
        from reservations cross join lateral jsonb_array_elements(reservations.levels) as k(value)
        where k.value->>0 in ('step', 'task')
      ) n
      where t.level = n.level and t.key = n.key
    )
    delete from app.budgets t where t.scope = 'run' and t.scope_id = any(:runs::uuid[])`,
})

/** Removes the history of runs by row, where their month stays. */
export const purgeHistory = statement({
  name: 'purge_history',
  params: ['runs'],
  row: z.object({}),
  sql: `
    with attempts as (delete from app.attempts t where t.run_id = any(:runs::uuid[]))
    delete from app.events t where t.run_id = any(:runs::uuid[])`,
})

/** Drops the partitions of a month whose runs are all gone; false when one is there after all. */
export const purgeMonth = statement({
  name: 'purge_month',
  params: ['month'],
  row: z.object({ isDropped: z.boolean() }),
  sql: `select app.drop_month(:month::text) as is_dropped`,
})

/**
 * Removes bytes that no run names, from a page of all of them by address. `last` is where the next page begins, null
 * after the last one. Bytes that were saved within a day stay: a step under way may be about to name them.
 */
export const purgeArtifacts = statement({
  name: 'purge_artifacts',
  params: ['after', 'most'],
  row: z.object({ last: z.string().nullable(), removed: z.number() }),
  sql: `
    with page as materialized (
      select a.sha256 from app.artifacts a where a.sha256 > :after::text order by a.sha256 limit :most::integer
    ),
    gone as (
      delete from app.artifacts a
      where a.sha256 = any(array(select page.sha256 from page))
        and greatest(a.created_at, a.saved_at) < app.clock_now() - interval '1 day'
        and (select true from app.run_artifacts n where n.sha256 = a.sha256 limit 1) is null
      returning a.sha256
    )
    select (select max(page.sha256) from page) as last, (select count(*)::integer from gone) as removed`,
})

/** Forgets ticks of a schedule that are a month old. */
export const purgeTicks = statement({
  name: 'purge_ticks',
  params: ['schedule'],
  row: z.object({}),
  sql: `
    delete from app.ticks t
    where t.schedule = :schedule::text and t.tick < app.clock_now() - interval '30 days' and t.outcome <> 'running'`,
})
