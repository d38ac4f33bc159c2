import { z } from 'zod'
import { statement } from './statement.ts'

/** Sets money aside in one conditional update. No row: the cap would not hold, and nothing was changed. */
export const reserveBudget = statement({
  name: 'reserve_budget',
  params: ['worker', 'fence', 'run', 'id', 'step', 'purpose', 'micros', 'tokens'],
  row: z.object({ id: z.string() }),
  sql: `
    with w as materialized (
      select id from app.workers where id = :worker::uuid and state = 'live' for key share
    ),
    r as materialized (
      select r.id from app.runs r, w
      where r.id = :run::uuid and r.worker_id = w.id and r.fence = :fence::bigint
      for key share of r
    ),
    b as (
      update app.budgets b set reserved_micros = b.reserved_micros + :micros::bigint,
        reserved_tokens = b.reserved_tokens + :tokens::bigint
      from r
      where b.scope = 'run' and b.scope_id = r.id
        and b.spent_micros + b.reserved_micros + :micros::bigint <= b.cap_micros
        and b.spent_tokens + b.reserved_tokens + :tokens::bigint <= b.cap_tokens
      returning b.scope_id
    )
    insert into app.reservations (run_id, id, step_id, purpose, reserved_micros, reserved_tokens)
    select b.scope_id, :id::uuid, :step::text, :purpose::text, :micros::bigint, :tokens::bigint from b
    returning id`,
})

/** Books what a call really used, by reservation and whatever the fence; a second time changes nothing. */
export const settleReservation = statement({
  name: 'settle_reservation',
  params: ['run', 'id', 'micros', 'tokens'],
  row: z.object({ scopeId: z.string() }),
  sql: `
    with v as (
      update app.reservations v set spent_micros = :micros::bigint, spent_tokens = :tokens::bigint,
        settled_at = app.clock_now()
      where v.run_id = :run::uuid and v.id = :id::uuid and v.settled_at is null
      returning v.run_id, v.reserved_micros, v.reserved_tokens
    )
    update app.budgets b set spent_micros = b.spent_micros + :micros::bigint,
      spent_tokens = b.spent_tokens + :tokens::bigint, reserved_micros = b.reserved_micros - v.reserved_micros,
      reserved_tokens = b.reserved_tokens - v.reserved_tokens
    from v where b.scope = 'run' and b.scope_id = v.run_id
    returning b.scope_id`,
})

const ledger = z.object({
  capMicros: z.number(),
  capTokens: z.number(),
  spentMicros: z.number(),
  spentTokens: z.number(),
  reservedMicros: z.number(),
  reservedTokens: z.number(),
})

/** A run's cap and what is spent and reserved under it. */
export const readBudget = statement({
  name: 'read_budget',
  params: ['run'],
  row: ledger,
  sql: `
    select b.cap_micros, b.cap_tokens, b.spent_micros, b.spent_tokens, b.reserved_micros, b.reserved_tokens
    from app.budgets b where b.scope = 'run' and b.scope_id = :run::uuid`,
})

/** Raises a run's cap by what an approver granted, and answers with the ledger afterwards. */
export const raiseBudget = statement({
  name: 'raise_budget',
  params: ['run', 'micros', 'tokens'],
  row: ledger,
  sql: `
    update app.budgets b set cap_micros = b.cap_micros + :micros::bigint, cap_tokens = b.cap_tokens + :tokens::bigint
    where b.scope = 'run' and b.scope_id = :run::uuid
    returning b.cap_micros, b.cap_tokens, b.spent_micros, b.spent_tokens, b.reserved_micros, b.reserved_tokens`,
})
