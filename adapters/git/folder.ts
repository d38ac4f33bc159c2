import { readFile, realpath, stat } from 'node:fs/promises'
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

/** Throws VALIDATION_ERROR with the next step when `path` is not the root of a repository. */
export async function openFolder(path: string): Promise<Folder> {
  const real = await realFolder(path)
  const gitDir = await gitDirOf(real)
  if (gitDir === null) throw refuse(await notARoot(real))
  const commonDir = resolve(gitDir, (await textOf(join(gitDir, 'commondir')))?.trim() ?? '.')
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
  const code = cause instanceof Error && 'code' in cause ? cause.code : ''
  if (code !== 'EACCES' && code !== 'EPERM') return refuse(`There is no folder ${path}: check the path.`)
  const message = `The account that runs this may not read ${path}: change the folder's permissions.`
  return new Fault({ code: 'PRECONDITION_FAILED', message, retryable: false, cause })
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
    if ((await gitDirOf(above)) !== null) return `${path} lies in the repository ${above}: give that folder.`
    if (above === dirname(above)) return `${path} is not a git repository. ${hint}`
  }
}

async function ownerOf(path: string): Promise<Owner | null> {
  const { uid, gid } = await stat(path)
  return process.getuid?.() === 0 && uid !== 0 ? { uid, gid } : null
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/** Small pointer files only; null when there is none. */
async function textOf(path: string): Promise<string | null> {
  const found = await stat(path).catch(() => null)
  return found?.isFile() === true && found.size < 10_000 ? await readFile(path, 'utf8') : null
}
