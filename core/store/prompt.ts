import { z } from 'zod'
import { statement } from './statement.ts'

/** Keeps a decision that waits for its words. */
export const insertPrompt = statement({
  name: 'insert_prompt',
  params: ['destination', 'prompt', 'actor', 'command'],
  row: z.object({ prompt: z.string() }),
  sql: `
    insert into app.prompts (destination_id, prompt, actor_id, command)
    values (:destination::uuid, :prompt::text, :actor::uuid, :command::jsonb)
    on conflict (destination_id, prompt) do nothing
    returning prompt`,
})

/** The decision that waits under a message for this person's words; it stays until it is taken. */
export const takePrompt = statement({
  name: 'take_prompt',
  params: ['destination', 'prompt', 'actor'],
  row: z.object({ command: z.json() }),
  sql: `
    update app.prompts p set taken_at = app.clock_now()
    where p.destination_id = :destination::uuid and p.prompt = :prompt::text and p.actor_id = :actor::uuid
    returning p.command`,
})
