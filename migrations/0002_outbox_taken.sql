-- compatible: yes (a column with a default; code that does not know it sends and marks in one transaction as before)

-- Until when a relay has a message. It sends outside any transaction, so the row is not locked meanwhile.
alter table app.outbox add column taken_until timestamptz not null default '-infinity';
