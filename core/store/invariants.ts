import { z } from 'zod'
import { findAuditBreak } from './audit-chain.ts'
import type { Executor } from './database.ts'
import { statement } from './statement.ts'

const violation = z.object({ subject: z.string(), problem: z.string() })

export type Violation = z.infer<typeof violation>

/** What must hold at any moment, each as a query for what breaks it. Cheap enough to run on a live system. */
const checks = {
  everyRunCanGoOn: statement({
    name: 'check_every_run_can_go_on',
    params: [],
    row: violation,
    sql: `
      select r.id::text as subject, 'nothing will ever wake this run' as problem from app.runs r
      where (r.state = 'running' and not exists (select from app.workers w where w.id = r.worker_id and w.state in ('live', 'dead')))
        or (r.state = 'waiting' and r.waiting_for = 'gate' and not exists (
          select from app.gates g where g.run_id = r.id and g.kind = 'plan' and g.verdict is null))
        or (r.state = 'paused' and r.reason_code is null)
        or (r.lock_state = 'behind' and r.lock_key is null)
      limit 20`,
  }),
  eventsAreGapless: statement({
    name: 'check_events_are_gapless',
    params: [],
    row: violation,
    sql: `
      select r.id::text as subject,
        'events ' || count(e.seq) || ', last ' || coalesce(max(e.seq), 0) || ', the run counts ' || r.event_seq as problem
      from app.runs r left join app.events e on e.run_id = r.id
      group by r.id
      having count(e.seq) <> r.event_seq or coalesce(max(e.seq), 0) <> r.event_seq
      limit 20`,
  }),
  rowEqualsFold: statement({
    name: 'check_row_equals_fold',
    params: [],
    row: violation,
    sql: `
      select r.id::text as subject,
        'the row says ' || r.state || ' at ' || r.position || ', its events say ' || (e.payload->>'state') || ' at '
          || (e.payload->>'position') as problem
      from app.runs r join app.events e on e.run_id = r.id and e.seq = r.event_seq
      where r.position <> (e.payload->>'position')::integer
        or (r.state in ('succeeded', 'failed', 'rejected', 'cancelled', 'paused')
            or e.payload->>'state' in ('succeeded', 'failed', 'rejected', 'cancelled', 'paused'))
          and r.state <> e.payload->>'state'
      limit 20`,
  }),
  effectsAreMade: statement({
    name: 'check_effects_are_made',
    params: [],
    row: violation,
    sql: `
      select f.run_id::text as subject, 'step ' || f.step_id || ' is done, its effect ' || f.key || ' is not' as problem
      from app.effects f
      where f.state = 'planned'
        and exists (select from app.attempts a where a.run_id = f.run_id and a.step_id = f.step_id and a.outcome = 'done')
      limit 20`,
  }),
  ledgerAddsUp: statement({
    name: 'check_ledger_adds_up',
    params: [],
    row: violation,
    sql: `
      select b.scope_id::text as subject, 'the budget does not equal its reservations' as problem
      from app.budgets b left join app.reservations v on v.run_id = b.scope_id
      where b.scope = 'run'
      group by b.scope, b.scope_id
      having b.spent_micros <> coalesce(sum(v.spent_micros), 0)
        or b.spent_tokens <> coalesce(sum(v.spent_tokens), 0)
        or b.reserved_micros <> coalesce(sum(v.reserved_micros) filter (where v.settled_at is null), 0)
        or b.reserved_tokens <> coalesce(sum(v.reserved_tokens) filter (where v.settled_at is null), 0)
      limit 20`,
  }),
  decisionsAreAudited: statement({
    name: 'check_decisions_are_audited',
    params: [],
    row: violation,
    sql: `
      select g.id::text as subject, 'a decision without exactly one audit entry on the same bytes' as problem
      from app.gates g
      where g.decided_by is not null and 1 <> (
        select count(*) from audit.entries a
        where a.run_id = g.run_id and a.target = 'gate:' || g.name || ':' || g.id and a.action = 'gate.' || g.verdict
          and a.content_sha256 is not distinct from g.artifact_sha256)
      limit 20`,
  }),
  planMatchesHistory: statement({
    name: 'check_plan_matches_history',
    params: [],
    row: violation,
    sql: `
      select r.id::text as subject, 'the run stands at ' || r.position || ' of a plan of ' || jsonb_array_length(p.steps) as problem
      from app.runs r join app.plans p on p.run_id = r.id and p.version = r.plan_version
      where r.position > jsonb_array_length(p.steps)
        or exists (select from app.plans later where later.run_id = r.id and later.version > r.plan_version)
      limit 20`,
  }),
}

export type InvariantName = keyof typeof checks | 'auditChainHolds'

/** Every invariant and what breaks it; empty lists mean all is well. */
export async function checkInvariants(db: Executor): Promise<Readonly<Record<InvariantName, readonly Violation[]>>> {
  const results: [string, readonly Violation[]][] = []
  for (const [name, check] of Object.entries(checks)) results.push([name, await db.run(check, {})])
  const broken = await findAuditBreak(db, null)
  results.push(['auditChainHolds', broken ? [{ subject: `entry ${broken.seq}`, problem: broken.problem }] : []])
  return Object.fromEntries(results) as Record<InvariantName, readonly Violation[]>
}
