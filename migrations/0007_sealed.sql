-- compatible: no (names, accounts and remarks are sealed now; older code would look for them in plain text)

-- Whose an account of a surface is. What the account and the person are called is sealed under the actor's key, which is
-- not in this database; `lookup` is a keyed hash of surface and account.
create table pii.identities (
  lookup bytea primary key,
  surface text not null,
  actor_id uuid not null references app.actors (id),
  sealed_account bytea not null,
  sealed_label bytea not null,
  linked_at timestamptz not null default app.clock_now()
);

create index identities_actor on pii.identities (actor_id);

alter table pii.remarks add column sealed bytea;
-- No older client is there to mind.
-- squawk-ignore ban-drop-not-null
alter table pii.remarks alter column body drop not null;

-- One row: which keys belong to this database, and whether rows of older versions wait to be sealed.
create table pii.keyring (
  only_one boolean primary key default true check (only_one),
  -- What the lookup key makes of a fixed text; null until a process with keys has opened this database.
  mark bytea,
  is_plain boolean not null
);

insert into pii.keyring (is_plain)
values (exists (select from pii.accounts) or exists (select from pii.remarks));

-- Leaves nothing of the plain text, not even in files: both statements write their table anew.
create function pii.forget_plain_text() returns void
  language plpgsql
  set search_path = pg_catalog as $$
begin
  truncate pii.accounts;
  alter table pii.remarks alter column body type text using null::text;
end
$$;

-- The whole list again, for a role that is made after this; the one that is there is given only what is new.
create or replace function app.grant_to_app() returns void
  language plpgsql as $$
begin
  if not exists (select from pg_roles where rolname = 'qp_app') then
    return;
  end if;
  -- Processes that start at once take turns.
  perform pg_advisory_xact_lock(7081, 3);
  revoke all on all tables in schema app, audit, pii from qp_app;
  grant usage on schema app, audit, pii to qp_app;
  grant execute on function app.clock_now() to qp_app;
  grant execute on function audit.entry_hash(
    text, bigint, timestamptz, uuid, text, uuid, uuid, text, text, jsonb) to qp_app;

  -- Written once and, but for what is named further down, never changed.
  grant select, insert on app.actors, app.actor_roles, app.plans, app.attempts, app.events, app.votes, app.artifacts,
    app.run_artifacts, app.quarantine, audit.entries, pii.remarks, pii.identities, pii.addresses to qp_app;

  -- Written, and changed in what is named. Who started a run, and which bytes a gate showed, is not.
  grant select, insert, update (name) on app.projects to qp_app;
  grant select, insert, update (state, beat_at) on app.workers to qp_app;
  grant select, insert, update (
    state, waiting_for, waiting_name, paused_from, ending, reason_code, reason, interrupt, plan_version, position, attempt,
    failures, verdicts, resume, fence, version, event_seq, worker_id, queued_at, due_at, deadline_at, lock_state,
    signals_pending, deaths, deaths_alone, alone, finished_at) on app.runs to qp_app;
  grant select, insert, update (verdict, decided_by, decided_role, decided_on_surface, remark_id, decided_at, reminded_at)
    on app.gates to qp_app;
  grant select, insert, update (consumed_at) on app.signals to qp_app;
  grant select, insert on app.inbox to qp_app;
  grant select, insert, update (sent_at, taken_until) on app.outbox to qp_app;
  grant select, insert, update (state, result, done_at) on app.effects to qp_app;
  grant select, insert, update (cap_micros, cap_tokens, spent_micros, spent_tokens, reserved_micros, reserved_tokens)
    on app.budgets to qp_app;
  grant select, insert, update (spent_micros, spent_tokens, settled_at) on app.reservations to qp_app;

  grant update (same_as) on app.actors to qp_app;
  grant update (granted_at, revoked_at) on app.actor_roles to qp_app;
  grant update (saved_at) on app.artifacts to qp_app;
  grant select, insert, update (state, closed_because, quiet_from, quiet_to, zone, next_at, taken_until, actor_id)
    on app.destinations to qp_app;
  grant select, insert, update (level, muted_until) on app.subscriptions to qp_app;
  grant select, insert, update (place, wanted, shown, seen_seq, shown_sha256, is_final, asked_at, next_at, failures,
    gave_up) on app.cards to qp_app;
  grant select, insert, update (taken_at) on app.prompts to qp_app;
  grant select, insert, update (used_by, used_at) on app.link_codes to qp_app;
  grant select, insert, update (until) on app.delegations to qp_app;
  grant select, insert, update (state, ended_at) on app.webhooks to qp_app;
  grant select, insert, update (attempt, next_at, taken_until, outcome, done_at, status, last_error)
    on app.deliveries to qp_app;
  grant select, insert, update (finished_at, outcome, detail) on app.ticks to qp_app;
  grant select, insert, update (runs, spent_micros, spent_tokens, closed_at) on app.daily_costs to qp_app;
  grant execute on function app.uuid_floor(timestamptz) to qp_app;

  grant select, update (seq, hash) on audit.head to qp_app;
  grant select, update (mark) on pii.keyring to qp_app;

  -- So that a login which is only this role can see that there is nothing to migrate.
  grant select on public.schema_migrations to qp_app;
end
$$;

do $$
begin
  if exists (select from pg_roles where rolname = 'qp_app') then
    revoke all on pii.accounts from qp_app;
    grant select, insert on pii.identities to qp_app;
    grant select, update (mark) on pii.keyring to qp_app;
  end if;
  if exists (select from pg_roles where rolname = 'qp_backup') then
    grant select on pii.identities, pii.keyring to qp_backup;
  end if;
end
$$;
