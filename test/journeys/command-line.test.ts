import { open, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { startProcess } from '../../adapters/process/run.ts'
import { countLiveWorkers } from '../../core/store/worker.ts'
import { agreed, cardWhen, isAtEnd, makeRepository } from '../support/house.ts'
import { dangerous, triesIn } from '../support/poison.ts'
import type { Said, State } from '../support/program.ts'
import { administer } from '../support/administer.ts'
import { collected, openState, program, qp, qpEach, until } from '../support/program.ts'

const readme = '# Shop\n\nA shop for bread.\n\n## Requirements\n\n- The shop must sell bread.\n'

/** The handle that `Run r7k2 …` names. */
const handleIn = (out: string): string => /Run (r[0-9a-z]+)/.exec(out)?.[1] ?? ''

test('whatever is typed wrong is answered with a sentence, as text or as JSON, and an exit code', {
  timeout: 240_000,
}, async () => {
  const state = await openState()
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['run', ''], 2, /run needs more\.\n {2}Usage: qp run/],
    [['runs', 'x'], 2, /That is not how runs is written\.\n {2}Usage: qp runs \[page\]/],
    [['run', '/', '--pipeline', 'foo'], 2, /Known: factory\./],
    [['aprove', 'r7k2'], 2, /There is no command aprove\.\n {2}Did you mean qp approve r7k2\?/],
    [['docter'], 2, /There is no command docter\.\n {2}Did you mean qp doctor\?/],
    [['hlep'], 2, /Did you mean qp help\?/],
    [['key', 'drop'], 2, /Usage: qp key add <label> .* \| qp key list \| qp key revoke <id>/],
    [['xyzzyplugh'], 2, /See qp help\./],
    [['status', '999999'], 2, /999999 is not a run: runs look like r7k2/],
    [['approve', 'r7k2'], 3, /There is no run r7k2\.\n {2}See qp runs/],
    [['start', 'now'], 2, /start does not know now/],
    [['db', 'upp'], 2, /db does not know upp\.\n {2}Usage: qp db up/],
    [['db'], 2, /db needs more\.\n {2}Usage: qp db up/],
    [['demo', '--json'], 2, /demo does not know --json/],
    [['start', '--json'], 2, /start does not know --json/],
    [['cron', '--once'], 2, /Which schedule\?\n {2}There are gate-reminders, /],
    [['cron', '--once', 'rolup'], 2, /There is no schedule rolup\.\n {2}Did you mean qp cron --once rollup\?/],
    [['cron', 'rollup'], 2, /cron does not know rollup\.\n {2}Usage: qp cron \| qp cron --once <schedule>/],
    [['run', 'file:///srv/shop'], 3, /not allowed here: give the path of a folder, or use https or ssh/],
    [['help', 'nope'], 2, /There is no command nope/],
    [['lint', '/nowhere/at/all'], 2, /There is no \/nowhere\/at\/all: check the path\.\n {2}Usage: qp lint/],
    [['lint', resolve('README.md')], 2, /README\.md is a file: give the folder/],
    [['work-alone', 'r7k2'], 2, /A worker calls work-alone by itself/],
  ]
  const said = await qpEach(
    state,
    cases.map(([words]) => words),
  )
  for (const [n, [words, exitCode, sentence]] of cases.entries())
    expect(said[n], words.join(' ')).toMatchObject({ exitCode, out: expect.stringMatching(sentence) })
  const asJson = cases.filter(([[first]]) => /approve|help|lint/.test(first ?? ''))
  const json = await qpEach(
    state,
    asJson.map(([words]) => [...words, '--json']),
  )
  for (const [n, [words, exitCode]] of asJson.entries()) {
    expect(JSON.parse(json[n]?.out ?? ''), words.join(' ')).toMatchObject({ ok: false, message: expect.any(String) })
    expect(json[n]).toMatchObject({ exitCode })
  }
  expect(await qp(state, 'aprove', 'r7k2'), 'a process of its own').toEqual({ ...said[3], err: '' })
})

test('every command says how it is written, and what has an answer gives it as JSON', {
  timeout: 120_000,
}, async () => {
  const state = await openState()
  const names = ['start', 'cron', 'demo', 'doctor', 'replay', 'lint', 'db', 'run']
  const answers = [['help'], ['help', 'run'], ['version'], ['db', 'up'], ['db', 'seed']]
  const said = await qpEach(state, [
    ...names.map((name) => [name, '--help']),
    ...answers.map((words) => [...words, '--json']),
    ['help'],
    ['status', '--help'],
  ])
  for (const [n, name] of names.entries())
    expect(said[n], name).toMatchObject({ exitCode: 0, out: expect.stringMatching(`^qp ${name}.*\n {2}\\w`) })
  for (const [n, words] of answers.entries())
    expect(JSON.parse(said[names.length + n]?.out ?? ''), words.join(' ')).toMatchObject({
      ok: true,
      kind: expect.any(String),
    })
  expect(said.at(-2)?.out).toMatch(/\nExit codes\n[^]*\n {2}5 {4}the run is paused\n/)
  expect(said.at(-1)?.out).toContain('qp status <run> --watch')
})

