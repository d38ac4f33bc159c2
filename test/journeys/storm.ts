import { expect, onTestFinished } from 'vitest'
import type { RateGate } from '../../core/ports.ts'
import { openRateGate } from '../../core/store/rate-gate.ts'
import { startGitHub } from '../support/github/github.ts'
import type { Pace } from '../support/github/state.ts'
import { openTestHouse } from '../support/house.ts'
import { administer } from '../support/administer.ts'
import { kind, pipelineOf, startRunOf } from '../support/recipe.ts'
import { Database } from '../../core/store/database.ts'
import { appRole } from '../../core/store/role.ts'

export type Storm = {
  readonly runs: number
  readonly stormMs: number
  /** What GitHub takes, until the storm is over. */
  readonly slots: number
  readonly windowMs: number
}

type Log = { passed: number; early: number; readonly closed: { readonly from: number; readonly until: number }[] }

/**
 * A gate that counts whom it let through, and who of them was `early`: asked when all could know that it was closed, and
 * was through before it opened. Whoever asked before that is on the way, however long it takes.
 */
function counted(gate: RateGate, log: Log): RateGate {
  return {
    waitMs: async () => {
      const asked = performance.now()
      const waitMs = await gate.waitMs()
      if (waitMs > 0) return waitMs
      log.passed++
      const now = performance.now()
      if (log.closed.some(({ from, until }) => from < asked && now < until)) log.early++
      return waitMs
    },
    close: async (forMs) => {
      const until = performance.now() + forMs
      await gate.close(forMs)
      log.closed.push({ from: performance.now(), until })
    },
  }
}

/**
 * Runs that each ask GitHub something, in two workers whose clients share nothing but the database, while GitHub takes so
 * many calls in each window. Answers with what GitHub and the gate counted (`unasked`: calls that asked no gate), and how
 * long it took to end all runs once it was well.
 */
export async function weather({ runs, stormMs, slots, windowMs }: Storm) {
  const fake = await startGitHub()
  const shop = await fake.repository('olivia/shop', { 'README.md': '# Shop\n' })
  const token = fake.personalToken()
  const log: Log = { passed: 0, early: 0, closed: [] }
  const clients: ReturnType<typeof fake.as>[] = []
  let asked = 0
  const ask = kind(async (ctx) => {
    const client = clients[asked++ % clients.length]
    await client?.codeHost.protection(shop.address, 'main', ctx.signal)
    return { kind: 'done', output: null }
  })
  const house = await openTestHouse({ asker: pipelineOf('asker', { ask }) })
  for (const name of ['one', 'two']) {
    const db = new Database(house.database.connection, {
      name,
      poolSize: 4,
      role: appRole,
      onIdleError: () => undefined,
    })
    onTestFinished(() => db.close())
    clients.push(fake.as({ kind: 'token', token }, { gate: counted(openRateGate(db, 'github storm'), log) }))
    await house.work()
  }
  const pace: Pace = { slots, windowMs, since: performance.now(), used: 0, calls: 0 }
  fake.state.pace = pace
  for (let n = 0; n < runs; n++) await startRunOf(house, 'asker')
  const count = async (): Promise<Readonly<Record<string, unknown>>> => {
    const [row] = await administer(
      house.database.connection,
      `select count(*) filter (where state = 'succeeded')::integer as succeeded,
         count(*) filter (where state not in ('succeeded', 'waiting', 'running', 'queued'))::integer as lost,
         (select coalesce(sum(spent_micros + reserved_micros), 0)::integer from app.budgets) as charged
       from app.runs`,
    )
    return row ?? {}
  }
  const over = performance.now() + stormMs
  await expect.poll(() => performance.now() > over, { timeout: stormMs + 1_000, interval: 50 }).toBe(true)
  const during = await count()
  fake.state.pace = null
  const healed = performance.now()
  await expect.poll(count, { timeout: 60_000, interval: 50 }).toEqual({ succeeded: runs, lost: 0, charged: 0 })
  const unasked = fake.state.requests.length - log.passed
  return { calls: pace.calls, early: log.early, unasked, during, afterMs: performance.now() - healed }
}
