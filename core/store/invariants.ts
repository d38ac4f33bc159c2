import { z } from 'zod'
import { findAuditBreak } from './audit-chain.ts'
import type { Executor } from './database.ts'
import { statement } from './statement.ts'

const violation = z.object({ subject: z.string(), problem: z.string() })

export type Violation = z.infer<typeof violation>

/** What must hold at any moment, each as a query for what breaks it: one pass over what it looks at, on a live system. */
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
      with said as materialized (
        select e.run_id, e.target, e.action, e.content_sha256, count(*) as times from audit.entries e
        where e.target like 'gate:%'
        group by e.run_id, e.target, e.action, e.content_sha256
      )
      select g.id::text as subject, 'a decision without exactly one audit entry on the same bytes' as problem
      from app.gates g left join said on said.run_id = g.run_id and said.target = 'gate:' || g.name || ':' || g.id
        and said.action = 'gate.' || g.verdict and coalesce(said.content_sha256, '') = coalesce(g.artifact_sha256, '')
      where g.decided_by is not null and said.times is distinct from 1
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
  attemptsFollowHistory: statement({
    name: 'check_attempts_follow_history',
    params: [],
    row: violation,
    sql: `
      select r.id::text as subject,
        'the run is at try ' || r.attempt || ' of ' || r.position || ', its history at ' || 1 + coalesce(tried.attempt, 0)
          as problem
      from app.runs r
      left join lateral (
        select max(a.attempt) as attempt from app.attempts a where a.run_id = r.id and a.position = r.position
      ) tried on true
      where r.attempt <> 1 + coalesce(tried.attempt, 0)
      limit 20`,
  }),
  fencesRise: statement({
    name: 'check_fences_rise',
    params: [],
    row: violation,
    sql: `
      select tried.run_id::text as subject,
        'try ' || tried.attempt || ' of ' || tried.position || ' has fence ' || tried.fence || ', which was over' as problem
      from (
        select a.run_id, a.position, a.attempt, a.fence,
          max(a.fence) over (partition by a.run_id order by a.position, a.attempt) as highest
        from app.attempts a
      ) tried
      join app.runs r on r.id = tried.run_id
      where tried.fence < tried.highest or tried.fence > r.fence
      limit 20`,
  }),
  reasonsAreTold: statement({
    name: 'check_reasons_are_told',
    params: [],
    row: violation,
    // What a pause or a failure was told with; whoever goes on or waits for people has no reason not to.
    sql: `
      select r.id::text as subject,
        'the run is ' || r.state || ' because of ' || coalesce(r.reason_code, 'nothing') || ', its events say '
          || coalesce(told.code, 'nothing') as problem
      from app.runs r
      left join lateral (
        select coalesce(e.payload->>'code', e.payload->>'reason') as code, e.payload->>'message' as message
        from app.events e
        where e.run_id = r.id and e.kind = case r.state when 'failed' then 'run_failed' when 'paused' then 'run_paused' end
        order by e.seq desc
        limit 1
      ) told on true
      where case r.state
          when 'failed' then r.reason_code is distinct from told.code or r.reason is distinct from told.message
          when 'paused' then r.reason_code is distinct from told.code and r.reason_code is distinct from 'freeze'
          when 'succeeded' then r.reason_code is not null or r.reason is not null
          when 'waiting' then r.waiting_for = 'gate' and r.ending = 'succeeded'
            and (r.reason_code is not null or r.reason is not null)
          else false
        end
      limit 20`,
  }),
  verdictsWereGiven: statement({
    name: 'check_verdicts_were_given',
    params: [],
    row: violation,
    sql: `
      select r.id::text as subject, 'the run knows a verdict of ' || v.key || ' that nobody gave' as problem
      from app.runs r cross join lateral jsonb_each_text(r.verdicts) v
      where not exists (
          select from app.gates g
          where g.run_id = r.id and g.kind = 'plan' and g.verdict = 'approved' and v.value = 'approved'
            and regexp_replace(g.step_id, '#\\d+$', '') = v.key)
        and not exists (
          select from app.attempts a
          where a.run_id = r.id and a.outcome = 'done' and regexp_replace(a.step_id, '#\\d+$', '') = v.key)
      union all
      select r.id::text, 'gate ' || g.name || ' was approved, and the run does not know of it'
      from app.gates g join app.runs r on r.id = g.run_id
      where g.kind = 'plan' and g.verdict = 'approved'
        and r.verdicts->>regexp_replace(g.step_id, '#\\d+$', '') is distinct from 'approved'
      limit 20`,
  }),
  capsHold: statement({
    name: 'check_caps_hold',
    params: [],
    row: violation,
    // A call may turn out dearer than what was set aside for it: that much a run may be over its cap, and no more.
    sql: `
      select b.scope_id::text as subject, 'more was set aside than the cap allows' as problem
      from app.budgets b join app.reservations v on v.run_id = b.scope_id
      where b.scope = 'run'
      group by b.scope, b.scope_id
      having sum(least(v.reserved_micros, v.spent_micros)) > b.cap_micros
        or sum(least(v.reserved_tokens, v.spent_tokens)) > b.cap_tokens
      limit 20`,
  }),
  spendingAddsUp: statement({
    name: 'check_spending_adds_up',
    params: [],
    row: violation,
    // Runs are kept for 36 hours at least, so of younger levels no reservation is gone. A replay has none: its level may hold more.
    sql: `
      with booked as materialized (
        select k.value->>0 as level, k.value->>1 as key, coalesce(sum(v.spent_micros), 0) as spent_micros,
          coalesce(sum(v.spent_tokens), 0) as spent_tokens,
          coalesce(sum(v.reserved_micros) filter (where v.settled_at is null), 0) as reserved_micros,
          coalesce(sum(v.reserved_tokens) filter (where v.settled_at is null), 0) as reserved_tokens
        from app.reservations v cross join lateral jsonb_array_elements(v.levels) as k(value)
        group by 1, 2
      ),
      compared as (
        select s.level, s.key, s.begun_at,
          least(s.spent_micros - coalesce(b.spent_micros, 0), s.spent_tokens - coalesce(b.spent_tokens, 0),
            s.reserved_micros - coalesce(b.reserved_micros, 0), s.reserved_tokens - coalesce(b.reserved_tokens, 0)) as least_more,
          greatest(s.spent_micros - coalesce(b.spent_micros, 0), s.spent_tokens - coalesce(b.spent_tokens, 0),
            s.reserved_micros - coalesce(b.reserved_micros, 0), s.reserved_tokens - coalesce(b.reserved_tokens, 0)) as most_more
        from app.spending s left join booked b on b.level = s.level and b.key = s.key
      )
      select c.level || ' ' || c.key as subject, 'the level does not equal its reservations' as problem
      from compared c
      where c.least_more < 0
        or c.most_more > 0 and c.begun_at > app.clock_now() - interval '36 hours'
          and not (c.level = 'instance-day' and exists (
            select from audit.entries e where e.action = 'model.replay' and e.at >= c.begun_at - interval '1 minute'))
      limit 20`,
  }),
  rightsAreAudited: statement({
    name: 'check_rights_are_audited',
    params: [],
    row: violation,
    sql: `
      with said as materialized (
        select e.action, e.target, e.detail from audit.entries e
        where e.action in ('role.grant', 'role.change', 'key.add', 'person.erase')
      )
      select 'actor:' || r.actor_id as subject, 'has the role ' || r.role || ', which no entry of the audit gave' as problem
      from app.actor_roles r
      where r.revoked_at is null and not exists (
        select from said where said.target = 'actor:' || r.actor_id and said.action in ('role.grant', 'role.change')
          and (said.detail->'roles' ? r.role or said.detail->'granted' ? r.role))
      union all
      select 'key:' || k.id, 'a key that no entry of the audit made' from app.api_keys k
      where not exists (select from said where said.target = 'key:' || k.id and said.action = 'key.add')
      union all
      select 'actor:' || x.actor_id, 'an erasure that no entry of the audit asked for' from pii.erasures x
      where not exists (select from said where said.target = 'actor:' || x.actor_id and said.action = 'person.erase')
      limit 20`,
  }),
  effectsAreAudited: statement({
    name: 'check_effects_are_audited',
    params: [],
    row: violation,
    sql: `
      with said as materialized (
        select e.action, coalesce(e.detail->>'run', e.run_id::text) as run, e.detail->>'key' as key, count(*) as times
        from audit.entries e
        where e.action like 'effect.%' or e.action like 'undone.%'
        group by 1, 2, 3
      )
      select f.run_id::text as subject, 'effect ' || f.key || ' is ' || f.state || ' without exactly one audit entry' as problem
      from app.effects f
      left join said made on made.run = f.run_id::text and made.key = f.key and made.action = 'effect.' || f.kind
      left join said undone on undone.run = f.run_id::text and undone.key = f.key and undone.action = 'undone.' || f.kind
      where f.state in ('done', 'undone') and made.times is distinct from 1
        or f.state = 'undone' and undone.times is distinct from 1
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
