import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { assert } from '../../core/model/problem.ts'
import { ownName, sweepLeftovers } from '../process/leftovers.ts'
import { runProcess } from '../process/run.ts'
import type { Patch, PatchFile, TakenPatch, Workspace, Workspaces } from '../../core/workshop.ts'
import { addedLines } from './added-lines.ts'
import type { Workbench } from './commit.ts'
import { layOut, readTree } from './lay-out.ts'
import { storeBlob } from './object.ts'
import { isSafePath } from './path.ts'
import { openSnapshot, openTools, type GitSourceControlOptions, type Tools } from './tools.ts'
import type { TreeEntry } from './tree.ts'
import {
  asWhole,
  blobId,
  foldersBeside,
  type Found,
  noPath,
  noted,
  readPlain,
  refuse,
  Untakeable,
  walk,
} from './walk.ts'

/** Folders below `<stateDir>/work`; see `Workspaces` for what each method promises. */
export function createWorkspaces(options: GitSourceControlOptions): Workspaces {
  const tools = openTools(options)
  const root = join(options.stateDir, 'work')
  return {
    open: async ({ snapshot, name, patch }, signal) => {
      assert(/^[a-z0-9][a-z0-9-]{0,80}$/.test(name), `no name of a workspace: ${name}`)
      // Its own: a worker that has lost its run to another may still be busy with the folder before.
      const folder = join(root, await ownName(name))
      await sweepLeftovers(root, (path) => removeFolder(path, options))
      try {
        const entries = await inScratch(tools, snapshot, signal, async (bench) => {
          const tree = patch === null ? snapshot.commit : await applied(bench, snapshot.commit, patch)
          const read = await readTree(bench, tree)
          await layOut(bench, read, folder)
          return read
        })
        return { folder, snapshot, laidOut: foldersOf(entries), leftOut: new Set() }
      } catch (error) {
        await removeFolder(folder, options)
        throw error
      }
    },
    withoutNew: async (workspace) => ({
      ...workspace,
      leftOut: await foldersBeside(workspace.folder, workspace.laidOut),
    }),
    patch: (workspace, signal) =>
      inScratch(tools, workspace.snapshot, signal, (bench) => takePatch(bench, workspace, options.stateDir)),
    added: async (patch) => addedLines(patch),
    remove: ({ folder }) => removeFolder(folder, options),
  }
}

/** Takes away what killed processes have left below the state folder: trees of agents, and git directories they were made in. */
export async function sweepWorkspaces(options: GitSourceControlOptions): Promise<void> {
  const { stateDir } = options
  await sweepLeftovers(join(stateDir, 'work'), (path) => removeFolder(path, options))
  await sweepLeftovers(join(stateDir, 'git', 'scratch'))
}

/**
 * By a program, which goes down step by step: an agent can make folders deeper than any path may be long, and more files than
 * this process should spend its time on. What the account may not enter it is let into first.
 */
async function removeFolder(folder: string, { env }: Pick<GitSourceControlOptions, 'env'>): Promise<void> {
  const call = { cwd: '/', env: { PATH: env.PATH }, timeoutMs: 600_000, maxOutputBytes: 100_000 }
  const removal = { ...call, command: 'rm', args: ['-rf', '--', folder] }
  if ((await runProcess(removal)).exitCode === 0) return
  await runProcess({ ...call, command: 'chmod', args: ['-R', 'u+rwX', '--', folder] })
  const { exitCode, stderr } = await runProcess(removal)
  if (exitCode !== 0) throw new Error(`${folder} could not be removed: ${stderr.slice(0, 500)}`)
}

/** Lends a git directory of our own that knows the snapshot, for one piece of work. */
export async function inScratch<T>(
  tools: Tools,
  snapshot: { readonly address: string; readonly commit: string },
  signal: AbortSignal,
  work: (bench: Workbench) => Promise<T>,
): Promise<T> {
  const { gitDir: base } = await openSnapshot(tools, snapshot, signal)
  const { address } = snapshot
  return await tools.directories.scratch(base, (gitDir) => work({ git: tools.git, gitDir, address, signal }), signal)
}

