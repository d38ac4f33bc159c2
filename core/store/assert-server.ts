import { Fault } from '../model/problem.ts'
import type { Executor } from './database.ts'
import { readServer } from './server.ts'

/** What the start-up check looks at. */
export type ServerState = {
  readonly serverVersion: string
  readonly fsync: string
  readonly fullPageWrites: string
  readonly synchronousCommit: string
}

/**
 * Throws a Fault that names everything about the server under which an acknowledged event could be lost.
 * `durable: false` asks only for the version: for tests, whose data no one will miss.
 */
export async function assertServer(
  executor: Executor,
  { durable }: { readonly durable: boolean } = { durable: true },
): Promise<void> {
  const [server] = await executor.run(readServer, {})
  const problems = server === undefined ? ['The server does not say what it is.'] : problemsOf(server, durable)
  if (problems.length > 0)
    throw new Fault({ code: 'PRECONDITION_FAILED', message: problems.join(' '), retryable: false })
}

/** One sentence, with what to do, for each reason not to work on this server. */
export function problemsOf(server: ServerState, durable: boolean): string[] {
  const problems: string[] = []
  if (Number.parseInt(server.serverVersion, 10) < oldestMajor)
    problems.push(`The database is PostgreSQL ${server.serverVersion}: use ${oldestMajor} or newer.`)
  if (!durable) return problems
  if (server.fsync !== 'on') problems.push(weak('fsync', 'a power cut can destroy the database'))
  if (server.fullPageWrites !== 'on') problems.push(weak('full_page_writes', 'a power cut can tear pages'))
  // Every value but off waits until the commit is on this server's disk.
  if (server.synchronousCommit === 'off') problems.push(weak('synchronous_commit', 'a crash loses what was confirmed'))
  return problems
}

const oldestMajor = 15

const weak = (setting: string, danger: string): string =>
  `The database runs with ${setting} off, so ${danger}: set ${setting} = on in postgresql.conf and reload it.`
