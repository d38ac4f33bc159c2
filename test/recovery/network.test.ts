import { expect, onTestFinished, test } from 'vitest'
import type { EngineSettings } from '../../core/engine/settings.ts'
import { Worker } from '../../core/engine/worker.ts'
import { Database } from '../../core/store/database.ts'
import { appRole } from '../../core/store/role.ts'
import { administer } from '../support/administer.ts'
import type { TestHouse } from '../support/house.ts'
import { openTestHouse, testSettings } from '../support/house.ts'
import type { Wire } from '../support/wire.ts'
import { openWire } from '../support/wire.ts'

/** A worker that reaches the house's database by a wire, and what ends it with all its connections. */
async function workBy(house: TestHouse, wire: Wire, settings: Partial<EngineSettings> = {}) {
  const db = new Database(wire.connection, {
    name: 'far',
    poolSize: 3,
    role: appRole,
    onIdleError: () => undefined,
  })
  const { people, recipes } = house.desk
  const worker = new Worker({
    db,
    people,
    recipes,
    settings: { ...testSettings, ...settings },
    log: () => undefined,
    isolate: () => Promise.resolve(),
  })
  let ended: Promise<void> | null = null
  const end = (): Promise<void> => (ended ??= worker.stop().then(() => db.close()))
  onTestFinished(end)
  await worker.begin()
  return { worker, end }
}

const connected = ({ database }: TestHouse, name: 'listen') =>
  administer(
    database.connection,
    `select from pg_stat_activity where datname = current_database() and application_name = 'far ${name}'`,
  )

test('a worker whose connection breaks while it begins to listen listens on one, and leaves none when it stops', async () => {
  const house = await openTestHouse()
  const wire = await openWire(house.database.connection)
  wire.breakAt('listen qp_ready')
  const { end } = await workBy(house, wire, { pollMs: 50 })
  await expect.poll(() => connected(house, 'listen')).not.toHaveLength(0)
  await expect.poll(() => connected(house, 'listen'), { timeout: 2_000, interval: 500 }).toHaveLength(1)
  await end()
  await expect.poll(() => connected(house, 'listen')).toHaveLength(0)
})