/** Every folder that a file or a link of the tree lies in; submodules are not laid out. */
function foldersOf(entries: readonly TreeEntry[]): ReadonlySet<string> {
  const folders = new Set<string>()
  for (const { path, kind } of entries) {
    if (kind !== 'file' && kind !== 'symlink') continue
    for (const above of foldersAbove(path)) folders.add(above)
  }
  return folders
}

function foldersAbove(path: string): readonly string[] {
  const folders: string[] = []
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) folders.push(path.slice(0, at))
  return folders
}

const ask = (bench: Workbench, args: readonly string[], stdin?: Uint8Array): Promise<Buffer> =>
  bench.git.run({ args, gitDir: bench.gitDir, address: bench.address, ...(stdin ? { stdin } : {}) }, bench.signal)

/** The tree that a commit and a patch make together: 40 hex digits. */
export async function applied(bench: Workbench, commit: string, patch: Uint8Array): Promise<string> {
  await ask(bench, ['read-tree', commit])
  if (patch.length > 0) await ask(bench, ['apply', '--cached', '--binary', '--whitespace=nowarn', '-'], patch)
  return (await ask(bench, ['write-tree'])).toString('utf8').trim()
}

/** Most bytes of one file, and of all changed files together. */
const maxFileBytes = 5_000_000
const maxChangedBytes = 20_000_000

/** So many things that cannot be taken are named one by one. */
const mostNamed = 20

async function takePatch(bench: Workbench, workspace: Workspace, stateDir: string): Promise<TakenPatch> {
  const { folder, snapshot, leftOut } = workspace
  const before = await readTree(bench, snapshot.commit)
  const known = new Map(before.map((entry) => [entry.path, entry]))
  const untaken = new Map<string, string>()
  const note = ({ path, message }: Untakeable): unknown => untaken.set(path, message)
  const found = await walk(folder, leftOut, note)
  const fresh = found.filter(({ path }) => !known.has(path))
  const ignored = await ignoredOf(bench, { before, fresh, stateDir })
  const there = found.filter(({ path }) => !ignored.has(path))
  const changed: Found[] = []
  for (const each of there)
    if (await isChanged(bench, { folder, found: each, entry: known.get(each.path) }).catch(noted(note, false)))
      changed.push(each)
  requireSize(changed)
  const kept = new Set(there.map(({ path }) => path))
  // What the repository has in the place of something that cannot be taken stays as it is.
  const isUntaken = (path: string): boolean => [path, ...foldersAbove(path)].some((each) => untaken.has(each))
  const removed = before.filter(({ path, kind }) => kind !== 'submodule' && !kept.has(path) && !isUntaken(path))
  const tree = await writeTree(bench, { folder, commit: snapshot.commit, changed, removed })
  return { tree, ...(await patchOf(bench, snapshot.commit, tree)), untaken: firstOf([...untaken.values()]) }
}

function firstOf(untaken: readonly string[]): readonly string[] {
  const named = untaken.slice(0, mostNamed).map((what) => `${what} and was left out`)
  const more = untaken.length - named.length
  return more > 0 ? [...named, `${more} more were left out, which no patch can hold either`] : named
}

/** Something in a workspace, and what the repository has in its place. */
type Compared = { readonly folder: string; readonly found: Found; readonly entry: TreeEntry | undefined }

/** Nothing of another size can be the repository's own file, so that no larger one than that is ever read. */
const hasSize = async (bench: Workbench, entry: TreeEntry | undefined, bytes: number): Promise<boolean> =>
  entry?.kind === 'file' && Number((await ask(bench, ['cat-file', '-s', entry.id])).toString('utf8')) === bytes

/** Whether it differs from what the repository has there. Throws Untakeable for what a patch does not hold. */
async function isChanged(bench: Workbench, { folder, found, entry }: Compared): Promise<boolean> {
  const { path, kind, sizeBytes, executable } = found
  const name = path.slice(0, 200)
  if (kind === 'other') throw new Untakeable(path, `${name} is neither a file nor a folder`)
  const isLarge = kind === 'file' && sizeBytes > maxFileBytes
  const tooLarge = new Untakeable(path, `${name} has more than ${maxFileBytes / 1_000_000} MB`)
  if (isLarge && !(await hasSize(bench, entry, sizeBytes))) throw tooLarge
  const isSame = entry?.kind === kind && entry.id === (await blobId(folder, found))
  if (isSame && (kind === 'symlink' || entry.executable === executable)) return false
  if (!isSafePath(path)) throw noPath(path)
  if (isLarge) throw tooLarge
  if (kind === 'symlink') throw new Untakeable(path, `${name} is a symbolic link`)
  return true
}

