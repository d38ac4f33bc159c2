import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ownName, sweepLeftovers } from '../process/leftovers.ts'
import { copyFromFolder } from './folder.ts'
import { Fault, type FaultCode } from '../../core/model/problem.ts'
import type { Git } from './git-command.ts'
import type { Place, Remote } from './remote.ts'

/**
 * Git directories of our own. A snapshot is made aside and renamed into place, and never changed after; whatever
 * writes does so in a scratch directory of that one call. So no two calls share a lock, and a crash leaves none.
 */
export interface GitDirectories {
  /** The snapshot of one commit, fetched unless it is there. */
  snapshot(remote: () => Promise<Remote>, place: Place, commit: string, signal: AbortSignal): Promise<string>
  /** Lends an empty git directory that sees the objects of another, and takes it back. */
  scratch<T>(borrowFrom: string | null, work: (gitDir: string) => Promise<T>, signal: AbortSignal): Promise<T>
}

const dayMs = 24 * 60 * 60 * 1_000

/** Unused for so long, a snapshot goes; it is fetched again when it is wanted after all. */
const keepSnapshotMs = 30 * dayMs

/** Directories below `<stateDir>/git`, which is made when first needed and closed to other accounts. */
export function createGitDirectories(git: Git, stateDir: string): GitDirectories {
  const root = join(stateDir, 'git')
  const scratch: GitDirectories['scratch'] = async (borrowFrom, work, signal) => {
    const gitDir = join(root, 'scratch', await ownName('git'))
    try {
      await sweepLeftovers(join(root, 'scratch'))
      await mkdir(join(root, 'scratch'), { recursive: true, mode: 0o700 })
      await git.run({ args: ['init', '--quiet', '--bare', '--template='], gitDir, address: gitDir }, signal)
      if (borrowFrom !== null) await borrow(borrowFrom, gitDir)
      return await work(gitDir)
    } catch (error) {
      throw diskFault(error, stateDir)
    } finally {
      await rm(gitDir, { recursive: true, force: true })
    }
  }
  const snapshot: GitDirectories['snapshot'] = async (remote, place, commit, signal) => {
    const home = join(root, place.key)
    const gitDir = join(home, `${commit}.git`)
    if (await touch(gitDir)) return gitDir
    await sweep(home, keepSnapshotMs)
    const reached = await remote()
    await scratch(
      null,
      async (fresh) => {
        await fetchCommit(git, reached, fresh, commit, signal)
        await mkdir(home, { recursive: true, mode: 0o700 })
        await settle(fresh, gitDir)
      },
      signal,
    )
    return gitDir
  }
  return { snapshot, scratch }
}

/** Lets a git directory read the objects of another, as shallow as that one is. */
async function borrow(from: string, gitDir: string): Promise<void> {
  await mkdir(join(gitDir, 'objects', 'info'), { recursive: true })
  await writeFile(join(gitDir, 'objects', 'info', 'alternates'), `${join(from, 'objects')}\n`)
  await copyFromFolder(join(from, 'shallow'), join(gitDir, 'shallow'))
}

/** One commit without its history: a push of its child needs no more. */
async function fetchCommit(
  git: Git,
  remote: Remote,
  gitDir: string,
  commit: string,
  signal: AbortSignal,
): Promise<void> {
  const flags = ['--quiet', '--depth=1', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules']
  const operands = ['--', remote.url, `${commit}:refs/quantapilot/base`]
  await git.run({ ...remote.call, args: ['fetch', ...flags, ...remote.reading, ...operands], gitDir }, signal)
}

/** Two calls may fetch the same commit at once: both made the same, and the first one stays. */
async function settle(fresh: string, gitDir: string): Promise<void> {
  await rename(fresh, gitDir).catch((error: unknown) => {
    const taken = error instanceof Error && 'code' in error && (error.code === 'ENOTEMPTY' || error.code === 'EEXIST')
    if (!taken) throw error
  })
}

/** Marks a directory as used now; false when there is none. */
async function touch(path: string): Promise<boolean> {
  const now = new Date()
  return await utimes(path, now, now).then(
    () => true,
    () => false,
  )
}

/** Removes what has not been touched for so long. */
async function sweep(folder: string, keepMs: number): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  for (const name of names) {
    const found = await stat(join(folder, name)).catch(() => null)
    if (found !== null && Date.now() - found.mtimeMs > keepMs)
      await rm(join(folder, name), { recursive: true, force: true })
  }
}

const closedToUs = (stateDir: string): string =>
  `The account that runs this may not write below ${stateDir}: change the folder's permissions, then /retry.`

/** What our own disk refused, as a Fault; anything else as it is. */
function diskFault(error: unknown, stateDir: string): unknown {
  if (!(error instanceof Error && 'code' in error) || error instanceof Fault) return error
  const { code } = error
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return fault('NO_SPACE', `There is no disk space left below ${stateDir}: free some, then /retry.`, error)
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return fault('PRECONDITION_FAILED', closedToUs(stateDir), error)
  return error
}

const fault = (code: FaultCode, message: string, cause: Error): Fault =>
  new Fault({ code, message, retryable: false, cause })
