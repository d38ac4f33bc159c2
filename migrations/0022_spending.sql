-- compatible: yes (a new table, and a new column with a default; code that does not know them holds runs to their own cap only)

-- What is spent and reserved at every level above and below a run: a step, a milestone, a project's day, a person's day, the
-- instance's day, hour and minute. Caps are configuration and come with each reservation; a level nobody caps has no row.
create table app.spending (
  level text not null check (level in ('step', 'task', 'project-day', 'actor-day', 'instance-day', 'hour', 'minute')),
  -- What it is about and, where it is a time, which: `4f2a…:2026-11-24`.
  key text not null,
  spent_micros bigint not null default 0 check (spent_micros >= 0),
  spent_tokens bigint not null default 0 check (spent_tokens >= 0),
  reserved_micros bigint not null default 0 check (reserved_micros >= 0),
  reserved_tokens bigint not null default 0 check (reserved_tokens >= 0),
  begun_at timestamptz not null default app.clock_now(),
  primary key (level, key)
) with (fillfactor = 50);

-- At which levels a reservation counts: settled at the same, whatever the day is by then.
alter table app.reservations add column levels jsonb not null default '[]';

-- Whose commit it is that a code host's checks report on. Effects are a few rows per run.
-- squawk-ignore require-concurrent-index-creation
create index effects_commits on app.effects ((result->>'commit')) where kind = 'branch';
