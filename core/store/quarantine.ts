import { z } from 'zod'
import { statement } from './statement.ts'

/** Puts an event aside that could not be taken in. */
export const insertQuarantine = statement({
  name: 'insert_quarantine',
  params: ['source', 'deliveryId', 'body', 'why'],
  row: z.object({ deliveryId: z.string() }),
  sql: `
    insert into app.quarantine (source, delivery_id, body, why)
    values (:source::text, :deliveryId::text, coalesce(:body::jsonb, 'null'), :why::text)
    on conflict (source, delivery_id) do nothing
    returning delivery_id`,
})
