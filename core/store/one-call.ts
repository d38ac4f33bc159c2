import { z } from 'zod'
import type { Ask, Use } from './call.ts'
import { lockOrder } from './call.ts'
import type { Executor } from './database.ts'
import { statement } from './statement.ts'

/**
 * Sets money aside for one call at every level, as `reserve_money` does for many, where all of it fits; else it changes
 * nothing and answers with no row. Plain values and few parts: most of what a statement of this size costs is to begin it.
 */
const reserveOneCall = statement({
  name: 'reserve_one_call',
  params: [
    'worker',
    'run',
    'fence',
    'id',
    'step',
    'purpose',
    'micros',
    'tokens',
    'levels',
    'abouts',
    'periods',
    'zones',
    'capMicros',
    'capTokens',
  ],
  row: z.object({ id: z.string() }),
  sql: `
    with b as materialized (
      select x.scope_id
      from app.workers w
      join app.runs r on r.worker_id = w.id
      join app.budgets x on x.scope = 'run' and x.scope_id = r.id
      where w.id = :worker::uuid and w.state = 'live' and r.id = :run::uuid and r.fence = :fence::bigint
        and x.spent_micros + x.reserved_micros + :micros::bigint <= x.cap_micros
        and x.spent_tokens + x.reserved_tokens + :tokens::bigint <= x.cap_tokens
      for key share of w for key share of r for no key update of x
    ),
    k as materialized (
      select n.level, n.cap_micros, n.cap_tokens,
        case when n.period is null then n.about else n.about || ':' || to_char(
          date_trunc(n.period, app.clock_now() at time zone n.zone), 'YYYY-MM-DD"T"HH24:MI') end as key
      from unnest(:levels::text[], :abouts::text[], :periods::text[], :zones::text[], :capMicros::bigint[],
        :capTokens::bigint[]) as n(level, about, period, zone, cap_micros, cap_tokens)
      -- The last two are always so; the server then takes the list for a short one and looks rows up.
      where exists (select from b) and n.level >= '' and n.about >= ''
    ),
    l as materialized (
      select k.level, k.key
      from k cross join lateral (
        select from app.spending x
        where x.level = k.level and x.key = k.key
          and (k.cap_micros is null or x.spent_micros + x.reserved_micros + :micros::bigint <= k.cap_micros)
          and (k.cap_tokens is null or x.spent_tokens + x.reserved_tokens + :tokens::bigint <= k.cap_tokens)
        for no key update
      ) x
    ),
    v as materialized (
      select b.scope_id, coalesce(jsonb_agg(jsonb_build_array(l.level, l.key)) filter (where l.level is not null), '[]') as levels
      from b left join l on true
      group by b.scope_id
      having count(l.level) = cardinality(:levels::text[])
    ),
    ub as (
      update app.budgets x
      set reserved_micros = x.reserved_micros + :micros::bigint, reserved_tokens = x.reserved_tokens + :tokens::bigint
      where x.scope = 'run' and x.scope_id = (select v.scope_id from v)
    ),
    us as (
      update app.spending x
      set reserved_micros = x.reserved_micros + :micros::bigint, reserved_tokens = x.reserved_tokens + :tokens::bigint
      from l
      where exists (select from v) and x.level = l.level and x.key = l.key
    )
    insert into app.reservations (run_id, id, step_id, purpose, reserved_micros, reserved_tokens, levels)
    select v.scope_id, :id::uuid, :step::text, :purpose::text, :micros::bigint, :tokens::bigint, v.levels from v
    returning id::text`,
})

/** True when all of it was set aside; false where that is for `reserve_money` to say. */
export async function reserveOne(db: Executor, worker: string, { levels, ...ask }: Ask): Promise<boolean> {
  const inOrder = levels.toSorted((one, other) => lockOrder.indexOf(one.level) - lockOrder.indexOf(other.level))
  const names = inOrder.map(({ level }) => level)
  // Of two of a kind only the server knows the order: it knows what day it is.
  if (new Set(names).size < names.length) return false
  const made = await db.run(reserveOneCall, {
    worker,
    ...ask,
    levels: names,
    abouts: inOrder.map(({ about }) => about),
    periods: inOrder.map(({ period }) => period),
    zones: inOrder.map(({ zone }) => zone),
    capMicros: inOrder.map(({ capMicros }) => capMicros),
    capTokens: inOrder.map(({ capTokens }) => capTokens),
  })
  return made.length > 0
}

/** Books what one call used, as `settle_reservations` does for many. */
const settleOneCall = statement({
  name: 'settle_one_call',
  params: ['run', 'id', 'micros', 'tokens', 'order'],
  row: z.object({ id: z.string(), overMicros: z.number(), overTokens: z.number() }),
  sql: `
    with b as materialized (
      select b.scope_id from (select set_config('synchronous_commit', 'off', true)) o cross join app.budgets b
      where b.scope = 'run' and b.scope_id = :run::uuid for no key update of b
    ),
    v as materialized (
      update app.reservations v
      set spent_micros = :micros::bigint, spent_tokens = :tokens::bigint, settled_at = app.clock_now()
      where v.run_id = :run::uuid and v.id = :id::uuid and v.settled_at is null and (select count(*) from b) >= 0
      returning v.id, v.levels, v.reserved_micros, v.reserved_tokens
    ),
    ub as (
      update app.budgets x
      set spent_micros = x.spent_micros + :micros::bigint, spent_tokens = x.spent_tokens + :tokens::bigint,
        reserved_micros = x.reserved_micros - v.reserved_micros, reserved_tokens = x.reserved_tokens - v.reserved_tokens
      from v
      where x.scope = 'run' and x.scope_id = :run::uuid
    ),
    l as materialized (
      select n.*
      from (
        select k.value->>0 as level, k.value->>1 as key, v.reserved_micros, v.reserved_tokens
        from v cross join lateral jsonb_array_elements(v.levels) as k(value)
        -- Always so; the server then takes the list for a short one and looks rows up.
        where (k.value->>0) >= '' and (k.value->>1) >= ''
        order by array_position(:order::text[], k.value->>0), (k.value->>1) collate "C"
      ) n
      cross join lateral (select from app.spending s where s.level = n.level and s.key = n.key for no key update) s
    ),
    us as (
      update app.spending x
      set spent_micros = x.spent_micros + :micros::bigint, spent_tokens = x.spent_tokens + :tokens::bigint,
        reserved_micros = x.reserved_micros - l.reserved_micros, reserved_tokens = x.reserved_tokens - l.reserved_tokens
      from l
      where x.level = l.level and x.key = l.key
    )
    select v.id::text as id, greatest(0, :micros::bigint - v.reserved_micros) as over_micros,
      greatest(0, :tokens::bigint - v.reserved_tokens) as over_tokens
    from v`,
})

/** Answers with the reservation and what was used above it; with nothing where it was settled before. */
export const settleOne = (db: Executor, { run, id, micros, tokens }: Use) =>
  db.run(settleOneCall, { run, id, micros, tokens, order: lockOrder })
