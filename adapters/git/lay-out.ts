import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Fault } from '../../core/model/problem.ts'
import type { Workbench } from './commit.ts'
import { parseTree, type TreeEntry } from './tree.ts'

/** More than this is not laid out: an agent's workspace is copied for every step. */
const maxBytes = 512_000_000

/** The files and links of a tree. Names that no path may have, and submodules, are left out: they stay as they are. */
export async function readTree(bench: Workbench, tree: string): Promise<readonly TreeEntry[]> {
  const args = ['ls-tree', '-r', '-z', '--full-tree', tree]
  return parseTree(await bench.git.run({ args, gitDir: bench.gitDir, address: bench.address }, bench.signal))
}

/**
 * Writes a tree into an empty folder, byte for byte: no attribute, filter or line ending of the repository is obeyed, as a
 * checkout by git would. Links come last, so that nothing is written through one.
 */
export async function layOut(bench: Workbench, entries: readonly TreeEntry[], folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const wanted = entries.filter(({ kind }) => kind === 'file' || kind === 'symlink')
  const bytesOf = await readBlobs(bench, [...new Set(wanted.map(({ id }) => id))])
  const inOrder = wanted.toSorted((one, other) => Number(one.kind === 'symlink') - Number(other.kind === 'symlink'))
  for (const { path, kind, id, executable } of inOrder) {
    const bytes = bytesOf.get(id)
    if (bytes === undefined) continue
    const to = join(folder, path)
    await mkdir(dirname(to), { recursive: true })
    if (kind === 'symlink') await symlink(bytes.toString('utf8'), to)
    else await writeFile(to, bytes, { flag: 'wx' })
    if (executable) await chmod(to, 0o755)
  }
}

/** The bytes of many blobs, in one conversation. */
export async function readBlobs(bench: Workbench, ids: readonly string[]): Promise<ReadonlyMap<string, Buffer>> {
  if (ids.length === 0) return new Map()
  const request = { args: ['cat-file', '--batch'], gitDir: bench.gitDir, address: bench.address }
  const stdin = Buffer.from(`${ids.join('\n')}\n`)
  const output = await bench.git.run({ ...request, stdin, maxOutputBytes: maxBytes }, bench.signal).catch(tooLarge)
  return parseBatch(output)
}

function tooLarge(error: unknown): never {
  if (!(error instanceof Fault && /wrote more than/.test(error.message))) throw error
  throw new Fault({
    code: 'VALIDATION_ERROR',
    message: `The repository has more than ${maxBytes / 1_000_000} MB of files, which is too much to give to an agent: keep large files elsewhere.`,
    retryable: false,
    cause: error,
  })
}

/** Reads `<id> <type> <size>\n<bytes>\n`, again and again. */
function parseBatch(output: Buffer): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>()
  for (let at = 0; at < output.length; ) {
    const end = output.indexOf(10, at)
    const [id = '', type, size = '0'] = output.toString('latin1', at, end).split(' ')
    if (type !== 'blob') {
      at = end + 1
      continue
    }
    const from = end + 1
    found.set(id, output.subarray(from, from + Number(size)))
    at = from + Number(size) + 1
  }
  return found
}
