import { open, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Fault } from '../../core/model/problem.ts'
import { type Exit, type RunningProcess, startProcess } from '../process/run.ts'
import type { Binaries } from './binaries.ts'
import { needsGlibc } from './cluster.ts'
import { explain } from './explain.ts'
import type { Owner } from './owner.ts'
import { dataFolder, type Place } from './place.ts'
import { answers, findPostmaster, type Postmaster } from './postmaster.ts'
import { startFlags } from './settings.ts'
import { closeSocketFolder, openSocketFolder } from './socket.ts'

/** A server that takes connections; `joined` when somebody else had started it. */
export type ReadyServer = { readonly postmaster: Postmaster; readonly joined: boolean }

/** The server that runs on the place's data and takes connections, or null. */
export async function findServer(place: Place): Promise<ReadyServer | null> {
  const postmaster = await findPostmaster(dataFolder(place.base))
  return postmaster?.status === 'ready' && (await answers(postmaster)) ? { postmaster, joined: true } : null
}

/**
 * Starts the server and waits until it takes connections. When another process starts it at the same moment PostgreSQL
 * itself lets only one of them live, and this one joins that. Throws a Fault that says what to do.
 */
export async function startServer(
  place: Place,
  binaries: Binaries,
  { durable, signal }: { readonly durable: boolean; readonly signal: AbortSignal },
): Promise<ReadyServer> {
  const deadline = performance.now() + startTimeoutMs
  let launched: Launch | null = null
  try {
    while (performance.now() < deadline) {
      const server = await findServer(place)
      if (server !== null) return { ...server, joined: server.postmaster.pid !== launched?.process.pid }
      if (launched === null && (await findPostmaster(dataFolder(place.base))) === null)
        launched = await launch(place, binaries, durable)
      else if (launched !== null && launched.exit() !== null) launched = await lostTheRace(launched)
      await delay(pollMs, undefined, { signal })
    }
  } catch (error) {
    await launched?.process.kill({ signal: 'SIGINT', graceMs: 5_000 })
    throw error
  }
  throw new Fault({
    code: 'UPSTREAM_TIMEOUT',
    message: `The embedded database is still repairing itself after ${startTimeoutMs / 1000} s: wait, see ${logFile(place)}, and start again.`,
    retryable: true,
  })
}

/** After a crash the server first replays its log, which may take minutes. */
const startTimeoutMs = 300_000

const pollMs = 10

type Launch = {
  readonly process: RunningProcess
  readonly exit: () => Exit | null
  readonly logFile: string
  /** Where in the log this launch began. */
  readonly logStart: number
}

async function launch(place: Place, binaries: Binaries, durable: boolean): Promise<Launch> {
  const data = dataFolder(place.base)
  const socket = await openSocketFolder(data, place.owner)
  const file = logFile(place)
  const log = await openLog(file, place.owner)
  try {
    const process = await startProcess({
      command: binaries.postgres,
      args: ['-D', data, ...startFlags(socket, durable)],
      cwd: place.base,
      env: { TZ: 'UTC' },
      ...place.owner,
      whenMissing: needsGlibc,
      stdout: log.handle.fd,
      stderr: log.handle.fd,
      detached: true,
    })
    // The server outlives this process when it is killed, and the next start joins it.
    process.unref()
    let exit: Exit | null = null
    void process.exited.then((ended) => {
      exit = ended
    })
    return { process, exit: () => exit, logFile: file, logStart: log.size }
  } finally {
    await log.handle.close()
  }
}

const logFile = ({ base }: Place): string => join(base, 'server.log')

/** Appends to the log; at a start, one that has grown large makes way and is kept once. */
async function openLog(file: string, owner: Owner | null) {
  const size = await stat(file).then(
    (entry) => entry.size,
    () => 0,
  )
  const isLarge = size > maxLogBytes
  if (isLarge) await rename(file, `${file}.1`)
  const handle = await open(file, 'a', 0o600)
  if (owner !== null) await handle.chown(owner.uid, owner.gid)
  return { handle, size: isLarge ? 0 : size }
}

const maxLogBytes = 10_000_000

/** Null, so as to look again, when another server took the data first; otherwise throws what this one wrote. */
async function lostTheRace(launched: Launch): Promise<null> {
  const output = (await readFile(launched.logFile)).subarray(launched.logStart).toString('utf8')
  if (output.includes('lock file "postmaster.pid" already exists')) return null
  throw explain(output, launched.logFile)
}

/** Stops the server, open connections or not, and resolves when its data is closed. Absent is success. */
export async function stopServer(place: Place): Promise<void> {
  const data = dataFolder(place.base)
  const deadline = performance.now() + stopTimeoutMs
  for (let asked = false; performance.now() < deadline; asked = true) {
    const postmaster = await findPostmaster(data)
    if (postmaster === null) return await closeSocketFolder(data)
    if (!asked) askToStop(postmaster.pid)
    await delay(pollMs)
  }
  throw new Fault({
    code: 'UPSTREAM_TIMEOUT',
    message: `The embedded database has not stopped after ${stopTimeoutMs / 1000} s and goes on by itself: see ${logFile(place)}. The next start joins it.`,
    retryable: true,
  })
}

const stopTimeoutMs = 60_000

/** SIGINT is PostgreSQL's "fast" stop: it ends all sessions and writes everything to disk. */
function askToStop(pid: number): void {
  try {
    process.kill(pid, 'SIGINT')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
