-- compatible: yes (new tables and one more right; code that does not know them sends mail without links)

-- What the link of a mail stands for: one gate, one recipient, the bytes that the mail showed. The token itself is in
-- the mail only.
create table pii.gate_links (
  token_sha256 text primary key check (token_sha256 ~ '^[0-9a-f]{64}$'),
  run_id uuid not null,
  gate_id uuid not null,
  -- The mailbox it went to; the link is worth nothing once that belongs to nobody.
  destination_id uuid not null,
  -- Whose mailbox that was.
  actor_id uuid not null,
  artifact_sha256 text,
  made_at timestamptz not null default app.clock_now(),
  expires_at timestamptz not null,
  constraint gate_links_end check (expires_at <= made_at + interval '30 days')
);

create index gate_links_run on pii.gate_links (run_id);

-- A word that was sent to an address, to be said back by whoever asked: the mailbox is theirs. The address is sealed
-- under their key.
create table pii.mail_codes (
  actor_id uuid not null references app.actors (id),
  code_sha256 text not null check (code_sha256 ~ '^[0-9a-f]{64}$'),
  sealed bytea not null,
  made_at timestamptz not null default app.clock_now(),
  expires_at timestamptz not null,
  -- Wrong words said while it was good.
  failures smallint not null default 0,
  used_at timestamptz,
  primary key (actor_id, code_sha256)
);
