-- compatible: yes (grants only; code that does not know of the new rights does without them)

-- All that the running program may do, in one list, in place of the one before.
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
  grant execute on function app.clock_now(), app.uuid_floor(timestamptz) to qp_app;
  grant execute on function audit.entry_hash(
    text, bigint, timestamptz, uuid, text, uuid, uuid, text, text, jsonb) to qp_app;

  -- Written once and never changed.
  grant select, insert on app.plans, app.attempts, app.events, app.votes, app.run_artifacts, app.model_calls, app.model_texts,
    app.inbox, app.quarantine,
    audit.entries, pii.identities, pii.remarks, pii.gate_links to qp_app;

  -- Written, and changed in what is named. Who started a run, and which bytes a gate showed, is not.
  grant select, insert, update (same_as) on app.actors to qp_app;
  grant select, insert, update (granted_at, revoked_at) on app.actor_roles to qp_app;
  grant select, insert, update (until) on app.delegations to qp_app;
  grant select, insert, update (used_by, used_at) on app.link_codes to qp_app;
  grant select, insert, update (name) on app.projects to qp_app;
  grant select, insert, update (state, beat_at) on app.workers to qp_app;
  grant select, insert, update (
    state, waiting_for, waiting_name, paused_from, ending, reason_code, reason, interrupt, plan_version, position, attempt,
    failures, verdicts, resume, fence, version, event_seq, worker_id, queued_at, due_at, deadline_at, lock_state,
    signals_pending, deaths, deaths_alone, alone, finished_at) on app.runs to qp_app;
  grant select, insert, update (verdict, decided_by, decided_role, decided_on_surface, remark_id, decided_at, reminded_at,
    escalated_at) on app.gates to qp_app;
  grant select, insert, update (saved_at) on app.artifacts to qp_app;
  grant select, insert, update (consumed_at) on app.signals to qp_app;
  grant select, insert, update (sent_at, taken_until) on app.outbox to qp_app;
  grant select, insert, update (state, result, done_at) on app.effects to qp_app;
  grant select, insert, update (cap_micros, cap_tokens, spent_micros, spent_tokens, reserved_micros, reserved_tokens)
    on app.budgets to qp_app;
  grant select, insert, update (spent_micros, spent_tokens, settled_at) on app.reservations to qp_app;
  grant select, insert, update (spent_micros, spent_tokens, reserved_micros, reserved_tokens) on app.spending to qp_app;
  grant select, insert, update (state, closed_because, quiet_from, quiet_to, zone, next_at, taken_until, actor_id)
    on app.destinations to qp_app;
  grant select, insert, update (level, muted_until) on app.subscriptions to qp_app;
  grant select, insert, update (place, wanted, shown, seen_seq, seen_progress, shown_sha256, is_final, asked_at, next_at, failures,
    gave_up) on app.cards to qp_app;
  grant select, insert, update (taken_at) on app.prompts to qp_app;
  grant select, insert, update (step_id, text, n, at) on app.progress to qp_app;
  grant select, insert, update (state, ended_at) on app.webhooks to qp_app;
  grant select, insert, update (attempt, next_at, taken_until, outcome, done_at, status, last_error)
    on app.deliveries to qp_app;
  grant select, insert, update (used_at, revoked_at, label) on app.api_keys to qp_app;
  grant select, insert, update (body, taken_until, done_at, failures, quarantined_at, why) on app.intake to qp_app;
  grant select, insert, update (finished_at, outcome, detail) on app.ticks to qp_app;
  grant select, insert, update (closed_until, next_turn) on app.rate_gates to qp_app;
  grant select, insert, update (failures, open_until, trials, tried_at, passed) on app.circuits to qp_app;
  grant select, insert, update (runs, spent_micros, spent_tokens, closed_at) on app.daily_costs to qp_app;

  -- Forgotten on demand: an address that its person took back, a code that was used up, a person.
  grant select, insert, delete on pii.addresses to qp_app;
  grant select, insert, delete, update (failures, used_at) on pii.mail_codes to qp_app;
  grant select, insert, update (done_at) on pii.erasures to qp_app;
  grant select, insert, update (version, firsts, sealed, refresh_at, expires_at, taken_until, failure)
    on pii.slack_tokens to qp_app;
  grant execute on function pii.remove_erased() to qp_app;

  grant select, update (seq, hash) on audit.head to qp_app;
  grant select, update (mark) on pii.keyring to qp_app;

  -- So that a login which is only this role can see that there is nothing to migrate.
  grant select on public.schema_migrations to qp_app;
end
$$;

-- All that retention may do, in one list, in place of the one before.
create or replace function app.grant_to_purger() returns void
  language plpgsql as $$
begin
  if not exists (select from pg_roles where rolname = 'qp_purger') then
    return;
  end if;
  perform pg_advisory_xact_lock(7081, 7);
  revoke all on all tables in schema app, audit, pii from qp_purger;
  grant usage on schema app, audit, pii to qp_purger;
  grant select, delete on app.runs, app.plans, app.attempts, app.events, app.gates, app.votes, app.signals, app.outbox,
    app.effects, app.budgets, app.reservations, app.spending, app.run_artifacts, app.artifacts, app.cards,
    app.deliveries, app.ticks, app.model_calls, app.model_texts, app.progress
    to qp_purger;
  grant select (id), delete on pii.remarks to qp_purger;
  grant select (run_id), delete on pii.gate_links to qp_purger;
  -- What was asked and sent: it sees which and since when, not what.
  grant select (ctid, source, delivery_id, received_at), delete on app.inbox to qp_purger;
  grant select (ctid, source, delivery_id, done_at, quarantined_at), delete on app.intake to qp_purger;
  grant select (ctid, source, delivery_id, at), delete on app.quarantine to qp_purger;
  -- What lapsed: it sees since when.
  grant select (asked_at), delete on app.prompts to qp_purger;
  grant select (expires_at), delete on app.link_codes to qp_purger;
  grant select (until), delete on app.delegations to qp_purger;
  grant select, insert on audit.entries to qp_purger;
  grant select, update (seq, hash) on audit.head to qp_purger;
  grant execute on function app.clock_now(), app.uuid_floor(timestamptz), app.drop_month(text) to qp_purger;
  grant execute on function audit.entry_hash(
    text, bigint, timestamptz, uuid, text, uuid, uuid, text, text, jsonb) to qp_purger;
end
$$;

-- Who takes backups reads all there is.
do $$
begin
  if exists (select from pg_roles where rolname = 'qp_backup') then
    grant select on all tables in schema app, audit, pii to qp_backup;
  end if;
end
$$;

select app.grant_to_app(), app.grant_to_purger();
