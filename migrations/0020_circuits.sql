-- compatible: yes (a new table and a new column with a default; code that does not know them finds out about each outage by itself, and does not take turns)

-- Who is down, by whoever calls them: after five failures in a row nobody calls for a minute, then three may try.
create table app.circuits (
  key text primary key,
  -- In a row, since the last answer.
  failures integer not null default 0 check (failures >= 0),
  -- Null: closed, calls go through. Past: half open.
  open_until timestamptz,
  -- Calls let through since it is half open, when the last of them was, and how many of them were answered.
  trials integer not null default 0 check (trials >= 0),
  tried_at timestamptz not null default '-infinity',
  passed integer not null default 0 check (passed >= 0)
) with (fillfactor = 50);

-- Whoever is turned away at a closed gate gets a turn after it opens, one after the other.
alter table app.rate_gates add column next_turn timestamptz not null default '-infinity';