test('doctor --invariants looks at what is kept, and at nothing else', { timeout: 60_000 }, async () => {
  const state = await openState()
  const whole = await qp(state, 'doctor', '--invariants')
  expect(whole).toMatchObject({ exitCode: 0, err: '' })
  expect(whole.out).toMatch(
    /^✓ audit {7}1 entry, the chain holds \(no anchor yet\)\n✓ invariants {2}all hold\nAll well\.\n$/,
  )
  await administer(
    state.database.connection,
    `insert into app.spending (level, key, spent_micros) values ('hour', 'x', 9)`,
  )
  const broken = await qp(state, 'doctor', '--invariants', '--json')
  expect(broken.exitCode).toBe(1)
  expect(JSON.parse(broken.out)).toMatchObject({
    status: 'fail',
    checks: { invariants: { message: 'spendingAddsUp: hour x the level does not equal its reservations' } },
  })
  await administer(state.database.connection, `delete from app.spending`)
  expect(await qp(state, 'doctor', '--invariant')).toMatchObject({
    exitCode: 2,
    out: expect.stringContaining('Usage: qp doctor [--invariants]'),
  })
})

test('a state folder that cannot be made is a sentence and no stack', { timeout: 60_000 }, async () => {
  const state = await openState()
  await writeFile(join(state.dir, 'file'), '')
  const said = await qp({ ...state, stateDir: join(state.dir, 'file', 'state') }, 'status')
  expect(said).toMatchObject({ exitCode: 69, err: '' })
  expect(said.out).toMatch(/^✗ The state folder \S+ cannot be made \(ENOTDIR.*\): set QP_STATE_DIR to a folder/)
  const file = await qp({ ...state, stateDir: join(state.dir, 'file') }, 'status')
  expect(file.out).toMatch(/^✗ The state folder \S+ is a file: set QP_STATE_DIR to a folder/)
  const nowhere = await qp({ ...state, stateDir: '/proc/state' }, 'status')
  expect(nowhere).toMatchObject({ exitCode: 69, err: '' })
  expect(nowhere.out).toMatch(/^✗ The state folder \S+ cannot be made \(\w+.*\): set QP_STATE_DIR to a folder/)
})

test('output that cannot be written is told, and the exit code says so', { timeout: 60_000 }, async () => {
  const state = await openState()
  // Open for reading alone: it refuses what is written to it, as a full disk does.
  const closed = await open('/dev/null', 'r')
  const command = await startProcess({ ...program(state, 'whoami'), stdout: closed.fd, stderr: 'pipe' })
  let err = ''
  command.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const { exitCode } = await command.exited
  await closed.close()
  expect(exitCode).toBe(69)
  expect(err).toContain('✗ The output cannot be written (EBADF')
})

test('a second run on a repository says behind whom it waits and what to do', { timeout: 120_000 }, async () => {
  const state = await openState()
  const folder = await makeRepository(state, 'shop', { 'README.md': readme })
  const first = await qp(state, 'run', folder)
  expect(first).toMatchObject({ exitCode: 4 })
  const second = await qp(state, 'run', folder)
  expect(second.exitCode).toBe(4)
  expect(second.out).toContain(`Next: qp status ${handleIn(first.out)}, which goes first, or qp cancel`)
})

test('a command whose worker leaves does the work itself', { timeout: 120_000 }, async () => {
  const state = await openState()
  const folder = await makeRepository(state, 'shop', { 'README.md': readme })
  const worker = await startProcess(program(state, 'start'))
  await until(async () => (await state.db.run(countLiveWorkers, {}))[0]?.live === 1, 'the worker is up')
  // It counts as alive for the length of its lease, and takes nothing.
  worker.signal('SIGSTOP')
  const run = qp(state, 'run', folder)
  await until(async () => {
    const reply = agreed(await state.ask({ kind: 'runs', page: 1 }))
    return reply.kind === 'runs' && reply.runs.length === 1
  }, 'the run is there')
  await worker.kill({ signal: 'SIGKILL' })
  expect(await run).toMatchObject({ exitCode: 4 })
})

test('Ctrl-C leaves the run as it is and says how it goes on', { timeout: 120_000 }, async () => {
  // A step that lasts until it is stopped: nobody has to be quick.
  const state = await openState(resolve(import.meta.dirname, '../support/qp-with-poison.ts'), dangerous)
  const tries = join(state.dir, 'tries')
  const first = await interrupt(state, tries, 1, 'run', tries, '0', '--pipeline', 'poison')
  const handle = handleIn(first.out)
  expect(first).toMatchObject({ exitCode: 130 })
  expect(first.out).toContain(`Left run ${handle} as it is; nothing is lost.\n  Next: qp status ${handle} --watch`)

  expect(await interrupt(state, tries, 2, 'status', handle, '--watch')).toMatchObject({ exitCode: 130 })
  expect(await cardWhen(state, handle, () => true)).toMatchObject({ state: 'queued', tries: 0 })
  await qp(state, 'cancel', handle)
  expect(await cardWhen(state, handle, isAtEnd)).toMatchObject({ state: 'cancelled' })
  const late = await qp(state, 'retry', handle)
  expect(late).toMatchObject({ exitCode: 3, err: '' })
})

/** Gives a command and presses Ctrl-C once the run has been tried so often. */
async function interrupt(state: State, tries: string, count: number, ...words: readonly string[]): Promise<Said> {
  const command = await startProcess({ ...program(state, ...words), stdout: 'pipe', stderr: 'pipe' })
  const said = collected(command)
  await until(async () => (await triesIn(tries)).length === count, `try ${count}`)
  command.signal('SIGINT')
  return said
}
