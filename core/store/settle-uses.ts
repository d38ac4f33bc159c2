import { z } from 'zod'
import type { Use } from './call.ts'
import { lockOrder } from './call.ts'
import type { Executor } from './database.ts'
import { settleOne } from './one-call.ts'
import { statement } from './statement.ts'

/**
 * Books what calls really used at every level they were reserved at, whatever the fence; a second time changes nothing. The
 * commit does not wait for the disk: what is lost with the machine stays reserved, as if nobody had said what it used, and
 * the step's own commit, which waits, takes it along.
 */
export const settleReservations = statement({
  name: 'settle_reservations',
  params: ['uses', 'order'],
  row: z.object({ id: z.string(), overMicros: z.number(), overTokens: z.number() }),
  sql: `
    with u as materialized (
      select u.* from (select set_config('synchronous_commit', 'off', true)) o
      cross join json_to_recordset(:uses::json) as u(run uuid, id uuid, micros bigint, tokens bigint)
      -- Always so; the server then takes the list for a short one and looks rows up instead of reading tables.
      where u.micros >= 0 and u.tokens >= 0
    ),
    b as materialized (
      select b.scope_id from app.budgets b
      where b.scope = 'run' and b.scope_id = any(array(select u.run from u))
      order by b.scope_id for no key update
    ),
    v as materialized (
      update app.reservations v set spent_micros = f.micros, spent_tokens = f.tokens, settled_at = app.clock_now()
      from (
        select u.*, x.ctid as place from u cross join lateral (
          select x.ctid from app.reservations x
          where x.run_id = u.run and x.id = u.id and x.settled_at is null for no key update
        ) x
        where (select count(*) from b) >= 0
      ) f
      where v.ctid = f.place and v.settled_at is null
      returning v.run_id, v.id, v.levels, v.reserved_micros, v.reserved_tokens, v.spent_micros, v.spent_tokens
    ),
    ub as (
      update app.budgets x set spent_micros = x.spent_micros + s.spent_micros, spent_tokens = x.spent_tokens + s.spent_tokens,
        reserved_micros = x.reserved_micros - s.reserved_micros, reserved_tokens = x.reserved_tokens - s.reserved_tokens
      from (select v.run_id, sum(v.spent_micros)::bigint as spent_micros, sum(v.spent_tokens)::bigint as spent_tokens,
          sum(v.reserved_micros)::bigint as reserved_micros, sum(v.reserved_tokens)::bigint as reserved_tokens
        from v group by v.run_id) s
      where x.scope = 'run' and x.scope_id = s.run_id
    ),
    n as materialized (
      select k.value->>0 as level, k.value->>1 as key, sum(v.spent_micros)::bigint as spent_micros,
        sum(v.spent_tokens)::bigint as spent_tokens, sum(v.reserved_micros)::bigint as reserved_micros,
        sum(v.reserved_tokens)::bigint as reserved_tokens
      from v cross join lateral jsonb_array_elements(v.levels) as k(value)
      group by 1, 2
    ),
    l as materialized (
      select s.level, s.key
      from (select n.* from n order by array_position(:order::text[], n.level), n.key collate "C") n cross join lateral (
        select s.* from app.spending s where s.level = n.level and s.key = n.key for no key update
      ) s
    ),
    us as (
      update app.spending x set spent_micros = x.spent_micros + n.spent_micros, spent_tokens = x.spent_tokens + n.spent_tokens,
        reserved_micros = x.reserved_micros - n.reserved_micros, reserved_tokens = x.reserved_tokens - n.reserved_tokens
      from n join l on l.level = n.level and l.key = n.key
      where x.level = n.level and x.key = n.key
    )
    select v.id::text as id, greatest(0, v.spent_micros - v.reserved_micros) as over_micros,
      greatest(0, v.spent_tokens - v.reserved_tokens) as over_tokens
    from v`,
})

const waitForDisk = statement({
  name: 'wait_for_disk',
  params: [],
  row: z.object({ kept: z.string() }),
  sql: `
    select set_config(s.name, s.reset_val, true) as kept from pg_settings s where s.name = 'synchronous_commit'`,
})

/**
 * Books what somebody says a call cost; false where it was settled before. Unlike a worker's own booking its commit waits for
 * the disk: a person was told so.
 */
export async function bookUse(tx: Executor, use: Use): Promise<boolean> {
  const settled = await settleOne(tx, use)
  await tx.run(waitForDisk, {})
  return settled.length > 0
}

/** Books uses; answers with those that were more than what was set aside for them. */
export async function settleUses(db: Executor, uses: readonly Use[]) {
  const [first] = uses
  const settled =
    first && uses.length === 1
      ? await settleOne(db, first)
      : await db.run(settleReservations, { uses, order: lockOrder })
  return settled.filter(({ overMicros, overTokens }) => overMicros > 0 || overTokens > 0)
}
