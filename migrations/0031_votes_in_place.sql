-- compatible: yes (a nullable column and an index; older code votes by everybody's own authority, as it always did)

-- Whose role a vote stands on, where the voter only stands in for them; null: the voter's own.
alter table app.votes add column in_place_of uuid;

-- Everybody's authority counts once for a gate, whoever makes use of it. Not built concurrently: people made these rows,
-- one by one.
-- squawk-ignore require-concurrent-index-creation
create unique index votes_authority_once on app.votes (run_id, gate_id, coalesce(in_place_of, actor_id));
