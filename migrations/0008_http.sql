-- compatible: yes (new tables only)

-- What a program says to act for its owner, with the owner's roles and within these scopes. The secret is kept as its
-- hash only.
create table app.api_keys (
  id uuid primary key,
  owner_id uuid not null references app.actors (id),
  label text not null,
  scopes text[] not null check (scopes <@ array['read', 'operate', 'decide'] and cardinality(scopes) > 0),
  sha256 text not null unique check (sha256 ~ '^[0-9a-f]{64}$'),
  made_at timestamptz not null default app.clock_now(),
  used_at timestamptz,
  revoked_at timestamptz
);

-- An event as a network sent it, kept before the network hears that we have it. The body goes when the event has been
-- dealt with; what is put aside keeps its body for an operator.
create table app.intake (
  source text not null,
  delivery_id text not null,
  -- What kind of event the network calls it.
  topic text not null,
  -- The same content under another delivery id is the same event.
  semantic_key text not null,
  body_sha256 text not null,
  body jsonb,
  received_at timestamptz not null default app.clock_now(),
  taken_until timestamptz not null default '-infinity',
  done_at timestamptz,
  failures smallint not null default 0,
  quarantined_at timestamptz,
  why text,
  primary key (source, delivery_id),
  constraint intake_content_once unique (source, semantic_key),
  constraint intake_one_end check (done_at is null or quarantined_at is null),
  constraint intake_body_until_done check ((done_at is null) = (body is not null)),
  constraint intake_quarantine_says_why check (quarantined_at is null or why is not null)
) with (fillfactor = 70);

create index intake_waiting on app.intake (received_at) where done_at is null and quarantined_at is null;
create index intake_quarantined on app.intake (quarantined_at) where quarantined_at is not null;
