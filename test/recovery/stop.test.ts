import { expect, test } from 'vitest'
import { administer } from '../support/administer.ts'
import { openTestHouse } from '../support/house.ts'
import { kind, pipelineOf, startRunOf } from '../support/recipe.ts'

const calls = 100

const call = {
  model: 'acme/one',
  requestId: null,
  temperature: null,
  maxOutputTokens: 1,
  schemaSha256: null,
  prompt: null,
  question: { sha256: 'a'.repeat(64), bytes: 8, text: 'Whither?' },
  answer: null,
  tokens: null,
  costMicros: 1,
  durationMs: 1,
  outcome: 'stopped',
} as const

test('when a worker has stopped, what its calls cost is booked and every call is on record', async () => {
  const begun = Promise.withResolvers<void>()
  /** Ends as an agent does: nobody waits for what is kept of its calls. */
  const work = kind(
    async (ctx) => {
      const held = await Promise.all(Array.from({ length: calls }, () => ctx.reserve({ micros: 1, tokens: 1 }, 'call')))
      begun.resolve()
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
      for (const each of held) void each.settle({ micros: 1, tokens: 1 })
      for (const each of held) void each.record(call)
      return { kind: 'done', output: null }
    },
    { onPause: 'abort' },
  )
  const house = await openTestHouse({ agent: pipelineOf('agent', { work }) })
  const { connection } = house.database
  await administer(connection, slowBooking)
  const worker = await house.work()
  await startRunOf(house, 'agent')
  await begun.promise
  await worker.stop()
  const [standing] = await administer(
    connection,
    `select (select count(*) from app.reservations where settled_at is not null)::int as booked,
       (select count(*) from app.model_calls)::int as recorded`,
  )
  expect(standing).toEqual({ booked: calls, recorded: calls })
})

const slowBooking = `
  create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.3); return null; end $$;
  create trigger slow before update on app.reservations execute function slow()`
