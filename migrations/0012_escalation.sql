-- compatible: yes (a nullable column; code that does not know it neither escalates nor heeds it)

-- Since when the roles that a gate was escalated to may decide it too. Set once.
alter table app.gates add column escalated_at timestamptz;
