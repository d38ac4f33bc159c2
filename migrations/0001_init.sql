-- compatible: yes (the first migration: there is no older code)

create schema app;
create schema audit;
create schema pii;

-- The one clock of every decision. STABLE, so that a plan may use it in an index condition; tests replace it.
create function app.clock_now() returns timestamptz
  language sql stable
  return statement_timestamp();

-- ---------------------------------------------------------------- people

-- Someone or something that may act. Names and accounts live in pii; everything else knows this id.
create table app.actors (
  id uuid primary key,
  kind text not null check (kind in ('person', 'service', 'system')),
  created_at timestamptz not null default app.clock_now()
);

-- The engine itself and unattended starters; it has no concurrency cap.
insert into app.actors (id, kind) values ('00000000-0000-7000-8000-000000000000', 'system');

create table app.actor_roles (
  actor_id uuid not null references app.actors (id),
  role text not null check (role in ('viewer', 'operator', 'approver', 'admin', 'auditor', 'data_steward')),
  granted_at timestamptz not null default app.clock_now(),
  primary key (actor_id, role)
);

-- Which person an account of a surface belongs to; the label is what their own screen shows.
create table pii.accounts (
  surface text not null,
  account text not null,
  actor_id uuid not null references app.actors (id),
  label text not null,
  linked_at timestamptz not null default app.clock_now(),
  primary key (surface, account)
);

-- Free text people gave with a decision; decisions refer to it by id, so that erasure rewrites no history.
create table pii.remarks (
  id uuid primary key,
  actor_id uuid not null references app.actors (id),
  body text not null,
  written_at timestamptz not null default app.clock_now()
);

-- ---------------------------------------------------------------- the engine's hot tables
-- No foreign keys and no index on a column that each step changes: both cost on every settle.

-- A target repository.
create table app.projects (
  id uuid primary key,
  address text not null unique,
  name text not null,
  created_at timestamptz not null default app.clock_now()
);

-- One row per process that runs steps. The heartbeat is the lease of every run it holds.
create table app.workers (
  id uuid primary key,
  state text not null check (state in ('live', 'stopped', 'dead')),
  lease_ms integer not null check (lease_ms > 0),
  started_at timestamptz not null default app.clock_now(),
  beat_at timestamptz not null default app.clock_now(),
  description text not null
) with (fillfactor = 50);

create index workers_live on app.workers (beat_at) where state = 'live';

-- One execution of one pipeline. The row is a cache: it equals the fold of its events.
create table app.runs (
  id uuid primary key,
  number bigint generated always as identity,
  pipeline text not null,
  pipeline_version integer not null,
  project_id uuid,
  started_by uuid not null,
  correlation_id uuid not null,
  parent_id uuid,
  retry_of uuid,
  state text not null
    check (state in ('queued', 'running', 'waiting', 'paused', 'succeeded', 'failed', 'rejected', 'cancelled')),
  waiting_for text check (waiting_for in ('gate', 'time', 'signal', 'children')),
  waiting_name text,
  paused_from text check (paused_from in ('queued', 'waiting')),
  ending text not null default 'succeeded' check (ending in ('succeeded', 'rejected', 'cancelled')),
  reason_code text,
  reason text,
  interrupt text check (interrupt in ('pause', 'cancel')),
  plan_version integer not null default 1,
  position integer not null default 0,
  attempt integer not null default 1,
  failures integer not null default 0,
  verdicts jsonb not null default '{}',
  resume jsonb,
  fence bigint not null default 0,
  version bigint not null default 0,
  event_seq integer not null default 0,
  worker_id uuid,
  priority smallint not null default 0,
  queued_at timestamptz not null default app.clock_now(),
  due_at timestamptz,
  deadline_at timestamptz,
  lock_key text,
  lock_state text check (lock_state in ('held', 'behind')),
  signals_pending integer not null default 0,
  deaths smallint not null default 0,
  deaths_alone smallint not null default 0,
  alone boolean not null default false,
  created_at timestamptz not null default app.clock_now(),
  finished_at timestamptz,
  constraint runs_running_has_worker check ((state = 'running') = (worker_id is not null)),
  constraint runs_waiting_says_for check ((state = 'waiting' or paused_from = 'waiting') = (waiting_for is not null)),
  constraint runs_paused_says_from check ((state = 'paused') = (paused_from is not null)),
  constraint runs_finished_when_over
    check ((state in ('succeeded', 'failed', 'rejected', 'cancelled')) = (finished_at is not null)),
  constraint runs_parked_can_wake
    check (state <> 'waiting' or waiting_for in ('gate', 'signal', 'children') or due_at is not null)
) with (fillfactor = 50);

