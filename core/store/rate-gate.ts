import { z } from 'zod'
import type { RateGate } from '../ports.ts'
import type { Database } from './database.ts'
import { statement } from './statement.ts'

/** How long a gate stays closed, by the database's clock; no row when nothing ever closed it. */
const readGate = statement({
  name: 'read_rate_gate',
  params: ['key'],
  row: z.object({ waitMs: z.number() }),
  sql: `
    select greatest(extract(epoch from g.closed_until - app.clock_now()) * 1000, 0)::float8 as wait_ms
    from app.rate_gates g where g.key = :key::text`,
})

/** Closes a gate for so long; one that is closed for longer stays so. */
const closeGate = statement({
  name: 'close_rate_gate',
  params: ['key', 'forMs'],
  row: z.object({ key: z.string() }),
  sql: `
    insert into app.rate_gates (key, closed_until)
    values (:key::text, app.clock_now() + :forMs::float8 * interval '1 millisecond')
    on conflict (key) do update set closed_until = greatest(rate_gates.closed_until, excluded.closed_until)
    returning key`,
})

/** How far apart those come back who were turned away: twenty a second, whatever their number. */
const turnMs = 50

/** Takes the next turn after a closed gate opens; no row when it has opened by now. */
const takeTurn = statement({
  name: 'turn_rate_gate',
  params: ['key', 'turnMs'],
  row: z.object({ waitMs: z.number() }),
  sql: `
    update app.rate_gates g
    set next_turn = greatest(g.next_turn, g.closed_until) + :turnMs::float8 * interval '1 millisecond'
    where g.key = :key::text and g.closed_until > app.clock_now()
    returning (extract(epoch from g.next_turn - app.clock_now()) * 1000)::float8 as wait_ms`,
})

/** One gate for all processes on this database. `key` names who is limited, and holds no secret. */
export const openRateGate = (db: Database, key: string): RateGate => ({
  waitMs: async () => {
    const [gate] = await db.run(readGate, { key })
    if (!gate || gate.waitMs === 0) return 0
    return (await db.run(takeTurn, { key, turnMs }))[0]?.waitMs ?? 0
  },
  close: async (forMs) => void (await db.run(closeGate, { key, forMs })),
})
