import { appendFile, mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ownName, sweepLeftovers } from '../process/leftovers.ts'
import { type Folder, readFromFolder } from './folder.ts'
import { Fault, type FaultCode } from '../../core/model/problem.ts'
import type { Git } from './git-command.ts'
import { noSuchCommit } from './git-fault.ts'
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
      signal.throwIfAborted()
      await makeBare(gitDir)
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
        if (reached.folder === null) await fetchCommit(git, reached, fresh, commit, signal)
        else await copyCommit(git, { ...reached, folder: reached.folder }, fresh, { commit, signal })
        await mkdir(home, { recursive: true, mode: 0o700 })
        await settle(fresh, gitDir)
      },
      signal,
    )
    return gitDir
  }
  return { snapshot, scratch }
}

/** What `git init --bare` makes, but for what nobody asks for: a process less for each piece of work. */
async function makeBare(gitDir: string): Promise<void> {
  await mkdir(dirname(gitDir), { recursive: true, mode: 0o700 })
  await mkdir(join(gitDir, 'objects', 'info'), { recursive: true })
  await mkdir(join(gitDir, 'refs'))
  await writeFile(join(gitDir, 'HEAD'), 'ref: refs/heads/main\n')
  await writeFile(join(gitDir, 'config'), '[core]\n\trepositoryFormatVersion = 0\n\tbare = true\n')
}

/**
 * Lets a git directory of our own read the objects of others. Its history ends where theirs does; where `history` is both,
 * the default, where its own did before as well.
 */
export async function borrow(
  from: string,
  gitDir: string,
  { history = 'both' }: { readonly history?: 'both' | 'theirs' } = {},
): Promise<void> {
  if (history === 'theirs') await rm(join(gitDir, 'shallow'), { force: true })
  await appendFile(join(gitDir, 'objects', 'info', 'alternates'), `${join(from, 'objects')}\n`)
  const shallow = await readFromFolder(join(from, 'shallow'))
  if (shallow !== null) await appendFile(join(gitDir, 'shallow'), shallow)
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
  await git.run({ ...remote.call, args: ['fetch', ...flags, ...operands], gitDir }, signal)
}

/** The same out of a folder of this machine, read as objects alone: no setting of the folder is, and no process for two ends. */
async function copyCommit(
  git: Git,
  { folder, address }: { readonly folder: Folder; readonly address: string },
  gitDir: string,
  { commit, signal }: { readonly commit: string; readonly signal: AbortSignal },
): Promise<void> {
  const objects = join(gitDir, 'objects')
  await borrow(folder.commonDir, gitDir)
  await mkdir(join(objects, 'pack'))
  const args = ['pack-objects', '--quiet', '--revs', join(objects, 'pack', 'pack')]
  const stdin = Buffer.from(`--shallow ${commit}\n${commit}\n`)
  await git.run({ args, stdin, gitDir, address }, signal).catch((error: unknown) => {
    throw error instanceof Fault && error.message.includes(`bad object ${commit}`) ? noSuchCommit(address) : error
  })
  await rm(join(objects, 'info', 'alternates'))
  await writeFile(join(gitDir, 'shallow'), `${commit}\n`, { flush: true })
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
