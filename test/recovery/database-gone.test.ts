import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startProcess } from '../../adapters/process/run.ts'
import { countLiveWorkers } from '../../core/store/worker.ts'
import { cardWhen, isAtGate, makeRepository } from '../support/house.ts'
import type { State } from '../support/program.ts'
import { openState, program, superviseWorker, until } from '../support/program.ts'

const postmasterOf = async ({ stateDir }: State): Promise<number> =>
  Number((await readFile(join(stateDir, 'pg/data/postmaster.pid'), 'utf8')).split('\n')[0])

/** PostgreSQL's "immediate" stop: what a crash leaves behind. */
async function killDatabase(state: State): Promise<number> {
  const killed = await postmasterOf(state)
  process.kill(killed, 'SIGQUIT')
  return killed
}

const isUp = (state: State): Promise<void> =>
  until(async () => {
    const [row] = await state.db.run(countLiveWorkers, {}).catch(() => [])
    return row?.live === 1
  }, 'the worker is up')

test('a worker starts its embedded database again when that was killed, and goes on', { timeout: 90_000 }, async () => {
  const state = await openState()
  const folder = await makeRepository(state, 'shop', { 'README.md': '# Shop\n\nThe shop must sell bread.\n' })
  const worker = await superviseWorker(state)
  await isUp(state)
  const killed = await killDatabase(state)
  const run = { kind: 'run', branch: null, pipeline: 'factory', dryRun: false, confirm: false } as const
  let handle = ''
  await until(async () => {
    const reply = await state.ask({ ...run, target: folder }).catch(() => null)
    if (reply?.ok && reply.value.kind === 'started') handle = reply.value.card.handle
    return handle !== ''
  }, 'the database takes a run')
  expect((await cardWhen(state, handle, isAtGate)).state).toBe('waiting')
  expect(await postmasterOf(state)).not.toBe(killed)
  expect(worker.processes).toHaveLength(1)
  expect(await worker.stop()).toBe(0)

  // Told to stop while the database is away: it ends in order, and waits for no lease.
  const { env, ...rest } = program(state, 'start')
  const second = await startProcess({ ...rest, env: { ...env, QP_LEASE_MS: '30000' } })
  await isUp(state)
  await killDatabase(state)
  const told = performance.now()
  expect(await second.kill({ graceMs: 30_000 })).toEqual({ exitCode: 0 })
  expect(performance.now() - told).toBeLessThan(10_000)
  const doctor = await startProcess(program(state, 'doctor'))
  expect(await doctor.exited).toEqual({ exitCode: 0 })
})
