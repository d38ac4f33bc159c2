import { chmod, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { isRunningStill } from '../../adapters/process/process-table.ts'
import { startEmbeddedPostgres } from '../../adapters/embedded-postgres/start.ts'
import { migrate } from '../../core/store/migrate.ts'
import { administer, type ServerConnection } from './administer.ts'
import { makeScratch, scratchRoots } from './scratch.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The test server; its database `template` is migrated and is copied for each test. */
    postgres: ServerConnection
    /** Where the first test that needs one puts a migrated data directory, for others to copy. */
    model: string
  }
}

export const template = 'template_quantapilot'

const prefix = 'quantapilot-test-'

/** What a run that was killed left behind; its server ends by itself within a minute once its data is gone. */
async function removeAbandoned(): Promise<void> {
  for (const root of scratchRoots()) {
    const names = await readdir(root).catch(() => [])
    for (const name of names.filter((entry) => entry.startsWith(prefix))) {
      const users = await readdir(join(root, name, 'pg', 'users')).catch(() => [])
      const alive = await Promise.all(users.map(isRunningStill))
      if (users.length > 0 && !alive.includes(true)) await rm(join(root, name), { recursive: true, force: true })
    }
  }
}

/** Once per `vitest run`: a server that keeps nothing, with one migrated database to copy. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeAbandoned()
  const folder = await makeScratch(prefix)
  // Run by root, the server runs as another user, who must be able to enter.
  await chmod(folder, 0o755)
  const server = await startEmbeddedPostgres({
    dir: join(folder, 'pg'),
    durable: false,
    signal: AbortSignal.timeout(60_000),
  })
  await administer(server.connection, `create database ${template}`)
  await migrate({
    connection: { ...server.connection, database: template },
    folder: join(import.meta.dirname, '../../migrations'),
    log: () => undefined,
  })
  project.provide('postgres', server.connection)
  project.provide('model', join(folder, 'model'))
  return async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}
