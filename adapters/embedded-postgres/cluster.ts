import { chown, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Fault } from '../../core/model/problem.ts'
import { runProcess } from '../process/run.ts'
import type { Binaries } from './binaries.ts'
import { explain } from './explain.ts'
import { dataFolder, type Place } from './place.ts'
import { isRunningStill, processName } from '../process/process-table.ts'
import { initialSettings, superuser } from './settings.ts'

/**
 * Makes the data directory unless there is one. It appears whole or not at all: the work is done in a draft beside it,
 * and of several processes at once one draft becomes the directory and the others are thrown away.
 */
export async function ensureCluster(
  place: Place,
  binaries: Binaries,
  { durable, signal }: { readonly durable: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const data = dataFolder(place.base)
  if (await isCluster(data, binaries.major)) return
  await removeAbandoned(data)
  const draft = data + draftMark + (await processName())
  try {
    await mkdir(draft, { mode: 0o700 })
    if (place.owner !== null) await chown(draft, place.owner.uid, place.owner.gid)
    await initialise(draft, place, binaries, { durable, signal })
    await adopt(draft, data, binaries.major)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

async function isCluster(data: string, major: string): Promise<boolean> {
  const version = await readFile(join(data, 'PG_VERSION'), 'utf8').catch(() => null)
  if (version === null || version.trim() === major) return version !== null
  throw new Fault({
    code: 'PRECONDITION_FAILED',
    message: `The database in ${data} was made by PostgreSQL ${version.trim()} and this version of QuantaPilot brings PostgreSQL ${major}: start the version that made it, take a backup there and restore it here, or set QP_STATE_DIR to a new folder.`,
    retryable: false,
  })
}

const draftMark = '.new-'

/** Drafts of processes that were killed while they made one. */
async function removeAbandoned(data: string): Promise<void> {
  const mark = basename(data) + draftMark
  for (const name of await readdir(dirname(data))) {
    if (!name.startsWith(mark) || (await isRunningStill(name.slice(mark.length)))) continue
    await rm(join(dirname(data), name), { recursive: true, force: true })
  }
}

async function initialise(
  draft: string,
  { base, owner }: Place,
  { initdb }: Binaries,
  { durable, signal }: { readonly durable: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const settings = initialSettings.flatMap((setting) => ['-c', setting])
  const { exitCode, stdout, stderr } = await runProcess({
    command: initdb,
    args: ['-D', draft, ...identity, ...settings, ...(durable ? [] : ['--no-sync'])],
    cwd: base,
    env: { TZ: 'UTC' },
    ...owner,
    whenMissing: needsGlibc,
    timeoutMs: 120_000,
    maxOutputBytes: 1_000_000,
    signal,
  })
  if (exitCode !== 0) throw explain(stdout.toString('utf8') + stderr, base)
}

/**
 * Trust, because the socket's folder already keeps out everyone but the server's user and root. The locale is the one
 * that comes with PostgreSQL, the same on every system.
 */
const identity = [
  `--username=${superuser}`,
  '--auth=trust',
  '--encoding=UTF8',
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
  '--locale=C',
  '--no-instructions',
]

/** The system says "no such file" of a program whose loader is missing. */
export const needsGlibc =
  'The embedded PostgreSQL needs a Linux with glibc (Alpine has musl): set DATABASE_URL to a PostgreSQL 15 or newer.'

/** A rename onto a folder that has something in it fails: another process was first, or it is none of ours. */
async function adopt(draft: string, data: string, major: string): Promise<void> {
  try {
    await rename(draft, data)
  } catch (cause) {
    if (await isCluster(data, major)) return
    throw new Fault({
      code: 'PRECONDITION_FAILED',
      message: `${data} has files in it that are no database: move them away, or set QP_STATE_DIR to another folder.`,
      retryable: false,
      cause,
    })
  }
}
