-- compatible: yes (a new table; code that does not know it refuses a token that rotates when it starts)

-- The rotating tokens of a Slack app, one row for each app. Whoever rotates takes the row for a while, asks Slack, and
-- writes the new pair under the version it saw: of two, one writes.
create table pii.slack_tokens (
  -- The app's client id.
  app text primary key,
  -- Whose key seals the pair; nobody's but the row's own.
  subject_id uuid not null,
  -- Pairs written so far.
  version integer not null default 0,
  -- Keyed hashes of the first refresh tokens, from the configuration, that a pair was made of: none is used again.
  firsts bytea[] not null default '{}',
  sealed bytea,
  refresh_at timestamptz,
  expires_at timestamptz,
  taken_until timestamptz not null default '-infinity',
  -- Why the last rotation failed; null when it did not.
  failure text,
  constraint slack_tokens_pair check (
    (sealed is null) = (version = 0) and (sealed is null) = (refresh_at is null) and (sealed is null) = (expires_at is null))
);

do $$
begin
  if exists (select from pg_roles where rolname = 'qp_app') then
    grant select, insert, update (version, firsts, sealed, refresh_at, expires_at, taken_until, failure)
      on pii.slack_tokens to qp_app;
  end if;
  if exists (select from pg_roles where rolname = 'qp_backup') then
    grant select on pii.slack_tokens to qp_backup;
  end if;
end
$$;
