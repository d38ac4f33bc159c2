import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { countLiveWorkers } from '../../core/store/worker.ts'
import { cardWhen, isAtGate, makeRepository } from '../support/house.ts'
import { openState, superviseWorker, until } from '../support/program.ts'

test('a worker starts its embedded database again when that was killed, and goes on', { timeout: 90_000 }, async () => {
  const state = await openState()
  const folder = await makeRepository(state, 'shop', { 'README.md': '# Shop\n\nThe shop must sell bread.\n' })
  const worker = await superviseWorker(state)
  await until(async () => (await state.db.run(countLiveWorkers, {}))[0]?.live === 1, 'the worker is up')

  const file = join(state.stateDir, 'pg/data/postmaster.pid')
  const killed = Number((await readFile(file, 'utf8')).split('\n')[0])
  // PostgreSQL's "immediate" stop: what a crash leaves behind.
  process.kill(killed, 'SIGQUIT')
  const run = { kind: 'run', branch: null, pipeline: 'factory', dryRun: false, confirm: false } as const
  let handle = ''
  await until(async () => {
    const reply = await state.ask({ ...run, target: folder }).catch(() => null)
    if (reply?.ok && reply.value.kind === 'started') handle = reply.value.card.handle
    return handle !== ''
  }, 'the database takes a run')
  expect((await cardWhen(state, handle, isAtGate)).state).toBe('waiting')
  expect(Number((await readFile(file, 'utf8')).split('\n')[0])).not.toBe(killed)
  expect(worker.processes).toHaveLength(1)
  expect(await worker.stop()).toBe(0)
})
