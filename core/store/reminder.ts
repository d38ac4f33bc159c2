import { z } from 'zod'
import { uuidv7 } from './uuid.ts'
import type { Database } from './database.ts'
import { statement } from './statement.ts'

const remindOfGates = statement({
  name: 'remind_of_gates',
  params: ['ids'],
  row: z.object({ runId: z.string() }),
  sql: `
    with due as materialized (
      select g.run_id, g.id from app.gates g
      where g.verdict is null and (g.expires_at is null or g.expires_at > app.clock_now())
        and coalesce(g.reminded_at, g.opened_at)
          + (g.policy->>'remindEveryMs')::float8 * interval '1 millisecond' <= app.clock_now()
        -- Nobody can decide for a run that is paused.
        and (g.kind = 'budget' or (select r.state from app.runs r where r.id = g.run_id) = 'waiting')
      order by g.opened_at, g.id
      limit cardinality(:ids::uuid[])
      for no key update of g skip locked
    ),
    reminded as (
      update app.gates g set reminded_at = app.clock_now()
      where g.run_id = any(array(select due.run_id from due)) and g.id = any(array(select due.id from due))
      returning g.run_id, g.id, g.name, (extract(epoch from app.clock_now() - g.opened_at) * 1000)::bigint as waited_ms
    ),
    told as (
      select reminded.*, (:ids::uuid[])[row_number() over (order by reminded.id)] as message from reminded
    )
    insert into app.outbox (run_id, id, topic, payload)
    select told.run_id, told.message, 'gate_reminder',
      jsonb_build_object('gate', told.name, 'gate_id', told.id, 'waited_ms', told.waited_ms)
    from told
    returning run_id`,
})

/** Writes a message for each open gate whose people should hear of it again, once per interval. Answers how many. */
export async function remindOfOpenGates(db: Database, most: number): Promise<number> {
  return (await db.run(remindOfGates, { ids: Array.from({ length: most }, uuidv7) })).length
}
