import { expect, onTestFinished } from 'vitest'
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

/**
 * Runs that each ask GitHub something, in two workers whose clients share nothing but the database, while GitHub takes so
 * many calls in each window. Answers with what GitHub counted, and how long it took to end all runs once it was well.
 */
export async function weather({ runs, stormMs, slots, windowMs }: Storm) {
  const fake = await startGitHub()
  const shop = await fake.repository('olivia/shop', { 'README.md': '# Shop\n' })
  const token = fake.personalToken()
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
    clients.push(fake.as({ kind: 'token', token }, { gate: openRateGate(db, 'github storm') }))
    await house.work()
  }
  const pace: Pace = { slots, windowMs, since: performance.now(), used: 0, refusedAt: null, calls: 0, early: 0 }
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
  return { calls: pace.calls, early: pace.early, during, afterMs: performance.now() - healed }
}