function requireSize(changed: readonly Found[]): void {
  const bytes = changed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  if (bytes > maxChangedBytes) throw refuse(`it changes more than ${maxChangedBytes / 1_000_000} MB of files`)
}

type IgnoreQuestion = {
  readonly before: readonly TreeEntry[]
  readonly fresh: readonly Found[]
  readonly stateDir: string
}

/**
 * The new files that the repository ignored before the agent came: what builds and tests leave. Asked of a folder that holds
 * nothing but the commit's own `.gitignore` files, so that none that an agent wrote is read.
 */
async function ignoredOf(bench: Workbench, { before, fresh, stateDir }: IgnoreQuestion): Promise<ReadonlySet<string>> {
  const rules = before.filter(({ path, kind }) => kind === 'file' && path.split('/').at(-1) === '.gitignore')
  if (rules.length === 0 || fresh.length === 0) return new Set()
  const folder = join(stateDir, 'work', await ownName('rules'))
  try {
    await layOut(bench, rules, folder)
    const args = [`--work-tree=${folder}`, '-C', folder, 'check-ignore', '--no-index', '-z', '--stdin']
    const stdin = Buffer.from(fresh.map(({ path }) => `${path}\0`).join(''))
    // 1: no path is ignored.
    const call = { args, stdin, gitDir: bench.gitDir, address: bench.address, answers: [1] }
    return new Set((await bench.git.run(call, bench.signal)).toString('utf8').split('\0').filter(Boolean))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

type TreeChange = {
  readonly folder: string
  readonly commit: string
  readonly changed: readonly Found[]
  readonly removed: readonly TreeEntry[]
}

async function writeTree(bench: Workbench, { folder, commit, changed, removed }: TreeChange): Promise<string> {
  const lines = removed.map(({ path }) => `0 ${'0'.repeat(40)}\t${path}\0`)
  for (const found of changed) {
    const bytes = await readPlain(folder, found).catch(asWhole)
    const mode = found.executable ? '100755' : '100644'
    lines.push(`${mode} ${await storeBlob(bench.gitDir, bytes)}\t${found.path}\0`)
  }
  await ask(bench, ['read-tree', commit])
  await ask(bench, ['update-index', '-z', '--index-info'], Buffer.from(lines.join('')))
  return (await ask(bench, ['write-tree'])).toString('utf8').trim()
}

const plain = ['--no-renames', '--no-ext-diff', '--no-textconv', '--full-index', '--no-color']

/** How a commit's files become those of a tree: the patch, and what it does to which file. */
export async function patchOf(bench: Workbench, commit: string, tree: string): Promise<Omit<Patch, 'tree'>> {
  return readDiff(
    await ask(bench, ['diff-tree', '-r', ...plain, '--raw', '--numstat', '-p', '--binary', '-z', commit, tree]),
  )
}

const changes: Readonly<Record<string, PatchFile['change']>> = { A: 'added', D: 'removed' }

/**
 * Reads three parts in a row: `:<modes and ids> <letter>` NUL `<path>` NUL of each file, `<added>` TAB `<removed>` TAB `<path>`
 * NUL of each in the same order, and behind one more NUL the patch itself.
 */
function readDiff(output: Buffer): Omit<Patch, 'tree'> {
  let at = 0
  const next = (): string => {
    const end = output.indexOf(0, at)
    assert(end >= 0, 'a difference ends in the middle')
    const word = output.toString('utf8', at, end)
    at = end + 1
    return word
  }
  const letters: string[] = []
  while (output[at] === colon) {
    letters.push(next().slice(-1))
    next()
  }
  const files = letters.map((letter): PatchFile => {
    const [added = '', removed = '', path = ''] = next().split('\t')
    // Binary files have a dash where text has a number.
    return { path, change: changes[letter] ?? 'modified', added: Number(added) || 0, removed: Number(removed) || 0 }
  })
  return { files, bytes: new Uint8Array(output.subarray(at + 1)) }
}

const colon = 0x3a
