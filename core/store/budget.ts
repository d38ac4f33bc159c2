import { z } from 'zod'
import { gatePolicy } from './run-row.ts'
import { statement } from './statement.ts'

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

/** Who may raise a run's cap, as its first step found it; no row where no step has. */
export const findRaisePolicy = statement({
  name: 'find_raise_policy',
  params: ['run'],
  row: z.object({ policy: gatePolicy }),
  sql: `
    select a.output->'raisePolicy' as policy from app.attempts a
    where a.run_id = :run::uuid and a.outcome = 'done' and jsonb_typeof(a.output->'raisePolicy') = 'object'
    order by a.position limit 1`,
})

/** The dearest call that people have said yes to in a step of a run, by the step's first round. */
export const findConsent = statement({
  name: 'find_consent',
  params: ['run', 'step'],
  row: z.object({ micros: z.number() }),
  sql: `
    select (g.subject->'call'->>'micros')::bigint as micros from app.gates g
    where g.run_id = :run::uuid and g.kind = 'budget' and g.verdict = 'approved'
      and g.subject->'call'->>'step' = :step::text
    order by 1 desc limit 1`,
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

const ledgerLine = z.object({
  step: z.string(),
  purpose: z.string(),
  calls: z.number(),
  spentMicros: z.number(),
  spentTokens: z.number(),
  reservedMicros: z.number(),
})

const heldLine = z.object({
  id: z.string(),
  step: z.string(),
  purpose: z.string(),
  reservedMicros: z.number(),
  reservedTokens: z.number(),
})

/** On record is a call once it is over; of a worker that was killed it is as soon as its run does not go on. */
const isOver = `(r.state <> 'running' or exists (select from app.model_calls c where c.run_id = v.run_id and c.id = v.id))`

/** What is set aside for calls of a run that are over and never said what they cost, the oldest first. */
export const listHeld = statement({
  name: 'list_held',
  params: ['run'],
  row: heldLine,
  sql: `
    select v.id, v.step_id as step, v.purpose, v.reserved_micros, v.reserved_tokens
    from app.reservations v join app.runs r on r.id = v.run_id
    where v.run_id = :run::uuid and v.settled_at is null and ${isOver}
    order by v.created_at, v.id limit 20`,
})

/** The call of a run whose id ends so and for which money is set aside; the newest of several. */
export const findHeld = statement({
  name: 'find_held',
  params: ['run', 'call'],
  row: heldLine.extend({ isOver: z.boolean() }),
  sql: `
    select v.id, v.step_id as step, v.purpose, v.reserved_micros, v.reserved_tokens, ${isOver} as is_over
    from app.reservations v join app.runs r on r.id = v.run_id
    where v.run_id = :run::uuid and v.settled_at is null and right(v.id::text, length(:call::text)) = :call::text
    order by v.created_at desc, v.id desc limit 1`,
})

/** What a run's money went into, by step and purpose, the dearest first. */
export const listLedger = statement({
  name: 'list_ledger',
  params: ['run'],
  row: ledgerLine,
  sql: `
    select v.step_id as step, v.purpose, count(*)::integer as calls,
      coalesce(sum(v.spent_micros), 0)::bigint as spent_micros, coalesce(sum(v.spent_tokens), 0)::bigint as spent_tokens,
      coalesce(sum(v.reserved_micros) filter (where v.settled_at is null), 0)::bigint as reserved_micros
    from app.reservations v where v.run_id = :run::uuid
    group by v.step_id, v.purpose
    order by 4 desc, 5 desc, 1, 2 limit 50`,
})
