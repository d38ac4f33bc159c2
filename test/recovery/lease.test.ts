import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Lease } from '../../core/engine/lease.ts'
import { Shift } from '../../core/engine/shift.ts'
import { uuidv7 } from '../../core/store/uuid.ts'
import { buryWorkers } from '../../core/store/worker.ts'
import { administer } from '../support/administer.ts'
import { openTestHouse, testSettings } from '../support/house.ts'

const open = `select from pg_stat_activity where datname = current_database() and application_name like '%heartbeat'`

test('a lease that is stopped while its heartbeat connects leaves no connection that keeps the process alive', async () => {
  const house = await openTestHouse()
  for (let ms = 1; ms <= 20; ms++) {
    const lease = new Lease(house.db, uuidv7(), { leaseMs: 60_000, beatMs: 1 })
    lease.start()
    await delay(ms)
    await lease.stop()
  }
  await expect.poll(() => administer(house.database.connection, open), { timeout: 5_000 }).toHaveLength(0)
})

test('a worker that is stopped while it begins anew after a lost lease leaves nothing that beats', async () => {
  const house = await openTestHouse()
  const { connection } = house.database
  const worker = await house.work({ beatMs: 10 })
  await administer(connection, slowRegistration)
  await administer(connection, `update app.workers set state = 'dead' where state = 'live'`)
  await delay(150)
  await worker.stop()
  await delay(600)
  expect(await administer(connection, `select from app.workers where state = 'live'`)).toEqual([])
  expect(await administer(connection, open)).toEqual([])
})

test('a worker that took long to register is not over for others before it is for itself', async () => {
  const house = await openTestHouse()
  await administer(house.database.connection, slowRegistration)
  const shift = await Shift.begin({
    db: house.db,
    people: house.desk.people,
    recipes: house.desk.recipes,
    settings: { ...testSettings, leaseMs: 1_000, beatMs: 600_000 },
    log: () => undefined,
    onParked: () => undefined,
  })
  expect(shift.room).toBeGreaterThan(0)
  while ((await house.db.run(buryWorkers, {})).length === 0) await delay(5)
  expect(shift.room).toBe(0)
  await shift.abandon()
})

/** Makes the beginning of a shift last long enough to be met by a stop. */
const slowRegistration = `
  create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.5); return new; end $$;
  create trigger slow before insert on app.workers for each row execute function slow()`
