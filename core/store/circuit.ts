import { z } from 'zod'
import type { Circuit } from '../ports.ts'
import type { Executor } from './database.ts'
import { statement } from './statement.ts'

/** So many failures in a row open a circuit, for so long; then so many calls may try, and as many answers close it. */
const failuresToOpen = 5
const openMs = 60_000
const trialsToClose = 3

/** Whether it is closed, and how long it stays open; no row when nothing ever failed. */
const readCircuit = statement({
  name: 'read_circuit',
  params: ['key'],
  row: z.object({ isClosed: z.boolean(), waitMs: z.number() }),
  sql: `
    select c.open_until is null as is_closed,
      coalesce(greatest(extract(epoch from c.open_until - app.clock_now()) * 1000, 0), 0)::float8 as wait_ms
    from app.circuits c where c.key = :key::text`,
})

/** Takes one of the trials of a circuit that is half open; no row when all are taken. A trial nobody came back from lapses. */
const tryCircuit = statement({
  name: 'try_circuit',
  params: ['key', 'most', 'lapseMs'],
  row: z.object({ trials: z.number() }),
  sql: `
    update app.circuits c set tried_at = app.clock_now(),
      trials = case when c.tried_at < app.clock_now() - :lapseMs::float8 * interval '1 millisecond' then 1
        else c.trials + 1 end
    where c.key = :key::text and c.open_until <= app.clock_now()
      and (c.trials < :most::integer or c.tried_at < app.clock_now() - :lapseMs::float8 * interval '1 millisecond')
    returning c.trials`,
})

/** So many more failures. What was on its way when the circuit opened keeps it open no longer. */
const failCircuit = statement({
  name: 'fail_circuit',
  params: ['key', 'count', 'most', 'openMs'],
  row: z.object({ failures: z.number() }),
  sql: `
    insert into app.circuits as c (key, failures, open_until)
    values (:key::text, :count::integer, case
      when :count::integer >= :most::integer then app.clock_now() + :openMs::float8 * interval '1 millisecond' end)
    on conflict (key) do update set failures = c.failures + excluded.failures, trials = 0, passed = 0,
      open_until = case
        when c.open_until > app.clock_now() then c.open_until
        when c.open_until is not null or c.failures + excluded.failures >= :most::integer
          then app.clock_now() + :openMs::float8 * interval '1 millisecond'
      end
    returning c.failures`,
})

/** An answer: a closed circuit forgets its failures, and one that is half open closes after enough of them. */
const passCircuit = statement({
  name: 'pass_circuit',
  params: ['key', 'most'],
  row: z.object({ isClosed: z.boolean() }),
  sql: `
    update app.circuits c set passed = case when c.open_until is null then 0 else c.passed + 1 end,
      failures = case when c.open_until is null or c.passed + 1 >= :most::integer then 0 else c.failures end,
      open_until = case when c.passed + 1 >= :most::integer then null else c.open_until end
    where c.key = :key::text and c.failures > 0 and (c.open_until is null or c.open_until <= app.clock_now())
    returning c.open_until is null as is_closed`,
})

/** One circuit for all processes on this database. `key` names who may be down, and holds no secret. */
export const openCircuit = (db: Executor, key: string): Circuit => ({
  enter: async () => {
    const [circuit] = await db.run(readCircuit, { key })
    if (!circuit || circuit.isClosed) return 0
    if (circuit.waitMs > 0) return circuit.waitMs
    const [trial] = await db.run(tryCircuit, { key, most: trialsToClose, lapseMs: openMs })
    return trial ? 0 : trialWaitMs
  },
  waitMs: async () => {
    const [circuit] = await db.run(readCircuit, { key })
    return circuit && !circuit.isClosed ? circuit.waitMs : 0
  },
  failed: gathered(async (count) => void (await db.run(failCircuit, { key, count, most: failuresToOpen, openMs }))),
  passed: async () => void (await db.run(passCircuit, { key, most: trialsToClose })),
})

/** What comes while the last is under way goes together: there is one row for all of it. */
function gathered(send: (count: number) => Promise<void>): () => Promise<void> {
  let waiting = 0
  let next: Promise<void> | null = null
  let last = Promise.resolve()
  const sendWaiting = (): Promise<void> => {
    const count = waiting
    waiting = 0
    next = null
    last = send(count)
    return last
  }
  return () => {
    waiting++
    next ??= last.then(sendWaiting, sendWaiting)
    return next
  }
}

/** When to ask again while others try. */
const trialWaitMs = 5_000