create unique index runs_number on app.runs (number);
create unique index runs_lock_holder on app.runs (lock_key) where lock_state = 'held';
create index runs_lock_queue on app.runs (lock_key, priority desc, number) where lock_state = 'behind';
create index runs_ready on app.runs (started_by, priority desc, queued_at)
  where state = 'queued' and lock_state is distinct from 'behind';
create index runs_due on app.runs (due_at) where state = 'waiting' and due_at is not null;
create index runs_aboard on app.runs (worker_id, started_by) where state = 'running';
create index runs_interrupted on app.runs (worker_id) where interrupt is not null;
create index runs_parent on app.runs (parent_id) where parent_id is not null;
create index runs_parents on app.runs (id) where waiting_for = 'children';
create index runs_alone on app.runs (id) where alone and state = 'queued';
create index runs_project on app.runs (project_id, number desc) where project_id is not null;

-- What a run will do, one row per version; a rework or an extension adds a version and never edits one.
create table app.plans (
  run_id uuid not null,
  version integer not null,
  input jsonb not null,
  steps jsonb not null,
  created_at timestamptz not null default app.clock_now(),
  primary key (run_id, version)
);

-- One settled try of one step. Inserted only. History is partitioned by range of run id (uuid v7: by time).
create table app.attempts (
  run_id uuid not null,
  position integer not null,
  attempt integer not null,
  step_id text not null,
  outcome text not null check (outcome in ('done', 'wait', 'retry', 'failed', 'aborted')),
  output jsonb,
  error_code text,
  error text,
  duration_ms integer,
  fence bigint not null,
  finished_at timestamptz not null default app.clock_now(),
  primary key (run_id, position, attempt)
) partition by range (run_id);

create table app.attempts_rest partition of app.attempts default;

-- What happened, gapless per run. Inserted only.
create table app.events (
  run_id uuid not null,
  seq integer not null,
  kind text not null,
  payload jsonb not null,
  at timestamptz not null default app.clock_now(),
  primary key (run_id, seq)
) partition by range (run_id);

create table app.events_rest partition of app.events default;

-- ---------------------------------------------------------------- waiting and telling

-- A checkpoint that waits for people: either a step of the plan, or (step_id null) a request such as a budget raise.
create table app.gates (
  run_id uuid not null,
  id uuid not null,
  step_id text,
  kind text not null check (kind in ('plan', 'budget')),
  name text not null,
  artifact text,
  artifact_sha256 text,
  subject jsonb not null,
  policy jsonb not null,
  requested_by uuid,
  opened_at timestamptz not null default app.clock_now(),
  expires_at timestamptz,
  verdict text check (verdict in ('approved', 'rejected', 'changes_requested', 'expired', 'withdrawn')),
  decided_by uuid,
  decided_role text,
  decided_on_surface text,
  remark_id uuid,
  decided_at timestamptz,
  primary key (run_id, id),
  constraint gates_step_once unique (run_id, step_id),
  constraint gates_decided_when check ((verdict is null) = (decided_at is null))
);

create index gates_open on app.gates (opened_at) where verdict is null;

