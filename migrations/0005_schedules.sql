-- compatible: yes (new tables, nullable columns and functions; code that does not know them goes on as before)

-- ---------------------------------------------------------------- which tick of which schedule ran

-- One row per tick of a schedule, by the database's clock. Its insert is the lease; a tick that died stays without an end.
create table app.ticks (
  schedule text not null,
  tick timestamptz not null,
  started_at timestamptz not null default app.clock_now(),
  finished_at timestamptz,
  outcome text not null default 'running' check (outcome in ('running', 'done', 'failed', 'died')),
  detail jsonb not null default '{}',
  primary key (schedule, tick),
  constraint ticks_ended_when check ((finished_at is not null) = (outcome in ('done', 'failed')))
);

-- Nothing overlaps itself, whatever the processes think the time is.
create unique index ticks_running on app.ticks (schedule) where outcome = 'running';

-- ---------------------------------------------------------------- what the schedules keep

-- When people were last reminded of an open gate.
alter table app.gates add column reminded_at timestamptz;

-- What a day of a project cost, in UTC. A closed day never changes.
create table app.daily_costs (
  day date not null,
  project_id uuid,
  runs integer not null check (runs >= 0),
  spent_micros bigint not null check (spent_micros >= 0),
  spent_tokens bigint not null check (spent_tokens >= 0),
  closed_at timestamptz,
  constraint daily_costs_once unique nulls not distinct (day, project_id)
);

create index daily_costs_closed on app.daily_costs (day) where closed_at is not null;

-- Spending before version 0.2 was always nothing, so there is nothing to wait for.
-- squawk-ignore require-concurrent-index-creation
create index reservations_settled on app.reservations (settled_at) where settled_at is not null;

-- When bytes that were stored already were last saved again: a step under way may count on them.
alter table app.artifacts add column saved_at timestamptz;

-- The settings that a run works under are its artifact like any other; older runs name them only in an output.
insert into app.run_artifacts (run_id, name, step_id, sha256, size_bytes)
select a.run_id, 'quantapilot.yml', a.step_id, b.sha256, octet_length(b.bytes)
from app.attempts a join app.artifacts b on b.sha256 = a.output->>'settingsSha256'
where a.outcome = 'done'
on conflict do nothing;

-- ---------------------------------------------------------------- dropping a month of history

-- Drops the history of a month (`2026_08`) whose runs are all gone, and answers whether it did. Runs as the tables' owner,
-- so that the purger need not be; that is why it asks again what it was told. Waits half a second for its lock at most,
-- because everybody who appends history waits behind it.
create function app.drop_month(month text) returns boolean
  language plpgsql security definer
  set search_path = pg_catalog
  set lock_timeout = '500ms' as $$
declare
  first timestamptz;
  part text;
begin
  if month !~ '^\d{4}_\d{2}$' then
    raise exception 'not a month: %', month using errcode = '22023';
  end if;
  first := make_timestamptz(left(month, 4)::integer, right(month, 2)::integer, 1, 0, 0, 0, 'UTC');
  if first + interval '1 month 1 day' > app.clock_now() then
    return false;
  end if;
  if exists (select from app.runs r
             where r.id >= app.uuid_floor(first) and r.id < app.uuid_floor(first + interval '1 month')) then
    return false;
  end if;
  foreach part in array array['attempts_' || month, 'events_' || month] loop
    if exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid
               where c.oid = to_regclass('app.' || part)
                 and i.inhparent in ('app.attempts'::regclass, 'app.events'::regclass)) then
      execute format('drop table app.%I', part);
    end if;
  end loop;
  return true;
end
$$;

revoke all on function app.drop_month(text) from public;

-- ---------------------------------------------------------------- who may do what


-- All that retention may do, in one list: it removes what runs left behind, and says so in the audit. People, their
-- roles, projects and the audit stay.
create function app.grant_to_purger() returns void
  language plpgsql as $$
begin
  if not exists (select from pg_roles where rolname = 'qp_purger') then
    return;
  end if;
  -- Processes that start at once take turns.
  perform pg_advisory_xact_lock(7081, 7);
  revoke all on all tables in schema app, audit, pii from qp_purger;
  grant usage on schema app, audit, pii to qp_purger;
  grant select, delete on app.runs, app.plans, app.attempts, app.events, app.gates, app.votes, app.signals, app.outbox,
    app.effects, app.budgets, app.reservations, app.run_artifacts, app.artifacts, app.ticks to qp_purger;
  grant select (id), delete on pii.remarks to qp_purger;
  grant select, insert on audit.entries to qp_purger;
  grant select, update (seq, hash) on audit.head to qp_purger;
  grant execute on function app.clock_now(), app.uuid_floor(timestamptz), app.drop_month(text) to qp_purger;
  grant execute on function audit.entry_hash(
    text, bigint, timestamptz, uuid, text, uuid, uuid, text, text, jsonb) to qp_purger;
end
$$;

-- As for qp_app: whoever made the role without being a superuser is not yet let into it.
do $$
declare
  becoming text := case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end;
begin
  if exists (select from pg_roles r where r.rolname = 'qp_purger' and not pg_has_role(r.oid, becoming)) then
    grant qp_purger to current_user;
  end if;
exception when insufficient_privilege or unique_violation then
  null;
end
$$;

select app.grant_to_purger();
