-- compatible: yes (the same function, which now minds what is there)

-- Makes the monthly partitions of the history tables from this month to `months` ahead; may run again, and by several
-- processes at once. A month whose rows are in the default partition already stays there: moving them would lock
-- history, and retention removes them by run.
create or replace function app.ensure_partitions(months integer) returns void
  language plpgsql as $$
declare
  month timestamptz;
  parent text;
  part text;
  lower uuid;
  upper uuid;
  has_rows boolean;
begin
  perform pg_advisory_xact_lock(7081, 11);
  for i in 0..months loop
    month := date_trunc('month', app.clock_now() at time zone 'UTC') at time zone 'UTC' + make_interval(months => i);
    lower := app.uuid_floor(month);
    upper := app.uuid_floor(month + interval '1 month');
    foreach parent in array array['attempts', 'events'] loop
      part := parent || to_char(month at time zone 'UTC', '_YYYY_MM');
      if to_regclass('app.' || part) is not null then
        continue;
      end if;
      execute format('select exists (select from app.%I where run_id >= %L and run_id < %L)', parent || '_rest', lower, upper)
        into has_rows;
      if not has_rows then
        execute format('create table app.%I partition of app.%I for values from (%L) to (%L)', part, parent, lower, upper);
      end if;
    end loop;
  end loop;
end
$$;
