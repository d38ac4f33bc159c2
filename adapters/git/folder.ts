import { access, constants, copyFile, readFile, realpath, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { Fault } from '../../core/model/problem.ts'
import type { Owner } from './git-command.ts'

/** A folder that is the root of a repository, symbolic links resolved. Found with file reads alone: no git runs in it. */
export type Folder = {
  readonly path: string
  /** Where HEAD and the index are. */
  readonly gitDir: string
  /** Where objects and branches are: the same but for a linked work tree. */
  readonly commonDir: string
  readonly isBare: boolean
  /** Set when we are root and the repository is somebody else's: what is written there must be theirs. */
  readonly owner: Owner | null
}

const refuse = (message: string): Fault => new Fault({ code: 'VALIDATION_ERROR', message, retryable: false })

/**
 * Throws with the next step: VALIDATION_ERROR when `path` is not the root of a repository, PRECONDITION_FAILED when this
 * account may not read it.
 */
export async function openFolder(path: string): Promise<Folder> {
  const real = await realFolder(path)
  await requireEnterable(real)
  const gitDir = await gitDirOf(real)
  if (gitDir === null) throw refuse(await notARoot(real))
  const commonDir = resolve(gitDir, (await textOf(join(gitDir, 'commondir')))?.trim() ?? '.')
  await requireReadable(gitDir, commonDir)
  return { path: real, gitDir, commonDir, isBare: gitDir === real, owner: await ownerOf(commonDir) }
}

async function realFolder(path: string): Promise<string> {
  try {
    const real = await realpath(path)
    if ((await stat(real)).isDirectory()) return real
  } catch (error) {
    throw unreadable(path, error)
  }
  throw refuse(`${path} is a file: give the folder of a git repository.`)
}

function unreadable(path: string, cause: unknown): Fault {
  return isClosed(cause) ? closedToUs(path, cause) : refuse(`There is no folder ${path}: check the path.`)
}

const isClosed = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EPERM')

const closedToUs = (path: string, cause: unknown): Fault =>
  new Fault({
    code: 'PRECONDITION_FAILED',
    message: `The account that runs this may not read ${path}: change its permissions, then /retry.`,
    retryable: false,
    cause,
  })

/** For a `catch`: what is closed to us is said so, since what cannot be seen is easily taken for what is not there. */
const unlessClosed =
  <T>(path: string, absent: T) =>
  (error: unknown): T => {
    if (isClosed(error)) throw closedToUs(path, error)
    return absent
  }

async function requireEnterable(path: string): Promise<void> {
  const found = await stat(path).catch(unlessClosed(path, null))
  if (found?.isDirectory() === true) await access(path, constants.X_OK).catch(unlessClosed(path, undefined))
}

/** Git says of a repository that it cannot read that it is none. */
async function requireReadable(gitDir: string, commonDir: string): Promise<void> {
  const { R_OK, X_OK } = constants
  const wanted = [
    [join(gitDir, 'HEAD'), R_OK],
    [join(commonDir, 'objects'), R_OK | X_OK],
    [join(commonDir, 'refs'), R_OK | X_OK],
  ] as const
  for (const [path, mode] of wanted) await access(path, mode).catch(unlessClosed(path, undefined))
}

/** The git directory of a root: `.git` in it, where its `.git` file points (linked work trees, submodules), or itself when bare. */
async function gitDirOf(path: string): Promise<string | null> {
  const inner = join(path, '.git')
  if (await isGitDir(inner)) return await realpath(inner)
  const pointer = /^gitdir: (.+?)\s*$/.exec((await textOf(inner)) ?? '')?.[1]
  if (pointer !== undefined && (await isGitDir(resolve(path, pointer)))) return await realpath(resolve(path, pointer))
  return (await isGitDir(path)) ? path : null
}

/** As git tells: a HEAD, and objects and refs there or in the common directory. */
async function isGitDir(path: string): Promise<boolean> {
  await requireEnterable(path)
  const common = resolve(path, (await textOf(join(path, 'commondir')))?.trim() ?? '.')
  const parts = await Promise.all([
    exists(join(path, 'HEAD')),
    exists(join(common, 'objects')),
    exists(join(common, 'refs')),
  ])
  return parts.every(Boolean)
}

async function notARoot(path: string): Promise<string> {
  const hint = `To make it one: git init && git add . && git commit, in that folder.`
  for (let above = dirname(path); ; above = dirname(above)) {
    if ((await gitDirOf(above).catch(() => null)) !== null)
      return `${path} lies in the repository ${above}: give that folder.`
    if (above === dirname(above)) return `${path} is not a git repository. ${hint}`
  }
}

async function ownerOf(path: string): Promise<Owner | null> {
  const { uid, gid } = await stat(path)
  return process.getuid?.() === 0 && uid !== 0 ? { uid, gid } : null
}

const exists = (path: string): Promise<boolean> => stat(path).then(() => true, unlessClosed(path, false))

/** Small pointer files only; null when there is none. */
async function textOf(path: string): Promise<string | null> {
  const found = await stat(path).catch(unlessClosed(path, null))
  if (found?.isFile() !== true || found.size >= 10_000) return null
  return await readFile(path, 'utf8').catch(unlessClosed(path, null))
}

/** Copies a regular file of the folder, where there is one. */
export async function copyFromFolder(from: string, to: string): Promise<void> {
  if (await isPlainFile(from)) await copyFile(from, to)
}

/** The bytes of a regular file of the folder; null where there is none. */
export async function readFromFolder(from: string): Promise<Buffer | null> {
  return (await isPlainFile(from)) ? await readFile(from) : null
}

/** A pipe put in a file's place would be read for ever. */
async function isPlainFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(unlessClosed(path, null))
  if (found?.isFile() !== true) return false
  await access(path, constants.R_OK).catch(unlessClosed(path, undefined))
  return true
}
