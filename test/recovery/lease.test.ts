import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Lease } from '../../core/engine/lease.ts'
import { uuidv7 } from '../../core/store/uuid.ts'
import { administer } from '../support/administer.ts'
import { openTestHouse } from '../support/house.ts'

test('a lease that is stopped while its heartbeat connects leaves no connection that keeps the process alive', async () => {
  const house = await openTestHouse()
  for (let ms = 1; ms <= 20; ms++) {
    const lease = new Lease(house.db, uuidv7(), { leaseMs: 60_000, beatMs: 1 })
    lease.start()
    await delay(ms)
    await lease.stop()
  }
  const open = `select from pg_stat_activity where datname = current_database() and application_name like '%heartbeat'`
  await expect.poll(() => administer(house.database.connection, open), { timeout: 5_000 }).toHaveLength(0)
})
