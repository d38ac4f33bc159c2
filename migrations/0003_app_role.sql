-- compatible: yes (grants only; code that does not know of the role goes on as the owner)

-- All that the running program may do, in one list: read, append, and change the columns whose change is its work.
-- It deletes nothing and makes nothing. A later migration that needs more replaces this function and calls it. It takes
-- back before it gives, because the first grants reached the default partitions of history, and through them its rows.
-- Without the role there is nothing to do.
create function app.grant_to_app() returns void
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

  -- Written once and never changed.
  grant select, insert on app.actors, app.actor_roles, app.plans, app.attempts, app.events, app.votes, app.artifacts,
    app.run_artifacts, audit.entries, pii.accounts, pii.remarks to qp_app;

  -- Written, and changed in what is named. Who started a run, and which bytes a gate showed, is not.
  grant select, insert, update (name) on app.projects to qp_app;
  grant select, insert, update (state, beat_at) on app.workers to qp_app;
  grant select, insert, update (
    state, waiting_for, waiting_name, paused_from, ending, reason_code, reason, interrupt, plan_version, position, attempt,
    failures, verdicts, resume, fence, version, event_seq, worker_id, queued_at, due_at, deadline_at, lock_state,
    signals_pending, deaths, deaths_alone, alone, finished_at) on app.runs to qp_app;
  grant select, insert, update (verdict, decided_by, decided_role, decided_on_surface, remark_id, decided_at)
    on app.gates to qp_app;
  grant select, insert, update (consumed_at) on app.signals to qp_app;
  grant select, insert on app.inbox to qp_app;
  grant select, insert, update (sent_at, taken_until) on app.outbox to qp_app;
  grant select, insert, update (state, result, done_at) on app.effects to qp_app;
  grant select, insert, update (cap_micros, cap_tokens, spent_micros, spent_tokens, reserved_micros, reserved_tokens)
    on app.budgets to qp_app;
  grant select, insert, update (spent_micros, spent_tokens, settled_at) on app.reservations to qp_app;

  grant select, update (seq, hash) on audit.head to qp_app;

  -- So that a login which is only this role can see that there is nothing to migrate.
  grant select on public.schema_migrations to qp_app;
end
$$;

-- Whoever made the role without being a superuser is not yet let into it. Where the role is somebody else's, an
-- administrator decides; the same grant, made at once for another database of this server, is as good as ours.
do $$
declare
  becoming text := case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end;
begin
  if exists (select from pg_roles r where r.rolname = 'qp_app' and not pg_has_role(r.oid, becoming)) then
    grant qp_app to current_user;
  end if;
exception when insufficient_privilege or unique_violation then
  null;
end
$$;

select app.grant_to_app();
