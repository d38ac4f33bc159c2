-- compatible: yes (a new table; code that does not know it learns of each limit by itself)

-- Until when a vendor wants no more calls, by whom it limits: every process asks here before it calls.
create table app.rate_gates (
  key text primary key,
  closed_until timestamptz not null
) with (fillfactor = 50);
