import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { inject } from 'vitest'
import { startEmbeddedPostgres } from '../../adapters/embedded-postgres/start.ts'
import { runProcess } from '../../adapters/process/run.ts'
import { migrate } from '../../core/store/migrate.ts'
import { administer, type ServerConnection } from './administer.ts'
import { template } from './cluster.ts'
import { makeScratch } from './scratch.ts'

/** A migrated database of a test's own. */
export type TestDatabase = {
  readonly connection: ServerConnection
  /** The same place as a URL, for programs started by a test. */
  readonly url: string
  /** Removes it, open connections or not. */
  readonly drop: () => Promise<void>
}

/** A fresh copy of the migrated database, made in about 30 ms; call `drop` when done, best through `onTestFinished`. */
export async function createTestDatabase(): Promise<TestDatabase> {
  return await copyDatabase(template)
}

/** One more database like `original`, which nobody may be connected to meanwhile. */
export async function copyTestDatabase({ connection }: TestDatabase): Promise<TestDatabase> {
  return await copyDatabase(connection.database)
}

/** A database with nothing in it, for tests of the migrations themselves. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  return await copyDatabase('template1')
}

/**
 * The embedded database of a state folder of its own, in use until `drop`: for tests that run the program itself, which
 * refuses the test server, because that one keeps nothing.
 */
export async function createStateFolder(): Promise<TestDatabase & { readonly stateDir: string }> {
  const stateDir = await makeStateFolder()
  await mkdir(join(stateDir, 'pg'))
  await copyFolder(await migratedData(), join(stateDir, 'pg', 'data'))
  const server = await startIn(stateDir, true)
  const { connection } = server
  const drop = async (): Promise<void> => {
    await server.stop()
    await rm(stateDir, { recursive: true, force: true })
  }
  return { stateDir, connection, url: urlOf(connection), drop }
}

async function makeStateFolder(): Promise<string> {
  const stateDir = await makeScratch('qp-state-')
  // Root's database would else live outside this folder, and stay.
  await chmod(stateDir, 0o755)
  return stateDir
}

const startIn = (stateDir: string, durable: boolean) =>
  startEmbeddedPostgres({ dir: join(stateDir, 'pg'), durable, signal: AbortSignal.timeout(60_000) })

/** A data directory as a first start leaves it, made once in a run of the tests: making one takes longer than most tests. */
async function migratedData(): Promise<string> {
  const model = inject('model')
  if (existsSync(model)) return model
  const stateDir = await makeStateFolder()
  const server = await startIn(stateDir, false)
  await migrate({
    connection: server.connection,
    folder: join(import.meta.dirname, '../../migrations'),
    log: () => undefined,
  })
  await server.stop()
  // Of two at once the first one stays.
  await rename(join(stateDir, 'pg', 'data'), model).catch((error: unknown) => {
    if (!existsSync(model)) throw error
  })
  await rm(stateDir, { recursive: true, force: true })
  return model
}

/** With its owner: run by root, the server is another user's. */
async function copyFolder(from: string, to: string): Promise<void> {
  const limits = { timeoutMs: 30_000, maxOutputBytes: 10_000 }
  const { exitCode, stderr } = await runProcess({
    command: 'cp',
    args: ['-a', from, to],
    cwd: '/',
    env: { PATH: '/usr/bin:/bin' },
    ...limits,
  })
  if (exitCode !== 0) throw new Error(stderr)
}

const urlOf = ({ host, port, user, database }: ServerConnection): string =>
  `postgresql://${user}@/${database}?host=${encodeURIComponent(host)}&port=${port}`

async function copyDatabase(original: string): Promise<TestDatabase> {
  const server = inject('postgres')
  const database = `test_${randomBytes(8).toString('hex')}`
  await administer(server, `create database ${database} template ${original} strategy file_copy`)
  return {
    connection: { ...server, database },
    url: urlOf({ ...server, database }),
    drop: async () => void (await administer(server, `drop database if exists ${database} with (force)`)),
  }
}

/** Stops the database's clock at `at`, or moves it there; every decision of the product reads this clock. */
export async function freezeClock({ connection }: TestDatabase, at: Date): Promise<void> {
  await administer(
    connection,
    `create or replace function app.clock_now() returns timestamptz
       language sql stable return timestamptz '${at.toISOString()}'`,
  )
}

/** Lets the clock run again with the server's time. */
export async function releaseClock({ connection }: TestDatabase): Promise<void> {
  await administer(
    connection,
    `create or replace function app.clock_now() returns timestamptz
       language sql stable return statement_timestamp()`,
  )
}
