import { constants } from 'node:fs'
import { lstat, open, opendir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { blobIdOf } from './object.ts'
import { Fault } from '../../core/model/problem.ts'

/** Something in a workspace, as it lies there. */
export type Found = {
  readonly path: string
  readonly kind: 'file' | 'symlink' | 'other'
  readonly executable: boolean
  readonly sizeBytes: number
}

/** What one path cannot be taken for, in words: the others can. */
export class Untakeable extends Error {
  readonly path: string

  constructor(path: string, what: string) {
    super(what)
    this.name = 'Untakeable'
    this.path = path
  }
}

/** Bounds of what is looked at: an agent may have filled the folder with anything. */
const maxEntries = 200_000
const maxDepth = 64

/**
 * Everything below a folder but in folders that are left out, in order of path; links are never followed, and nothing is
 * opened. What stands in the place of a folder that is left out, and is none, counts. What cannot be looked at goes to `note`.
 */
export async function walk(
  folder: string,
  leftOut: ReadonlySet<string>,
  note: (untaken: Untakeable) => void,
): Promise<readonly Found[]> {
  const found: Found[] = []
  let entries = 0
  const namesIn = async (inside: string): Promise<readonly string[]> => {
    const names: string[] = []
    // A few at a time: there may be a million in one folder.
    for await (const { name } of await opendir(join(folder, inside)).catch(orUnreadable(inside))) {
      // Of bytes that are no text: nothing could be found under it.
      if (name.includes('\ufffd')) note(noPath(join(inside, name)))
      else names.push(name)
      if (++entries > maxEntries) throw refuse(`there are more than ${maxEntries} files and folders`)
    }
    return names.toSorted()
  }
  const visit = async (inside: string, depth: number): Promise<void> => {
    if (depth > maxDepth) throw refuse(`${inside.slice(0, 200)} lies more than ${maxDepth} folders deep`)
    for (const name of await namesIn(inside).catch(noted(note, []))) {
      const path = inside === '' ? name : `${inside}/${name}`
      const stats = await lstat(join(folder, path)).catch(orUnreadable(path)).catch(noted(note, null))
      if (stats === null) continue
      if (stats.isDirectory()) {
        if (leftOut.has(path)) continue
        await visit(path, depth + 1)
        continue
      }
      const kind = stats.isFile() ? 'file' : stats.isSymbolicLink() ? 'symlink' : 'other'
      found.push({ path, kind, executable: (stats.mode & 0o100) !== 0, sizeBytes: stats.size })
    }
  }
  await visit('', 0)
  return found
}

/** What stands in the place of something that cannot be taken, of which note is taken; all else goes on up. */
export const noted =
  <T>(note: (untaken: Untakeable) => void, instead: T) =>
  (error: unknown): T => {
    if (!(error instanceof Untakeable)) throw error
    note(error)
    return instead
  }

/** The topmost folders below a folder that are not among those known; links are no folders. */
export async function foldersBeside(folder: string, known: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  const fresh = new Set<string>()
  const visit = async (inside: string): Promise<void> => {
    for await (const entry of await opendir(join(folder, inside)).catch(orUnreadable(inside)).catch(asWhole)) {
      const path = inside === '' ? entry.name : `${inside}/${entry.name}`
      if (!entry.isDirectory()) continue
      if (known.has(path)) await visit(path)
      else fresh.add(path)
      if (fresh.size > maxEntries) throw refuse(`there are more than ${maxEntries} folders`)
    }
  }
  await visit('')
  return fresh
}

/** The bytes of a regular file; what has become a link or a pipe meanwhile is not opened. */
export async function readPlain(folder: string, { path }: Found): Promise<Buffer> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const handle = await open(join(folder, path), flags).catch(orUnreadable(path))
  try {
    if (!(await handle.stat()).isFile()) throw new Untakeable(path, `${path} is not a regular file`)
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}

/** The id git gives to the bytes, or to where a link leads. */
export async function blobId(folder: string, found: Found): Promise<string> {
  const bytes =
    found.kind === 'symlink' ? Buffer.from(await readlink(join(folder, found.path))) : await readPlain(folder, found)
  return blobIdOf(bytes)
}

/** Rights are the agent's to give, and step by step it can go deeper than any path leads: neither is a failure of ours. */
const orUnreadable =
  (path: string) =>
  (error: unknown): never => {
    const code = error instanceof Error && 'code' in error ? error.code : null
    if (code === 'ENAMETOOLONG') throw new Untakeable(path, `${path.slice(0, 200)}… is longer than a path may be`)
    throw code === 'EACCES' ? new Untakeable(path, `${path.slice(0, 200)} may not be read`) : error
  }

/** Where nothing else can be had without it. */
export function asWhole(error: unknown): never {
  throw error instanceof Untakeable ? refuse(error.message) : error
}

export const noPath = (path: string): Untakeable =>
  new Untakeable(path, `${JSON.stringify(path.slice(0, 200))} is no path for a repository`)

export const refuse = (what: string): Fault =>
  new Fault({
    code: 'VALIDATION_ERROR',
    message: `What the agent left cannot be taken: ${what}.`,
    retryable: false,
  })
