-- compatible: yes (new tables only; code that does not know them shows no cards)

-- A place where runs are shown: a chat, a channel, a person's private chat, a mailbox. Its address lives in pii.
create table app.destinations (
  id uuid primary key,
  surface text not null,
  -- Whose private place it is; null for places that several people see.
  actor_id uuid references app.actors (id),
  state text not null default 'open' check (state in ('open', 'closed')),
  closed_because text,
  -- Hours of the day, in the zone, when nothing may make a sound.
  quiet_from time,
  quiet_to time,
  zone text not null default 'UTC',
  -- Pace and the network's own limits: nothing is sent before.
  next_at timestamptz not null default '-infinity',
  -- Until when a relay has it: one message at a time, in order.
  taken_until timestamptz not null default '-infinity',
  created_at timestamptz not null default app.clock_now(),
  constraint destinations_closed_says_why check ((state = 'closed') = (closed_because is not null)),
  constraint destinations_quiet_has_both check ((quiet_from is null) = (quiet_to is null))
) with (fillfactor = 50);

create table pii.addresses (
  surface text not null,
  address text not null,
  destination_id uuid not null unique references app.destinations (id),
  primary key (surface, address)
);

-- Which runs a place hears of: those of a project, or (the nil uuid) of all.
create table app.subscriptions (
  destination_id uuid not null references app.destinations (id),
  project_id uuid not null,
  level text not null check (level in ('all', 'decisions', 'nothing')),
  muted_until timestamptz not null default '-infinity',
  primary key (destination_id, project_id)
);

create index subscriptions_project on app.subscriptions (project_id);

-- A message about a run at one place, as it must look by now. It is drawn from the database each time it is sent, so a
-- late one shows what is so, and several changes make one redraw.
create table app.cards (
  run_id uuid not null,
  id uuid not null,
  -- What its buttons carry: opaque, and worth nothing at another place.
  key text not null unique,
  destination_id uuid not null,
  kind text not null check (kind in ('run', 'gate', 'note', 'receipt')),
  -- The run, the gate, or the message of the outbox it is about.
  subject uuid not null,
  topic text,
  place jsonb,
  wanted integer not null default 1,
  shown integer not null default 0,
  -- The last event of the run that the drawing knew of.
  seen_seq integer not null default 0,
  shown_sha256 text,
  is_final boolean not null default false,
  asked_at timestamptz not null default app.clock_now(),
  next_at timestamptz not null default '-infinity',
  failures smallint not null default 0,
  gave_up text,
  primary key (run_id, id),
  constraint cards_once unique (run_id, destination_id, kind, subject)
) with (fillfactor = 50);

create index cards_due on app.cards (destination_id, asked_at) where shown < wanted and gave_up is null;

-- A decision that waits for its words under the message that asked for them.
create table app.prompts (
  destination_id uuid not null,
  prompt text not null,
  actor_id uuid not null,
  command jsonb not null,
  asked_at timestamptz not null default app.clock_now(),
  taken_at timestamptz,
  primary key (destination_id, prompt)
);

-- A word said once to prove that two accounts are one person's, or that somebody is the first admin.
create table app.link_codes (
  code_sha256 text primary key check (code_sha256 ~ '^[0-9a-f]{64}$'),
  -- Whom the account will belong to; null: whoever says it.
  actor_id uuid references app.actors (id),
  roles text[] not null,
  made_at timestamptz not null default app.clock_now(),
  expires_at timestamptz not null,
  used_by uuid references app.actors (id),
  used_at timestamptz,
  constraint link_codes_used_by check ((used_by is null) = (used_at is null))
);

-- Somebody who acts for somebody else for a while: with their roles of operator and approver, under their own name.
create table app.delegations (
  from_actor uuid not null references app.actors (id),
  to_actor uuid not null references app.actors (id),
  until timestamptz not null,
  primary key (to_actor, from_actor)
);

-- An event that could not be taken in after many tries, put aside for an operator.
create table app.quarantine (
  source text not null,
  delivery_id text not null,
  body jsonb not null,
  why text not null,
  at timestamptz not null default app.clock_now(),
  primary key (source, delivery_id)
);

-- One person with several accounts counts once: the actor that this one turned out to be. There are as many actors as
-- people, so the check and the index take no time.
-- squawk-ignore adding-foreign-key-constraint
alter table app.actors add column same_as uuid references app.actors (id);

-- squawk-ignore require-concurrent-index-creation
create index actors_same_as on app.actors (same_as) where same_as is not null;

-- A role that was taken back stays on record.
alter table app.actor_roles add column revoked_at timestamptz;
