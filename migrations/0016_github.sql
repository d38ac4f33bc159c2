-- compatible: yes (an index; code that does not know it never asks this way)

-- Runs by the pull request that they opened, for what GitHub says about it afterwards. Effects are a few rows per run,
-- so that building it takes seconds at most.
-- squawk-ignore require-concurrent-index-creation
create index effects_pull_request on app.effects ((result ->> 'url')) where kind = 'pull_request';
