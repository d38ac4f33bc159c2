import { expect, onTestFinished, test } from 'vitest'
import { administer } from './administer.ts'
import { createTestDatabase, freezeClock, releaseClock } from './postgres.ts'

test('a test has a migrated database of its own', async () => {
  const [one, two] = await Promise.all([createTestDatabase(), createTestDatabase()])
  onTestFinished(async () => void (await Promise.all([one.drop(), two.drop()])))
  await administer(one.connection, `delete from app.actors`)
  const [row] = await administer(two.connection, `select count(*)::int as actors from app.actors`)
  expect(row).toEqual({ actors: 1 })
})

test('the database clock can be stopped, moved and released', async () => {
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  const now = async () => (await administer(database.connection, 'select app.clock_now() as now'))[0]?.['now']
  await freezeClock(database, new Date('2030-01-01T00:00:00Z'))
  expect(await now()).toEqual(new Date('2030-01-01T00:00:00Z'))
  await freezeClock(database, new Date('2030-01-02T00:00:00Z'))
  expect(await now()).toEqual(new Date('2030-01-02T00:00:00Z'))
  await releaseClock(database)
  expect(await now()).not.toEqual(new Date('2030-01-02T00:00:00Z'))
})
