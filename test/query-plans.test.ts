import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { plannerSettings } from '../core/store/database.ts'
import { declared } from '../core/store/statement.ts'
import { administer, openSession } from './support/administer.ts'
import type { TestDatabase } from './support/postgres.ts'
import { createTestDatabase } from './support/postgres.ts'

const store = join(import.meta.dirname, '../core/store')
for (const file of await readdir(store)) {
  if (file.endsWith('.ts') && !file.endsWith('.test.ts')) await import(join(store, file))
}

/** Small enough that reading it whole looks cheap to the planner, and enough that each step would feel it. */
const parked = 1_000

let database: TestDatabase
let session: postgres.Sql

beforeAll(async () => {
  database = await createTestDatabase()
  await administer(database.connection, fill)
  await administer(database.connection, 'analyze')
  session = openSession(database.connection)
  for (const [name, value] of Object.entries(plannerSettings)) await session.unsafe(`set ${name} = ${value}`)
})

afterAll(async () => {
  await session.end()
  await database.drop()
})

const fill = `
  insert into app.runs (id, pipeline, pipeline_version, started_by, correlation_id, state, waiting_for, waiting_name)
  select gen_random_uuid(), 'factory', 1, gen_random_uuid(), gen_random_uuid(), 'waiting', 'gate', 'anchor'
  from generate_series(1, ${parked});
  insert into app.plans (run_id, version, input, steps) select id, 1, '{}', '[]' from app.runs;
  insert into app.attempts (run_id, position, attempt, step_id, outcome, fence)
    select id, n, 1, 's' || n, 'done', 1 from app.runs, generate_series(0, 4) n;
  insert into app.events (run_id, seq, kind, payload)
    select id, n, 'run_started', '{}' from app.runs, generate_series(1, 5) n;
  insert into app.gates (run_id, id, step_id, kind, name, subject, policy)
    select id, gen_random_uuid(), 'anchor', 'plan', 'anchor', '{}', '{}' from app.runs;
  insert into app.votes (run_id, gate_id, actor_id, choice, surface, delivery_id)
    select run_id, id, gen_random_uuid(), 'approved', 'terminal', id::text from app.gates;
  insert into app.actors (id, kind) select id, 'person' from app.runs;
  insert into pii.remarks (id, actor_id, sealed) select id, id, 'no' from app.actors;
  insert into pii.identities (lookup, surface, actor_id, sealed_account, sealed_label)
    select uuid_send(id), 'telegram', id, '', '' from app.actors;
  insert into app.signals (run_id, id, name, payload) select id, gen_random_uuid(), 's', '{}' from app.runs;
  insert into app.inbox (source, delivery_id, body_sha256, reply) select 'terminal', id::text, '', '{}' from app.runs;
  insert into app.outbox (run_id, id, topic, payload) select id, gen_random_uuid(), 'run_started', '{}' from app.runs;
  insert into app.destinations (id, surface) select gen_random_uuid(), 'telegram' from generate_series(1, 10);
  insert into pii.addresses (lookup, destination_id, subject_id, sealed)
    select id::text::bytea, id, id, '' from app.destinations;
  insert into app.cards (run_id, id, key, destination_id, kind, subject)
    select r.id, r.id, r.id::text, (select min(d.id::text)::uuid from app.destinations d), 'run', r.id from app.runs r;
  insert into pii.gate_links (token_sha256, run_id, gate_id, destination_id, actor_id, expires_at)
    select md5(id::text) || md5(id::text), run_id, id, id, id, app.clock_now() from app.gates;
  insert into app.prompts (destination_id, prompt, actor_id, command)
    select id, '1', id, '{}' from app.runs;
  insert into app.link_codes (code_sha256, roles, expires_at)
    select md5(id::text) || md5(id::text), '{}', app.clock_now() from app.runs;
  insert into app.webhooks (id, address, events, created_by)
    values (gen_random_uuid(), 'https://a', '{run_started}', gen_random_uuid());
  insert into app.deliveries (run_id, message_id, webhook_id, id, event, body, outcome, done_at)
    select o.run_id, o.id, w.id, gen_random_uuid(), 'run_started', '{}', 'delivered', now()
    from app.outbox o, app.webhooks w;
  insert into app.budgets (scope, scope_id, cap_micros, cap_tokens) select 'run', id, 0, 0 from app.runs;
  insert into app.spending (level, key) select 'step', id::text from app.runs;
  insert into app.reservations (run_id, id, step_id, purpose, reserved_micros, reserved_tokens)
    select id, gen_random_uuid(), 's', 'call', 0, 0 from app.runs;
  insert into app.model_calls
    (run_id, id, step_id, model, max_output_tokens, question_sha256, question_bytes, duration_ms, outcome)
    select id, id, 's', 'm', 1, md5('') || md5(''), 1, 1, 'answered' from app.runs;
  insert into app.model_texts (run_id, sha256, text, is_redacted)
    select id, md5('') || md5(''), '', false from app.runs;
  insert into app.progress (run_id, step_id, text) select id, 's', '' from app.runs;`

