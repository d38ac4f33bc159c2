import { mkdir, writeFile } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { assert } from '../../core/model/problem.ts'
import type { Workbench } from './commit.ts'
import { readBlobs } from './lay-out.ts'
import { storeBlob } from './object.ts'

/** Three commits or trees: what two of them have made of the first. */
export type ThreeTrees = { readonly base: string; readonly ours: string; readonly theirs: string }

export type MergedTree =
  | { readonly kind: 'tree'; readonly tree: string }
  /** Where the two cannot be brought together without a person. */
  | { readonly kind: 'conflict'; readonly files: readonly string[] }

/**
 * Merges trees in the index of a git directory, as `git merge-tree --merge-base` does, which git has since 2.40 only. A
 * file that was renamed is one that is gone and one that is new.
 */
export async function mergeTrees(bench: Workbench, { base, ours, theirs }: ThreeTrees): Promise<MergedTree> {
  await ask(bench, ['read-tree', '--empty'])
  await ask(bench, ['read-tree', '-i', '-m', '--aggressive', base, ours, theirs])
  const open = stagesOf((await ask(bench, ['ls-files', '--unmerged', '-z'])).toString('utf8'))
  const lines: string[] = []
  const files: string[] = []
  for (const [path, stages] of open) {
    const merged = await mergeFile(bench, stages)
    if (merged === null) files.push(path)
    else lines.push(`0 ${'0'.repeat(40)}\t${path}\0${merged.mode} ${merged.id}\t${path}\0`)
  }
  if (files.length > 0) return { kind: 'conflict', files }
  if (lines.length > 0) await ask(bench, ['update-index', '-z', '--index-info'], Buffer.from(lines.join('')))
  return { kind: 'tree', tree: (await ask(bench, ['write-tree'])).toString('utf8').trim() }
}

const ask = (bench: Workbench, args: readonly string[], stdin?: Uint8Array): Promise<Buffer> =>
  bench.git.run({ args, gitDir: bench.gitDir, address: bench.address, ...(stdin ? { stdin } : {}) }, bench.signal)

type Blob = { readonly mode: string; readonly id: string }

/** What stands at a path in the base, ours and theirs. */
type Stages = ReadonlyMap<string, Blob>

function stagesOf(output: string): ReadonlyMap<string, Stages> {
  const paths = new Map<string, Map<string, Blob>>()
  for (const line of output.split('\0')) {
    const [, mode, id, stage, path] = /^(\d{6}) ([0-9a-f]{40}) ([123])\t(.+)$/s.exec(line) ?? []
    if (mode === undefined || id === undefined || stage === undefined || path === undefined) continue
    const stages = paths.get(path) ?? new Map<string, Blob>()
    paths.set(path, stages.set(stage, { mode, id }))
  }
  return paths
}

const isFile = (blob: Blob | undefined): blob is Blob => blob?.mode.startsWith('100') === true

/** Null where a person must look: changed on one side and gone on the other, the same lines changed, no text. */
async function mergeFile(bench: Workbench, stages: Stages): Promise<Blob | null> {
  const [base, ours, theirs] = ['1', '2', '3'].map((stage) => stages.get(stage))
  if (!isFile(base) || !isFile(ours) || !isFile(theirs)) return null
  const found = await readBlobs(bench, [ours.id, base.id, theirs.id])
  const texts = [ours, base, theirs].map(({ id }) => {
    const text = found.get(id)
    assert(text !== undefined, `${id} is in the index and not among the objects`)
    return text
  })
  if (texts.some((text) => text.includes(0))) return null
  const folder = join(bench.gitDir, 'three-way')
  await mkdir(folder, { recursive: true })
  const paths = ['ours', 'base', 'theirs'].map((name) => join(folder, name))
  await Promise.all(paths.map((path, at) => writeFile(path, texts[at] ?? '')))
  // Nobody can have written this into a file before: where it stands the two did not fit.
  const mark = randomUUID()
  const call = { args: ['merge-file', '-p', '-q', '-L', mark, ...paths], answers: conflictCodes }
  const merged = await bench.git.run({ ...call, gitDir: bench.gitDir, address: bench.address }, bench.signal)
  if (merged.includes(`<<<<<<< ${mark}`)) return null
  return { mode: ours.mode === base.mode ? theirs.mode : ours.mode, id: await storeBlob(bench.gitDir, merged) }
}

/** `git merge-file` ends with the number of places that did not fit, 127 at most. */
const conflictCodes = Array.from({ length: 127 }, (_, at) => at + 1)
