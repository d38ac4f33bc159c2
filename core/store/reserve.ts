import { z } from 'zod'
import type { Ask, Level } from './call.ts'
import { lockOrder } from './call.ts'
import type { Executor } from './database.ts'
import { reserveOne } from './one-call.ts'
import { statement } from './statement.ts'

/** `granted`: all of it, at every level. Else nothing was changed, and `refusals` say where it did not fit. */
export type Reserved = { readonly granted: boolean; readonly refusals: readonly BudgetRefusal[] }

export type BudgetRefusal = {
  readonly level: 'run' | Level['level']
  readonly key: string
  readonly capMicros: number | null
  readonly capTokens: number | null
  /** What is left, never below 0; null where nothing is capped. */
  readonly leftMicros: number | null
  readonly leftTokens: number | null
  /** Milliseconds until the part of time ends; null where none does. */
  readonly endsInMs: number | null
}

const refusal = z.object({
  level: z.enum(['run', 'step', 'task', 'project-day', 'actor-day', 'instance-day', 'hour', 'minute']),
  key: z.string(),
  capMicros: z.number().nullable(),
  capTokens: z.number().nullable(),
  leftMicros: z.number().nullable(),
  leftTokens: z.number().nullable(),
  endsInMs: z.number().nullable(),
})

/**
 * Sets money aside for many calls at every level in one statement, all of it or nothing. Rows are locked in one order and
 * read under the lock: a sum over a plain read would miss what others reserve meanwhile. `missing`: levels that have no row
 * yet; `held`: how many of the calls are of runs that this worker still has. Where not all of both are there, nothing was
 * changed.
 */
export const reserveMoney = statement({
  name: 'reserve_money',
  params: ['worker', 'asks', 'runs', 'levels', 'order'],
  row: z.object({ granted: z.boolean(), held: z.number(), missing: z.boolean(), refusals: z.array(refusal) }),
  sql: `
    with a as materialized (
      select * from json_to_recordset(:asks::json) as a(
        run uuid, id uuid, step text, purpose text, micros bigint, tokens bigint, levels integer[])
    ),
    w as materialized (
      select id from app.workers where id = :worker::uuid and state = 'live' for key share
    ),
    b as materialized (
      select x.scope_id, x.cap_micros, x.cap_tokens, x.spent_micros + x.reserved_micros as taken_micros,
        x.spent_tokens + x.reserved_tokens as taken_tokens, s.micros, s.tokens, s.asks
      from w cross join json_to_recordset(:runs::json) as s(
        run uuid, fence bigint, micros bigint, tokens bigint, asks integer)
      cross join lateral (
        select r.id from app.runs r where r.id = s.run and r.worker_id = w.id and r.fence = s.fence for key share
      ) r
      cross join lateral (
        select x.* from app.budgets x where x.scope = 'run' and x.scope_id = r.id for no key update
      ) x
      -- Always so; the server then takes the list for a short one and looks rows up instead of reading tables.
      where s.micros >= 0 and s.tokens >= 0
    ),
    k as materialized (
      select n.n, n.level, n.micros, n.tokens, n."capMicros" as cap_micros, n."capTokens" as cap_tokens, n.period, n.zone,
        case when n.period is null then n.about else n.about || ':' || to_char(
          date_trunc(n.period, app.clock_now() at time zone n.zone), 'YYYY-MM-DD"T"HH24:MI') end as key
      from json_to_recordset(:levels::json) as n(
        n integer, level text, about text, period text, zone text, "capMicros" bigint, "capTokens" bigint, micros bigint,
        tokens bigint)
      where (select count(*) from b) > 0 and n.micros >= 0 and n.tokens >= 0
    ),
    -- Two zones may have one day.
    d as materialized (
      select k.level, k.key, min(k.cap_micros) as cap_micros, min(k.cap_tokens) as cap_tokens, min(k.period) as period,
        min(k.zone) as zone, sum(k.micros)::bigint as micros, sum(k.tokens)::bigint as tokens
      from k group by k.level, k.key
      order by array_position(:order::text[], k.level), k.key collate "C"
    ),
    l as materialized (
      select d.*, x.spent_micros + x.reserved_micros as taken_micros, x.spent_tokens + x.reserved_tokens as taken_tokens
      from d cross join lateral (
        select x.* from app.spending x where x.level = d.level and x.key = d.key for no key update
      ) x
    ),
    refused as materialized (
      select 'run' as level, b.scope_id::text as key, b.cap_micros, b.cap_tokens, b.taken_micros, b.taken_tokens,
        null::text as period, null::text as zone
      from b where b.taken_micros + b.micros > b.cap_micros or b.taken_tokens + b.tokens > b.cap_tokens
      union all
      select l.level, l.key, l.cap_micros, l.cap_tokens, l.taken_micros, l.taken_tokens, l.period, l.zone
      from l where l.taken_micros + l.micros > l.cap_micros or l.taken_tokens + l.tokens > l.cap_tokens
    ),
    v as materialized (
      select (select coalesce(sum(b.asks), 0)::integer from b) as held,
        (select count(*) from l) < (select count(*) from d) as missing,
        (select count(*) from refused) = 0 and (select count(*) from l) = (select count(*) from d)
          and (select coalesce(sum(b.asks), 0) from b) = (select count(*) from a) as granted
    ),
    ub as (
      update app.budgets x set reserved_micros = x.reserved_micros + b.micros, reserved_tokens = x.reserved_tokens + b.tokens
      from b, v
      where v.granted and x.scope = 'run' and x.scope_id = b.scope_id
    ),
    us as (
      update app.spending x set reserved_micros = x.reserved_micros + l.micros, reserved_tokens = x.reserved_tokens + l.tokens
      from l, v
      where v.granted and x.level = l.level and x.key = l.key
    ),
    made as (
      insert into app.reservations (run_id, id, step_id, purpose, reserved_micros, reserved_tokens, levels)
      select a.run, a.id, a.step, a.purpose, a.micros, a.tokens, coalesce(n.levels, '[]')
      from v cross join a left join (
        select a.id, jsonb_agg(jsonb_build_array(k.level, k.key)) as levels
        from a cross join lateral unnest(a.levels) as i(n) join k on k.n = i.n
        group by a.id
      ) n on n.id = a.id
      where v.granted
    )
    select v.granted, v.held, v.missing, coalesce((
      select json_agg(json_build_object('level', f.level, 'key', f.key, 'capMicros', f.cap_micros,
        'capTokens', f.cap_tokens,
        -- greatest() takes no notice of nulls.
        'leftMicros', case when f.cap_micros is not null then greatest(0, f.cap_micros - f.taken_micros) end,
        'leftTokens', case when f.cap_tokens is not null then greatest(0, f.cap_tokens - f.taken_tokens) end,
        'endsInMs', extract(epoch from (date_trunc(f.period, app.clock_now() at time zone f.zone)
          + ('1 ' || f.period)::interval) at time zone f.zone - app.clock_now())::float8 * 1000))
      from refused f), '[]') as refusals
    from v`,
})