-- One vote per person and gate; the vote that completes the quorum sets the verdict.
create table app.votes (
  run_id uuid not null,
  gate_id uuid not null,
  actor_id uuid not null,
  choice text not null check (choice in ('approved', 'rejected', 'changes_requested')),
  artifact_sha256 text,
  surface text not null,
  delivery_id text not null,
  at timestamptz not null default app.clock_now(),
  primary key (run_id, gate_id, actor_id)
);

-- A message to a run, kept when it comes before the run waits for it.
create table app.signals (
  run_id uuid not null,
  id uuid not null,
  name text not null,
  payload jsonb not null,
  received_at timestamptz not null default app.clock_now(),
  consumed_at timestamptz,
  primary key (run_id, id)
);

-- A request as it came in, once per delivery; the answer is kept so that a repeat hears the same.
create table app.inbox (
  source text not null,
  delivery_id text not null,
  body_sha256 text not null,
  reply jsonb not null,
  received_at timestamptz not null default app.clock_now(),
  primary key (source, delivery_id)
);

-- What the outside shall hear, written with the change it tells of and sent after the commit.
create table app.outbox (
  run_id uuid not null,
  id uuid not null,
  topic text not null,
  payload jsonb not null,
  created_at timestamptz not null default app.clock_now(),
  sent_at timestamptz,
  primary key (run_id, id)
);

create index outbox_unsent on app.outbox (created_at, id) where sent_at is null;

-- Anything the outside world can see, once per key. Planned before the call, done after it.
create table app.effects (
  run_id uuid not null,
  key text not null,
  step_id text not null,
  kind text not null,
  target jsonb not null,
  state text not null check (state in ('planned', 'done', 'undone')),
  result jsonb,
  undo text not null,
  planned_at timestamptz not null default app.clock_now(),
  done_at timestamptz,
  primary key (run_id, key),
  constraint effects_done_has_result check ((state = 'planned') = (done_at is null))
);

-- ---------------------------------------------------------------- money

-- A cap and what is spent and reserved under it. Micros are millionths of a US dollar.
create table app.budgets (
  scope text not null check (scope in ('run')),
  scope_id uuid not null,
  cap_micros bigint not null check (cap_micros >= 0),
  cap_tokens bigint not null check (cap_tokens >= 0),
  spent_micros bigint not null default 0 check (spent_micros >= 0),
  spent_tokens bigint not null default 0 check (spent_tokens >= 0),
  reserved_micros bigint not null default 0 check (reserved_micros >= 0),
  reserved_tokens bigint not null default 0 check (reserved_tokens >= 0),
  primary key (scope, scope_id)
) with (fillfactor = 50);

-- Money set aside before a call: its worst case, until the provider's usage is known.
create table app.reservations (
  run_id uuid not null,
  id uuid not null,
  step_id text not null,
  purpose text not null,
  reserved_micros bigint not null check (reserved_micros >= 0),
  reserved_tokens bigint not null check (reserved_tokens >= 0),
  spent_micros bigint,
  spent_tokens bigint,
  created_at timestamptz not null default app.clock_now(),
  settled_at timestamptz,
  primary key (run_id, id),
  constraint reservations_settled_has_usage
    check ((settled_at is null) = (spent_micros is null) and (settled_at is null) = (spent_tokens is null))
);

-- ---------------------------------------------------------------- bytes

-- Content-addressed bytes, stored once however many runs made them.
create table app.artifacts (
  sha256 text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
  bytes bytea not null,
  media_type text not null,
  created_at timestamptz not null default app.clock_now()
);

-- Which run calls which bytes by which name; a later version of a name is a new row.
create table app.run_artifacts (
  run_id uuid not null,
  name text not null,
  step_id text not null,
  sha256 text not null,
  size_bytes integer not null,
  created_at timestamptz not null default app.clock_now(),
  primary key (run_id, name, step_id)
);

create index run_artifacts_bytes on app.run_artifacts (sha256);

-- ---------------------------------------------------------------- audit

-- Privileged transitions, each linked to the one before it by hash.
create table audit.entries (
  seq bigint primary key,
  at timestamptz not null,
  actor_id uuid not null,
  action text not null,
  run_id uuid,
  correlation_id uuid,
  target text not null,
  content_sha256 text,
  detail jsonb not null,
  prev_hash text not null,
  hash text not null
);