type Node = {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Index Cond'?: string
  readonly Plans?: readonly Node[]
}

type Explained = { readonly 'QUERY PLAN': readonly { readonly Plan: Node }[] }

/** As many as there are chats and repositories, not runs. */
const places = ['destinations', 'addresses', 'subscriptions', 'projects']

/** Tables of a few rows, whatever the product has done. */
const isSmall = (table: string): boolean =>
  table.startsWith('pg_') ||
  [
    'workers',
    'head',
    'keyring',
    'actor_roles',
    'api_keys',
    'server',
    'webhooks',
    'slack_tokens',
    'circuits',
    ...places,
  ].includes(table)

/** Indexes over what waits for just this reader, read from one end. */
const queues: ReadonlySet<string> = new Set([
  'runs_ready',
  'runs_due',
  'runs_aboard',
  'runs_alone',
  'runs_parent',
  'runs_parents',
  'runs_lock_queue',
  'runs_lock_holder',
  'outbox_unsent',
  'cards_due',
  'daily_costs_closed',
  'gates_open',
  'intake_waiting',
  'intake_quarantined',
])

/** Pages of a list, read from an end up to a limit. */
const lists: Readonly<Record<string, string>> = {
  list_runs: 'runs_number',
  list_open_gates: 'gates_open',
  remind_of_gates: 'gates_open',
  escalate_gates: 'gates_open',
}

/** Scans that look at every row: no condition, or one that compares with nothing but constants. */
function wholeReads(name: string, node: Node): string[] {
  const below = (node.Plans ?? []).flatMap((child) => wholeReads(name, child))
  const table = node['Relation Name']
  const index = node['Index Name'] ?? ''
  const isScan = /^(Seq|Index|Index Only|Bitmap Index) Scan$/.test(node['Node Type'])
  if (!isScan || isSmall(table ?? '') || queues.has(index) || lists[name] === index) return below
  const isLookup = /\$\d|\w\.\w|\(InitPlan|\w+ = \w+_?\w*\.\w/.test(node['Index Cond'] ?? '')
  return isLookup ? below : [...below, `${node['Node Type']} of ${table ?? ''} ${index}`]
}

describe(`among ${parked} parked runs, nothing that the product does while it works reads a table whole`, () => {
  // Checks of a whole database are meant to read it, so is what gathers or erases all there is of one person,
  // and what goes once a night over tables that it keeps short.
  const working = declared.filter(({ name }) => !/^(check_|seal_|export_|erase_|purge_lapsed$)/.test(name))

  test.each(working.map((statement) => [statement.name, statement] as const))('%s', async (name, { text }) => {
    const rows = await session.unsafe<Explained[]>(`explain (generic_plan, format json) ${text}`)
    const plans = rows.flatMap((row) => row['QUERY PLAN'])
    expect(plans).toHaveLength(1)
    expect(plans.flatMap(({ Plan }) => wholeReads(name, Plan))).toEqual([])
  })
})
