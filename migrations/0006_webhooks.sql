-- compatible: yes (new tables only; code that does not know of them sends no webhooks)

-- An endpoint that hears of events. Its signing secret is derived from the server's own, so none is stored.
create table app.webhooks (
  id uuid primary key,
  number bigint generated always as identity,
  address text not null,
  events text[] not null check (cardinality(events) > 0 and events <@ array['run_started', 'documentation_generated',
    'gate_requested', 'gate_decision', 'milestone_completed', 'run_paused', 'run_resumed', 'run_failed', 'run_completed']),
  state text not null default 'active' check (state in ('active', 'gone', 'removed')),
  created_by uuid not null,
  created_at timestamptz not null default app.clock_now(),
  ended_at timestamptz,
  constraint webhooks_ended_when check ((state = 'active') = (ended_at is null))
);

create unique index webhooks_number on app.webhooks (number);
create unique index webhooks_address_once on app.webhooks (address) where state = 'active';

-- One message to one endpoint: the very bytes that are signed and sent, until they were taken or given up.
create table app.deliveries (
  run_id uuid not null,
  message_id uuid not null,
  webhook_id uuid not null,
  id uuid not null,
  event text not null,
  body text not null,
  attempt integer not null default 0 check (attempt >= 0),
  next_at timestamptz not null default app.clock_now(),
  taken_until timestamptz not null default '-infinity',
  outcome text check (outcome in ('delivered', 'dead')),
  done_at timestamptz,
  status integer,
  last_error text,
  created_at timestamptz not null default app.clock_now(),
  primary key (run_id, message_id, webhook_id),
  constraint deliveries_done_has_outcome check ((outcome is null) = (done_at is null))
);

create index deliveries_due on app.deliveries (webhook_id, next_at) where done_at is null;
create index deliveries_dead on app.deliveries (webhook_id, done_at) where outcome = 'dead';
