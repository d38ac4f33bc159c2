-- compatible: yes (an index only)
-- transaction: no

-- Earlier runs of a project, from which the next one is estimated. Neither column ever changes.
create index concurrently if not exists runs_of_project on app.runs (project_id, number desc);
