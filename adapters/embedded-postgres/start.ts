import { join } from 'node:path'
import { installBinaries } from './binaries.ts'
import { ensureCluster } from './cluster.ts'
import { explainFileError } from './explain.ts'
import { choosePlace, dataFolder, type Place } from './place.ts'
import { findPostmaster } from './postmaster.ts'
import { findServer, type ReadyServer, startServer, stopServer } from './server.ts'
import { database, port, superuser } from './settings.ts'
import { enter } from './users.ts'

export type EmbeddedPostgresOptions = {
  /** A folder of its own, for example `.quantapilot/pg`; made when absent. */
  readonly dir: string
  /** False trades crash safety for speed: for data that no one will miss. */
  readonly durable: boolean
  readonly signal: AbortSignal
}

export type EmbeddedPostgres = {
  /** A unix socket, whose folder is `host`. No password: only the server's user and root may enter that folder. */
  readonly connection: {
    readonly host: string
    readonly port: number
    readonly user: string
    readonly database: string
  }
  /** True when the server was already running: for another process, or since one that was killed. */
  readonly joined: boolean
  /**
   * Starts the server again when it has ended by itself, as with a full disk; false when there was nothing to do. Throws
   * a Fault that says what to do.
   */
  revive(): Promise<boolean>
  /** Stops the server unless another process uses it. May be repeated. */
  stop(): Promise<void>
}

/**
 * Makes the database in `dir` on first use, starts its server or joins the one that runs, and resolves once it takes
 * connections. Throws a Fault that says what to do, or the signal's reason.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  try {
    return await startIn(await choosePlace(options.dir), options)
  } catch (error) {
    throw explainFileError(error, options.dir)
  }
}

async function startIn(place: Place, options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const user = await enter(join(place.base, 'users'), options.signal)
  let left: Promise<void> | null = null
  let reviving: Promise<boolean> = Promise.resolve(false)
  const leave = async (): Promise<void> => {
    await reviving.catch(() => false)
    await user.leave(() => stopServer(place))
  }
  const stop = () => (left ??= leave())
  const revive = async (): Promise<boolean> => {
    if (left !== null || (await isThere(place))) return false
    reviving = startAgain(place, options)
    return await reviving
  }
  try {
    const { postmaster, joined } = (await findServer(place)) ?? (await prepareAndStart(place, options))
    return { connection: { host: postmaster.host, port, user: superuser, database }, joined, revive, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function prepareAndStart(place: Place, options: EmbeddedPostgresOptions): Promise<ReadyServer> {
  const binaries = await installBinaries(place.programs)
  await ensureCluster(place, binaries, options)
  return await startServer(place, binaries, options)
}

const isThere = async ({ base }: Place): Promise<boolean> => (await findPostmaster(dataFolder(base))) !== null

/** Only the server: data that has gone as well is not made anew under a program that knows what was in it. */
async function startAgain(place: Place, options: EmbeddedPostgresOptions): Promise<boolean> {
  try {
    return !(await startServer(place, await installBinaries(place.programs), options)).joined
  } catch (error) {
    throw explainFileError(error, options.dir)
  }
}
