import { chmod, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import type { RunningProcess } from '../../adapters/process/run.ts'
import { startProcess } from '../../adapters/process/run.ts'
import type { Said } from '../support/program.ts'
import { collected, product, until } from '../support/program.ts'
import { makeScratch } from '../support/scratch.ts'

const filesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => [])

const isReady = async (pg: string): Promise<boolean> =>
  (await readFile(join(pg, 'data', 'postmaster.pid'), 'utf8').catch(() => '')).includes('ready')

/** How far a start in a new state folder has come, by what it has put there. */
const moments: Readonly<Record<string, (pg: string) => Promise<boolean>>> = {
  'before the database is made': async (pg) => (await filesIn(join(pg, '..'))).length > 0,
  'while the database is made': async (pg) => (await filesIn(pg)).some((name) => name.startsWith('data.new-')),
  'while the server starts': async (pg) => (await filesIn(pg)).includes('server.log'),
  'once the server is ready': isReady,
  // Of the second that it takes to make the schema.
  'while the schema is made': async (pg) => (await isReady(pg)) && delay(150, true),
}

async function newState(): Promise<string> {
  const stateDir = await makeScratch('qp-new-')
  // Root's database would else live outside this folder, and stay.
  await chmod(stateDir, 0o755)
  onTestFinished(() => rm(stateDir, { recursive: true, force: true }))
  return join(stateDir, 'state')
}

async function begin(stateDir: string, words: readonly string[]): Promise<RunningProcess> {
  const started = await startProcess({
    command: process.execPath,
    args: [product, ...words],
    cwd: '/',
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/nowhere', QP_STATE_DIR: stateDir },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  onTestFinished(async () => void (await started.kill({ signal: 'SIGKILL' })))
  return started
}

async function saidBy(stateDir: string, ...words: readonly string[]): Promise<Said> {
  return collected(await begin(stateDir, words))
}

/** Every moment once: who is told to leave, and how, is decided in one place. */
const cases = [
  ...Object.keys(moments).map((moment, n) =>
    n % 2 === 0
      ? ([moment, 'SIGINT', 130, ['status']] as const)
      : ([moment, 'SIGTERM', 0, ['start', '--role', 'worker']] as const),
  ),
  ['while the server starts', 'SIGINT', 130, ['demo', '--yes']] as const,
]

test.each(cases)(
  'told to leave %s by %s a program ends in order with %i: %j',
  { timeout: 60_000 },
  async (moment, signal, code, words) => {
    const stateDir = await newState()
    const pg = join(stateDir, ...(words[0] === 'demo' ? ['demo'] : []), 'pg')
    const started = await begin(stateDir, words)
    const said = collected(started)
    await until(async () => (await moments[moment]?.(pg)) ?? false, moment)
    started.signal(signal)
    const { exitCode, out, err } = await said
    expect({ exitCode, err }).toEqual({ exitCode: code, err: '' })
    expect(out).not.toContain('aborted')
    expect(await filesIn(join(pg, 'users'))).toEqual([])
    expect((await filesIn(pg)).filter((name) => name.startsWith('data.new-'))).toEqual([])
    expect(await filesIn(join(pg, 'data'))).not.toContain('postmaster.pid')
    // A demonstration has a place of its own.
    const next = await saidBy(stateDir, 'status')
    expect(next, 'the next start works').toMatchObject({ exitCode: 0, err: '' })
  },
)