/** Makes the rows that levels of today have not got yet. */
const openLevels = statement({
  name: 'open_levels',
  params: ['levels'],
  row: z.object({}),
  sql: `
    insert into app.spending (level, key)
    select distinct k.level,
      k.about || coalesce(':' || to_char(date_trunc(k.period, app.clock_now() at time zone k.zone), 'YYYY-MM-DD"T"HH24:MI'), '')
    from jsonb_to_recordset(:levels::jsonb) as k(level text, about text, period text, zone text)
    on conflict do nothing`,
})

/** Reserves for many calls of one worker at once, as far as they fit: where not all do, each is asked for by itself. */
export async function reserve(db: Executor, worker: string, asks: readonly Ask[]): Promise<readonly Reserved[]> {
  const [first] = asks
  if (first && asks.length === 1 && (await reserveOne(db, worker, first))) return [{ granted: true, refusals: [] }]
  const asked = { worker, order: lockOrder, ...summed(asks) }
  for (;;) {
    const [answer] = await db.run(reserveMoney, asked)
    if (answer?.granted) return asks.map(() => ({ granted: true, refusals: [] }))
    if (asks.length > 1) break
    if (!answer || answer.held === 0) return [{ granted: false, refusals: [] }]
    if (!answer.missing) return [{ granted: false, refusals: answer.refusals }]
    await db.run(openLevels, { levels: asked.levels })
  }
  const each: Reserved[] = []
  for (const ask of asks) each.push(...(await reserve(db, worker, [ask])))
  return each
}

type Sum = { micros: number; tokens: number }

/** Of two caps on one thing the lower one holds. */
const least = (one: number | null, other: number | null): number | null =>
  one === null || other === null ? (one ?? other) : Math.min(one, other)

/** The same asks with what they come to for each run and each level, in the order of locks. */
function summed(asks: readonly Ask[]) {
  const runs = new Map<string, Sum & { readonly run: string; readonly fence: number; asks: number }>()
  const levels = new Map<string, Sum & { -readonly [Name in keyof Level]: Level[Name] }>()
  const add = (sum: Sum, { micros, tokens }: Ask): void => {
    sum.micros += micros
    sum.tokens += tokens
  }
  const named = asks.map((ask) => {
    // Two fences of one run cannot both be right: each is asked for, and one will not be held.
    const runKey = `${ask.run} ${ask.fence}`
    const run = runs.get(runKey) ?? { run: ask.run, fence: ask.fence, micros: 0, tokens: 0, asks: 0 }
    runs.set(runKey, run)
    add(run, ask)
    run.asks++
    const keys = ask.levels.map((level) => {
      const key = JSON.stringify([lockOrder.indexOf(level.level), level.about, level.zone])
      const sum = levels.get(key) ?? { ...level, micros: 0, tokens: 0 }
      sum.capMicros = least(sum.capMicros, level.capMicros)
      sum.capTokens = least(sum.capTokens, level.capTokens)
      levels.set(key, sum)
      add(sum, ask)
      return key
    })
    return { ask, keys }
  })
  const inOrder = [...levels.keys()].toSorted()
  const numbers = new Map(inOrder.map((key, n) => [key, n]))
  return {
    asks: named.map(({ ask: { run, id, step, purpose, micros, tokens }, keys }) => ({
      run,
      id,
      step,
      purpose,
      micros,
      tokens,
      levels: keys.map((key) => numbers.get(key) ?? 0),
    })),
    runs: [...runs.values()].toSorted((one, other) => (one.run < other.run ? -1 : 1)),
    levels: inOrder.map((key, n) => ({ n, ...(levels.get(key) as Sum & Level) })),
  }
}
