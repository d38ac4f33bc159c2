import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import type { RunningProcess } from '../../adapters/process/run.ts'
import { runProcess, startProcess } from '../../adapters/process/run.ts'
import { administer } from '../support/administer.ts'
import type { TestHouse } from '../support/house.ts'
import { agreed, cardWhen, isAtEnd, openTestHouse } from '../support/house.ts'
import { dangerous, triesIn } from '../support/poison.ts'
import { createStateFolder } from '../support/postgres.ts'

const launcher = resolve(import.meta.dirname, '../support/qp-with-poison.ts')

type State = TestHouse & { readonly stateDir: string }

/** A house in a state folder, which the processes of a test share. */
async function openState(): Promise<State> {
  const database = await createStateFolder()
  return { ...(await openTestHouse(dangerous, database)), stateDir: database.stateDir }
}

/** The program in the house's state folder, under the engine's test profile. */
const program = ({ dir, stateDir }: State, ...args: readonly string[]) => ({
  command: process.execPath,
  args: [launcher, ...args],
  cwd: dir,
  env: {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: dir,
    QP_STATE_DIR: stateDir,
    QP_LEASE_MS: '3000',
    QP_BEAT_MS: '1000',
    QP_REAP_MS: '1000',
    QP_POLL_MS: '50',
  },
})

/** A worker process that is started again whenever it dies, as an operator's supervisor would. */
type Supervised = {
  /** Every process there has been, the last one under way. */
  readonly processes: readonly RunningProcess[]
  /** Lets the last one end in order; answers with its exit code. */
  stop(): Promise<number>
}

async function superviseWorker(house: State): Promise<Supervised> {
  const processes: RunningProcess[] = []
  let stopping = false
  const start = async (): Promise<void> => {
    const worker = await startProcess(program(house, 'start'))
    processes.push(worker)
    void worker.exited.then(() => (stopping ? undefined : start()))
  }
  const stop = async (): Promise<number> => {
    stopping = true
    const exit = await processes.at(-1)?.kill({ graceMs: 20_000 })
    return exit?.exitCode ?? -1
  }
  await start()
  onTestFinished(async () => void (await stop()))
  return { processes, stop }
}

async function start(house: TestHouse, pipeline: keyof typeof dangerous, input = { target: '-', branch: '' }) {
  const reply = agreed(await house.ask({ kind: 'run', pipeline, ...input, dryRun: false, confirm: false }))
  if (reply.kind !== 'started') throw new Error(reply.kind)
  return reply.card.handle
}

async function until(isThere: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 40_000
  while (!(await isThere())) {
    if (performance.now() > deadline) throw new Error(`it never came to this: ${what}`)
    await delay(50)
  }
}

/** Every process that ever registered to work on the house's database. */
async function workersOf({ database }: TestHouse): Promise<readonly number[]> {
  const rows = await administer(database.connection, 'select description from app.workers')
  return rows.map(({ description }) => Number(/ pid (\d+)$/.exec(String(description))?.[1]))
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('a run that kills its process is tried alone and then parked, and every other run ends well', {
  timeout: 120_000,
}, async () => {
  const house = await openState()
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

  const limits = { timeoutMs: 30_000, maxOutputBytes: 100_000 }
  const said = await runProcess({ ...program(house, 'status', poison), ...limits })
  expect(said.stdout.toString()).toContain("‖ paused: The run's worker died 3 times while it ran nothing else.")
  expect(said.stdout.toString()).toContain(`Next: qp logs ${poison}, then qp retry ${poison} or qp cancel ${poison}`)
  expect(said).toMatchObject({ exitCode: 0 })

  expect(await worker.stop()).toBe(0)
  expect((await workersOf(house)).filter(isAlive)).toEqual([])
})

test('a worker that stops ends the process of a lone run too, and the run waits for the next worker', {
  timeout: 90_000,
}, async () => {
  const house = await openState()
  const tries = join(house.dir, 'tries')
  const poison = await start(house, 'poison', { target: tries, branch: '2' })
  const worker = await superviseWorker(house)
  await until(async () => (await triesIn(tries)).length === 3, 'the run is being tried alone')
  const [alone] = (await triesIn(tries)).slice(-1)
  expect(worker.processes.at(-1)?.pid).not.toBe(alone)

  expect(await worker.stop()).toBe(0)
  expect((await workersOf(house)).filter(isAlive)).toEqual([])
  expect(await cardWhen(house, poison, (card) => card.state === 'queued')).toMatchObject({ tries: 0 })
})
