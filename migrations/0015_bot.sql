-- compatible: yes (an index only)
-- transaction: no

-- Whether somebody's denial is noted already, however long the chain is.
create index concurrently if not exists entries_denied on audit.entries (actor_id, at) where action = 'access.deny';
