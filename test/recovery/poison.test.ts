import { join, resolve } from 'node:path'
import { findProcess } from '../../adapters/process/process-table.ts'
import { expect, test } from 'vitest'
import { administer } from '../support/administer.ts'
import type { TestHouse } from '../support/house.ts'
import { agreed, cardWhen, isAtEnd } from '../support/house.ts'
import { dangerous, triesIn } from '../support/poison.ts'
import { openState, qp, superviseWorker, until } from '../support/program.ts'

const launcher = resolve(import.meta.dirname, '../support/qp-with-poison.ts')

async function start(house: TestHouse, pipeline: keyof typeof dangerous, input = { target: '-', branch: '' }) {
  const reply = agreed(await house.ask({ kind: 'run', pipeline, ...input, dryRun: false, confirm: false }))
  if (reply.kind !== 'started') throw new Error(reply.kind)
  return reply.card.handle
}

/** Every process that ever registered to work on the house's database. */
async function workersOf({ database }: TestHouse): Promise<readonly number[]> {
  const rows = await administer(database.connection, 'select description from app.workers')
  return rows.map(({ description }) => Number(/ pid (\d+)$/.exec(String(description))?.[1]))
}

/** Those that still run; one that nobody has waited for is no longer one. */
const alive = async (pids: readonly number[]): Promise<readonly unknown[]> =>
  (await Promise.all(pids.map(findProcess))).filter((entry) => entry !== null)

test('a run that kills its process is tried alone and then parked, and every other run ends well', {
  timeout: 120_000,
}, async () => {
  const house = await openState(launcher, dangerous)
  const tries = join(house.dir, 'tries')
  const neighbours = [await start(house, 'healthy'), await start(house, 'healthy')]
  const poison = await start(house, 'poison', { target: tries, branch: '99' })
  neighbours.push(await start(house, 'healthy'), await start(house, 'healthy'))

  const worker = await superviseWorker(house)
  await until(async () => (await triesIn(tries)).length > 2, 'the run has been tried alone')
  const survivor = worker.processes.at(-1)
  neighbours.push(await start(house, 'healthy'), await start(house, 'healthy'))
  for (const handle of neighbours) {
    await until(async () => isAtEnd(await cardWhen(house, handle, () => true)), `run ${handle} is over`)
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  }
  await until(async () => (await cardWhen(house, poison, () => true)).state === 'paused', 'the run is parked')

  const pids = await triesIn(tries)
  expect(pids, 'two deaths among others and three alone').toHaveLength(5)
  expect(new Set(pids).size, 'each in a process of its own').toBe(5)
  expect(worker.processes.map(({ pid }) => pid).slice(0, 2)).toEqual(pids.slice(0, 2))
  expect(worker.processes.at(-1), 'nothing has died since but the lone ones').toBe(survivor)

  const said = await qp(house, 'status', poison)
  expect(said.out).toContain("‖ paused: The run's worker died 3 times while it ran nothing else.")
  expect(said.out).toContain(`Next: qp logs ${poison}, then qp retry ${poison} or qp cancel ${poison}`)
  expect(said).toMatchObject({ exitCode: 0, err: '' })

  expect(await worker.stop()).toBe(0)
  expect(await alive(await workersOf(house))).toEqual([])
})

test('a worker that stops ends the process of a lone run too, and the run waits for the next worker', {
  timeout: 90_000,
}, async () => {
  const house = await openState(launcher, dangerous)
  const tries = join(house.dir, 'tries')
  const poison = await start(house, 'poison', { target: tries, branch: '2' })
  const worker = await superviseWorker(house)
  await until(async () => (await triesIn(tries)).length === 3, 'the run is being tried alone')
  const [alone] = (await triesIn(tries)).slice(-1)
  expect(worker.processes.at(-1)?.pid).not.toBe(alone)

  expect(await worker.stop()).toBe(0)
  expect(await alive(await workersOf(house))).toEqual([])
  expect(await cardWhen(house, poison, (card) => card.state === 'queued')).toMatchObject({ tries: 0 })
})