-- The hash of an entry over everything it says and the hash before it. Unit separators keep fields apart.
create function audit.entry_hash(
  prev_hash text, seq bigint, at timestamptz, actor_id uuid, action text, run_id uuid,
  correlation_id uuid, target text, content_sha256 text, detail jsonb
) returns text
  language sql stable
  return encode(sha256(convert_to(
    concat_ws(chr(31), prev_hash, seq::text, extract(epoch from at)::text, actor_id::text, action,
      coalesce(run_id::text, '-'), coalesce(correlation_id::text, '-'), target,
      coalesce(content_sha256, '-'), detail::text), 'UTF8')), 'hex');

-- One row: the end of the chain. Its lock is the last one any transaction takes.
create table audit.head (
  singleton boolean primary key default true check (singleton),
  seq bigint not null,
  hash text not null
);

insert into audit.head (seq, hash) values (0, repeat('0', 64));

-- ---------------------------------------------------------------- partitions

-- The least uuid v7 of an instant: its 48-bit millisecond prefix, then zeros.
create function app.uuid_floor(at timestamptz) returns uuid
  language sql immutable
  return (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;

-- Makes the monthly partitions of the history tables from this month to `months` ahead; may run again.
create function app.ensure_partitions(months integer) returns void
  language plpgsql as $$
declare
  month timestamptz;
  parent text;
  part text;
begin
  for i in 0..months loop
    month := date_trunc('month', app.clock_now() at time zone 'UTC') at time zone 'UTC' + make_interval(months => i);
    foreach parent in array array['attempts', 'events'] loop
      part := parent || to_char(month at time zone 'UTC', '_YYYY_MM');
      if to_regclass('app.' || part) is null then
        execute format('create table app.%I partition of app.%I for values from (%L) to (%L)',
          part, parent, app.uuid_floor(month), app.uuid_floor(month + interval '1 month'));
      end if;
    end loop;
  end loop;
end
$$;

-- ---------------------------------------------------------------- who may do what (roles are made where allowed)

do $$
declare
  name text;
begin
  if (select rolcreaterole or rolsuper from pg_roles where rolname = current_user) then
    foreach name in array array['qp_app', 'qp_pii_reader', 'qp_purger', 'qp_backup', 'qp_metrics'] loop
      if not exists (select from pg_roles where rolname = name) then
        execute format('create role %I nologin', name);
      end if;
    end loop;
  end if;
  if exists (select from pg_roles where rolname = 'qp_app') then
    grant usage on schema app, audit, pii to qp_app;
    grant select, insert, update, delete on all tables in schema app to qp_app;
    revoke update, delete, truncate on app.events, app.attempts, app.votes from qp_app;
    grant select, insert on audit.entries to qp_app;
    grant select, update on audit.head to qp_app;
    grant select, insert, update, delete on all tables in schema pii to qp_app;
  end if;
  if exists (select from pg_roles where rolname = 'qp_pii_reader') then
    grant usage on schema pii to qp_pii_reader;
    grant select on all tables in schema pii to qp_pii_reader;
  end if;
  if exists (select from pg_roles where rolname = 'qp_purger') then
    grant usage on schema app, pii to qp_purger;
    grant select, delete on all tables in schema app to qp_purger;
    grant select, delete on all tables in schema pii to qp_purger;
  end if;
  if exists (select from pg_roles where rolname = 'qp_backup') then
    grant usage on schema app, audit, pii to qp_backup;
    grant select on all tables in schema app to qp_backup;
    grant select on all tables in schema audit to qp_backup;
    grant select on all tables in schema pii to qp_backup;
  end if;
  if exists (select from pg_roles where rolname = 'qp_metrics') then
    grant usage on schema app to qp_metrics;
    grant select on app.runs, app.workers, app.gates, app.outbox, app.budgets to qp_metrics;
  end if;
end
$$;
