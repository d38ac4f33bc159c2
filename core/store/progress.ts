import { z } from 'zod'
import { statement } from './statement.ts'

/** Writes what steps say they are doing over what their runs said before, for runs that are there. */
export const sayProgress = statement({
  name: 'say_progress',
  params: ['said'],
  row: z.object({ runId: z.string() }),
  sql: `
    insert into app.progress as p (run_id, step_id, text)
    select s.run, s.step, s.text
    from (select set_config('synchronous_commit', 'off', true)) o
    cross join json_to_recordset(:said::json) as s(run uuid, step text, text text)
    -- Looked up one by one, however many the server takes them for.
    cross join lateral (select r.id from app.runs r where r.id = s.run offset 0) r
    order by s.run
    on conflict (run_id) do update set step_id = excluded.step_id, text = excluded.text, n = p.n + 1, at = app.clock_now()
    where (p.step_id, p.text) is distinct from (excluded.step_id, excluded.text)
    returning p.run_id`,
})
