import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { startEmbeddedPostgres } from '../adapters/embedded-postgres/start.ts'
import { startProcess } from '../adapters/process/run.ts'
import { administer } from './support/administer.ts'

const isRoot = process.getuid?.() === 0

const start = (dir: string) => startEmbeddedPostgres({ dir, durable: false, signal: AbortSignal.timeout(60_000) })

/** Another process that uses the database in `dir`. */
async function startInProcess(dir: string) {
  const child = await startProcess({
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'support/serve.ts'), dir],
    cwd: import.meta.dirname,
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
    detached: true,
  })
  const [line] = await once(createInterface(child.stdout ?? process.stdin), 'line')
  return {
    ...(JSON.parse(String(line)) as { joined: boolean; host: string; port: number; user: string; database: string }),
    leave: async () => {
      child.stdin?.end()
      await child.exited
    },
    die: () => child.kill({ signal: 'SIGKILL' }),
  }
}

async function temporaryFolder(mode: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'quantapilot-embedded-'))
  await chmod(folder, mode)
  return folder
}

/** Made once: making a database is most of what these tests would wait for. */
let shared = ''

beforeAll(async () => {
  const folder = await temporaryFolder(0o755)
  shared = join(folder, 'pg')
  const server = await start(shared)
  await server.stop()
  return () => rm(folder, { recursive: true, force: true })
})

const isStopped = (dir: string) => !existsSync(join(dir, 'data', 'postmaster.pid'))

test('processes share one server and the last one out stops it', async () => {
  const one = await startInProcess(shared)
  const two = await startInProcess(shared)
  expect([one.joined, two.joined]).toEqual([false, true])
  await one.leave()
  expect(await administer(two, 'select 1 as answer')).toEqual([{ answer: 1 }])
  await two.leave()
  expect(isStopped(shared)).toBe(true)
})

test('processes that start at the same moment come to one server', async () => {
  const all = await Promise.all([1, 2, 3].map(() => startInProcess(shared)))
  expect(all.filter(({ joined }) => !joined)).toHaveLength(1)
  await Promise.all(all.map((each) => each.leave()))
  expect(isStopped(shared)).toBe(true)
})

test('a server that was killed is started again by who uses it, with what it had, and not by who has left', async () => {
  const server = await startEmbeddedPostgres({ dir: shared, durable: true, signal: AbortSignal.timeout(60_000) })
  onTestFinished(() => server.stop())
  await administer(server.connection, 'create table survived as select 42 as answer')
  expect(await server.revive()).toBe(false)
  const pid = Number((await readFile(join(shared, 'data', 'postmaster.pid'), 'utf8')).split('\n')[0])
  // PostgreSQL's "immediate" stop: what a crash leaves behind.
  process.kill(pid, 'SIGQUIT')
  await expect.poll(() => server.revive(), { timeout: 10_000 }).toBe(true)
  expect(await administer(server.connection, 'select answer from survived')).toEqual([{ answer: 42 }])
  await administer(server.connection, 'drop table survived')
  await server.stop()
  expect(await server.revive()).toBe(false)
  expect(isStopped(shared)).toBe(true)
})

test('the server of a process that was killed goes on, and the next start adopts and stops it', async () => {
  const killed = await startInProcess(shared)
  await administer(killed, 'create table kept as select 42 as answer')
  // The whole process group dies, as at a Ctrl-C: the server is not in it.
  await killed.die()
  const next = await start(shared)
  expect(next.joined).toBe(true)
  expect(await administer(next.connection, 'select answer from kept')).toEqual([{ answer: 42 }])
  await next.stop()
  await next.stop()
  expect(isStopped(shared)).toBe(true)
})

test('a lock file left by a killed server whose number another program has now does not prevent the start', async () => {
  await writeFile(join(shared, 'data', 'postmaster.pid'), `${process.pid}\n${shared}/data\n1\n5432\n.\n\n1 2\nready\n`)
  const server = await start(shared)
  expect(server.joined).toBe(false)
  await server.stop()
})

test('nothing listens on the network and no password is kept', async () => {
  const server = await start(shared)
  onTestFinished(() => server.stop())
  expect(server.connection).toEqual({
    host: expect.stringMatching(/^\//),
    port: 5432,
    user: 'quantapilot',
    database: 'postgres',
  })
  expect(await administer(server.connection, 'show listen_addresses')).toEqual([{ listen_addresses: '' }])
})

test('data of another PostgreSQL is refused with what to do, and left as it is', async () => {
  const file = join(shared, 'data', 'PG_VERSION')
  const version = await readFile(file, 'utf8')
  onTestFinished(() => writeFile(file, version))
  await writeFile(file, '14\n')
  await expect(start(shared)).rejects.toThrow(/was made by PostgreSQL 14 .* take a backup there/)
})

test('a place it may not use is named with what to do', async () => {
  const folder = await temporaryFolder(0o755)
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'file'), '')
  await expect(start(join(folder, 'file', 'pg'))).rejects.toThrow(/cannot use .*file.pg .*set QP_STATE_DIR/)
})

test('a start that is given up leaves nothing half made', async () => {
  const folder = await temporaryFolder(0o755)
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const dir = join(folder, 'pg')
  const giveUp = new AbortController()
  const starting = startEmbeddedPostgres({ dir, durable: false, signal: giveUp.signal })
  await expect
    .poll(() => existsSync(dir) && readdir(dir).then((names) => names.some((name) => name.includes('.new-'))))
    .toBe(true)
  giveUp.abort(new Error('enough'))
  await expect(starting).rejects.toThrow('enough')
  expect((await readdir(dir)).filter((name) => name.startsWith('data'))).toEqual([])
})

test('a folder too deep for a socket works all the same', async () => {
  const folder = await temporaryFolder(0o755)
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const server = await start(join(folder, 'a'.repeat(60), 'b'.repeat(60)))
  const { host } = server.connection
  expect(host.length).toBeLessThan(60)
  expect(await administer(server.connection, 'select 1 as answer')).toEqual([{ answer: 1 }])
  await server.stop()
  expect(existsSync(host)).toBe(false)
})

test.runIf(isRoot)('root may start it in a folder that only root may enter', async () => {
  const folder = await temporaryFolder(0o700)
  const dir = join(folder, 'pg')
  const server = await start(dir)
  const base = (await readFile(join(dir, 'location'), 'utf8')).trim()
  onTestFinished(async () => {
    for (const path of [folder, base]) await rm(path, { recursive: true, force: true })
  })
  expect(dirname(server.connection.host)).toBe(base)
  await administer(server.connection, 'create table kept as select 42 as answer')
  await server.stop()
  const again = await start(dir)
  expect(await administer(again.connection, 'select answer from kept')).toEqual([{ answer: 42 }])
  await again.stop()
})
