-- compatible: yes (older code that is asked for the same retry twice fails the second time instead of starting it)

-- Of several retries of one run the newest stays its retry; the others are runs of their own.
update app.runs r set retry_of = null
where r.retry_of is not null
  and exists (select from app.runs later where later.retry_of = r.retry_of and later.number > r.number);

-- A run that is retried as another one is so once. Not built concurrently: few rows, if any, are in it.
-- squawk-ignore require-concurrent-index-creation
create unique index runs_one_retry on app.runs (retry_of) where retry_of is not null;
