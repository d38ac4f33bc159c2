import { join } from 'node:path'
import { platform } from 'node:process'
import { expect, onTestFinished, test } from 'vitest'
import { openKeyFiles } from '../../adapters/key-files/key-files.ts'
import type { RunningProcess } from '../../adapters/process/run.ts'
import { runProcess, startProcess } from '../../adapters/process/run.ts'
import { signIn } from '../../core/commands/sign-in.ts'
import { grantRole } from '../../core/store/actor.ts'
import { measureOutbox } from '../../core/store/outbox.ts'
import { countLiveWorkers } from '../../core/store/worker.ts'
import { schedules } from '../../cron/schedule.ts'
import { administer } from '../support/administer.ts'
import { cardWhen, isAtGate, makeRepository, startFactory } from '../support/house.ts'
import type { State } from '../support/program.ts'
import { openState, program, qp, until } from '../support/program.ts'

async function startRole(state: State, role: string): Promise<RunningProcess> {
  const process = await startProcess(program(state, 'start', '--role', role))
  onTestFinished(async () => void (await process.kill({ signal: 'SIGKILL' })))
  return process
}

const ticksOf = ({ database }: State) =>
  administer(database.connection, 'select schedule, outcome from app.ticks order by schedule, tick')

const liveWorkers = async ({ db }: State): Promise<unknown> => (await db.run(countLiveWorkers, {}))[0]?.live

const unsent = async ({ db }: State): Promise<unknown> => (await db.run(measureOutbox, {}))[0]?.waiting

test('a worker works, a bot tells, and cron keeps time: each does its own part and ends in order', {
  timeout: 120_000,
}, async () => {
  const state = await openState()
  const cron = [await startRole(state, 'cron'), await startRole(state, 'cron')]
  const done = async () => (await ticksOf(state)).filter(({ outcome }) => outcome === 'done')
  // There is no GitHub here that could be asked for its deliveries.
  const used = schedules.filter(({ name }) => name !== 'delivery-reconciliation')
  await until(async () => (await done()).length >= used.length, 'every schedule had its tick')

  const folder = await makeRepository(state, 'shop', { 'README.md': '# Shop\n\n- It must sell.\n' })
  const run = await startFactory(state, folder)
  const bot = await startRole(state, 'bot')
  await until(async () => (await unsent(state)) === 0, 'the bot sent what waited')
  expect(await liveWorkers(state)).toBe(0)

  const worker = await startRole(state, 'worker')
  await cardWhen(state, run, isAtGate)
  expect(await liveWorkers(state)).toBe(1)
  await until(async () => (await unsent(state)) === 0, 'the bot told of the gate')

  for (const process of [...cron, bot, worker]) {
    expect(await process.kill({ graceMs: 15_000 })).toMatchObject({ exitCode: 0 })
  }
  const ticks = await ticksOf(state)
  expect(ticks.filter(({ outcome }) => outcome !== 'done')).toEqual([])
  // One a day each, however many processes there are.
  for (const name of ['retention', 'partitions']) {
    expect(ticks.filter(({ schedule }) => schedule === name)).toHaveLength(1)
  }
})

test('a worker alone tells nobody and keeps no time', { timeout: 120_000 }, async () => {
  const state = await openState()
  const folder = await makeRepository(state, 'shop', { 'README.md': '# Shop\n\n- It must sell.\n' })
  const worker = await startRole(state, 'worker')
  await cardWhen(state, await startFactory(state, folder), isAtGate)
  expect(await worker.kill({ graceMs: 15_000 })).toMatchObject({ exitCode: 0 })
  expect(await ticksOf(state)).toEqual([])
  expect(await unsent(state)).not.toBe(0)
})

test('whoever a restored backup brought back has no rights before anybody is heard, whichever part starts', {
  timeout: 120_000,
}, async () => {
  const state = await openState()
  const back = await signIn(state.desk, { surface: 'telegram', account: 'back', label: 'Back' })
  await state.db.run(grantRole, { actor: back.id, role: 'approver' })
  await openKeyFiles(join(state.stateDir, 'keys')).destroy(back.id)
  const worker = await startRole(state, 'worker')
  await until(async () => (await liveWorkers(state)) === 1, 'it works')
  expect(
    await administer(
      state.database.connection,
      `select r.role, r.revoked_at is not null as is_over from app.actor_roles r where r.actor_id = '${back.id}' order by r.role`,
    ),
  ).toEqual([
    { role: 'approver', is_over: true },
    { role: 'viewer', is_over: true },
  ])
  expect(await worker.kill({ graceMs: 15_000 })).toMatchObject({ exitCode: 0 })
})

test('migrate ends by itself; a role that is none is a sentence', { timeout: 60_000 }, async () => {
  const state = await openState()
  expect(await qp(state, 'start', '--role', 'migrate')).toMatchObject({
    exitCode: 0,
    out: expect.stringContaining('schema up to date'),
    err: '',
  })
  for (const words of [
    ['start', '--role', 'wroker'],
    ['start', '--role'],
    ['start', '--role', 'cron', 'now'],
  ]) {
    expect(await qp(state, ...words)).toMatchObject({ exitCode: 2, out: expect.stringContaining('--role all|bot|') })
  }
})

test('a part that keeps nothing needs no folder of its own, and one that a server refuses ends with what to do', {
  timeout: 60_000,
}, async () => {
  const state = await openState()
  const begin = () => {
    const { env, ...migrate } = program(state, 'start', '--role', 'migrate')
    // As in a container: a state folder that not even root may write, and the keys in one that all share.
    const readOnly = platform === 'linux' ? '/proc' : state.stateDir
    const contained = { ...env, QP_STATE_DIR: readOnly, QP_KEYS_DIR: join(state.stateDir, 'keys') }
    const limits = { timeoutMs: 30_000, maxOutputBytes: 1_000_000 }
    return runProcess({ ...migrate, ...limits, env: { ...contained, DATABASE_URL: state.database.url } })
  }
  expect(await begin()).toMatchObject({ exitCode: 0, stderr: '' })
  const { database } = state.database.connection
  await administer(state.database.connection, `alter database "${database}" set synchronous_commit = off`)
  const refused = await begin()
  expect(refused).toMatchObject({ exitCode: 69 })
  expect(refused.stdout.toString()).toContain('set synchronous_commit = on')
})

test('an operator runs a schedule by hand, and sees when each ran last', { timeout: 60_000 }, async () => {
  const state = await openState()
  expect(await qp(state, 'cron', '--once', 'stuck-sweep')).toMatchObject({
    exitCode: 0,
    out: expect.stringContaining('✓ stuck-sweep  stuck 0'),
  })
  const json = await qp(state, 'cron', '--once', 'retention', '--json')
  expect(JSON.parse(json.out)).toMatchObject({ ok: true, kind: 'done', detail: { runs: 0 } })
  const listed = await qp(state, 'cron')
  expect(listed.out).toMatch(/stuck-sweep .+\n +done \d{4}-\d\d-\d\dT/)
  expect(listed.out, 'one column for all names').toMatch(/^gate-escalation {10}tells .+\n {25}never ran/m)
  expect(listed.out).toMatch(/rollup .+\n +never ran/)
  expect(await qp(state, 'cron', '--once', 'retantion')).toMatchObject({
    exitCode: 2,
    out: expect.stringContaining('Did you mean qp cron --once retention?'),
  })
  await administer(state.database.connection, `insert into app.ticks (schedule, tick) values ('rollup', now())`)
  const busy = await qp(state, 'cron', '--once', 'rollup')
  expect(busy).toMatchObject({ exitCode: 1, out: expect.stringContaining('is under way in another process') })
})
