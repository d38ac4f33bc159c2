-- compatible: yes (an index only)
-- transaction: no

-- A gate that is named without its run, as programs do.
create index concurrently if not exists gates_by_id on app.gates (id);
