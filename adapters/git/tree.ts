import { Fault } from '../../core/model/problem.ts'
import { isSafePath, requireSafePath } from './path.ts'

/** One line of a tree. */
export type TreeEntry = {
  readonly kind: EntryKind
  readonly executable: boolean
  readonly id: string
  readonly path: string
  /** Null where the list was made without sizes, and of all but files. */
  readonly sizeBytes: number | null
}

type EntryKind = 'file' | 'folder' | 'symlink' | 'submodule'

const kinds: Readonly<Record<string, EntryKind>> = {
  '100644': 'file',
  '100664': 'file',
  '100755': 'file',
  '040000': 'folder',
  '120000': 'symlink',
  '160000': 'submodule',
}

/** Reads `git ls-tree -z`, with sizes (`-l`) or without. Names that are not UTF-8, or that no path may have, are left out: nothing could ask for them. */
export function parseTree(output: Buffer): readonly TreeEntry[] {
  return splitAtNul(output).flatMap((line) => {
    const [, mode = '', id, size, path] = /^(\d{6}) \w+ ([0-9a-f]{40})(?: +(\d+|-))?\t(.+)$/s.exec(line) ?? []
    const kind = kinds[mode]
    if (kind === undefined || id === undefined || path === undefined || !isSafePath(path)) return []
    const sizeBytes = size === undefined || size === '-' ? null : Number(size)
    return [{ kind, executable: mode === '100755', id, path, sizeBytes }]
  })
}

function splitAtNul(output: Buffer): readonly string[] {
  // Bytes that are not UTF-8 become U+FFFD, which no safe path holds.
  return output.toString('utf8').split('\0')
}

/** Throws VALIDATION_ERROR for a place in the tree where no file can be written: below or over a link, a submodule or a folder. */
export function requireWritable(entries: readonly TreeEntry[], paths: readonly string[]): void {
  const found = new Map(entries.map((entry) => [entry.path, entry]))
  for (const path of paths) {
    requireSafePath(path)
    const blocked = parentsOf(path).find((parent) => isOther(found.get(parent), 'folder'))
    if (blocked !== undefined) throw inTheWay(path, found.get(blocked))
    if (isOther(found.get(path), 'file')) throw inTheWay(path, found.get(path))
  }
}

const isOther = (entry: TreeEntry | undefined, kind: EntryKind): boolean => entry !== undefined && entry.kind !== kind

/** `docs/a/b.md` → `docs`, `docs/a`. */
export function parentsOf(path: string): readonly string[] {
  const parts = path.split('/')
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'))
}

const names: Readonly<Record<EntryKind, string>> = {
  file: 'a file',
  folder: 'a folder',
  symlink: 'a symbolic link',
  submodule: 'a submodule',
}

function inTheWay(path: string, entry: TreeEntry | undefined): Fault {
  const what = entry === undefined ? 'in the way' : names[entry.kind]
  return new Fault({
    code: 'VALIDATION_ERROR',
    message: `${path} cannot be written: ${entry?.path ?? path} is ${what} in the repository. Move it away on the base branch, then start a new run.`,
    retryable: false,
  })
}

/** Throws VALIDATION_ERROR when what stands at the path is a link or a submodule, which are never followed. */
export function requireFollowable(entry: TreeEntry): void {
  if (entry.kind === 'file' || entry.kind === 'folder') return
  throw new Fault({
    code: 'VALIDATION_ERROR',
    message: `${entry.path} is ${names[entry.kind]} in the repository, which is not followed: commit it as a regular file.`,
    retryable: false,
  })
}
