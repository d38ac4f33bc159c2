-- compatible: yes (an index only; older code asks for money once at a time by itself)
-- transaction: no

-- A run has one open request for money at a time: a person's own stands.
create unique index concurrently if not exists gates_one_request on app.gates (run_id) where kind = 'budget' and verdict is null;
