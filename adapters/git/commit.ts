import { assert, Fault } from '../../core/model/problem.ts'
import type { CommitRequest, FileChange } from '../../core/ports.ts'
import type { Git, GitCall } from './git-command.ts'
import { storeBlob } from './object.ts'
import { parentsOf, parseTree, requireWritable, type TreeEntry } from './tree.ts'

/** Who commits. */
export type Identity = { readonly name: string; readonly email: string }

/** A git directory to build in, and how to call git there. */
export type Workbench = {
  readonly git: Git
  readonly gitDir: string
  readonly address: string
  readonly signal: AbortSignal
}

const trailer = 'QuantaPilot-Key'

/** Most commits above the base that are searched for a key; a branch of ours has a handful. */
const searchDepth = 1_000

const call = (bench: Workbench, more: Omit<GitCall, 'gitDir' | 'address'>): Promise<Buffer> =>
  bench.git.run({ gitDir: bench.gitDir, address: bench.address, ...more }, bench.signal)

const line = async (bench: Workbench, more: Omit<GitCall, 'gitDir' | 'address'>): Promise<string> =>
  (await call(bench, more)).toString('utf8').trim()

/** The commit between base and tip whose message ends with the key; null when there is none. */
export async function findCommit(
  bench: Workbench,
  range: { readonly base: string; readonly tip: string },
  key: string,
): Promise<string | null> {
  const args = ['log', '-z', `--max-count=${searchDepth}`, '--format=%H%n%B', range.tip, `^${range.base}`, '--']
  const log = (await call(bench, { args })).toString('utf8')
  const found = log.split('\0').find((entry) => entry.trimEnd().endsWith(`\n${trailer}: ${key}`))
  return found?.slice(0, 40) ?? null
}

/** Throws PRECONDITION_FAILED when a commit found by its key holds other bytes than the request: somebody else made it. */
export async function requireSameFiles(bench: Workbench, commit: string, files: readonly FileChange[]): Promise<void> {
  const wanted = await storeBlobs(bench, files)
  const found = await entriesAt(bench, commit, files)
  const ids = new Map(found.map((entry) => [entry.path, entry.id]))
  if (wanted.every(({ path, id }) => ids.get(path) === id)) return
  throw new Fault({
    code: 'PRECONDITION_FAILED',
    message: `The commit ${commit.slice(0, 12)} in ${bench.address} carries our key but other files: remove the branch, then /retry.`,
    retryable: false,
  })
}

/** Makes the commit's objects in the git directory; the same request on the same parent makes the same commit. */
export async function buildCommit(
  bench: Workbench,
  parent: string,
  request: CommitRequest,
  identity: Identity,
): Promise<string> {
  const standing = await entriesAt(bench, parent, request.files)
  requireWritable(
    standing,
    request.files.map(({ path }) => path),
  )
  const tree = await writeTree(bench, parent, await storeBlobs(bench, request.files), standing)
  return await commitTree(bench, { ...request, tree, parents: [parent] }, identity)
}

export type TreeCommit = Pick<CommitRequest, 'message' | 'at' | 'key'> & {
  readonly tree: string
  readonly parents: readonly string[]
}

/** A commit of a tree that the git directory has; the same request makes the same commit. */
export async function commitTree(
  bench: Workbench,
  { tree, parents, ...request }: TreeCommit,
  identity: Identity,
): Promise<string> {
  const args = ['commit-tree', tree, ...parents.flatMap((parent) => ['-p', parent]), '-F', '-']
  const env = { ...signature(identity, request.at) }
  return await line(bench, { args, env, stdin: Buffer.from(messageOf(request)) })
}

type Blob = { readonly path: string; readonly id: string }

/** Bytes as they are: no line ending or filter is applied. */
async function storeBlobs(bench: Workbench, files: readonly FileChange[]): Promise<readonly Blob[]> {
  const blobs: Blob[] = []
  for (const { path, bytes } of files) blobs.push({ path, id: await storeBlob(bench.gitDir, bytes) })
  return blobs
}

/** What stands at the files' paths and above them. */
async function entriesAt(
  bench: Workbench,
  commit: string,
  files: readonly FileChange[],
): Promise<readonly TreeEntry[]> {
  const paths = new Set(files.flatMap(({ path }) => [...parentsOf(path), path]))
  if (paths.size === 0) return []
  return parseTree(await call(bench, { args: ['ls-tree', '-t', '-z', commit, '--', ...paths] }))
}

async function writeTree(
  bench: Workbench,
  parent: string,
  blobs: readonly Blob[],
  standing: readonly TreeEntry[],
): Promise<string> {
  const executable = new Set(standing.filter((entry) => entry.executable).map(({ path }) => path))
  const lines = blobs.map(({ path, id }) => `${executable.has(path) ? '100755' : '100644'} ${id}\t${path}\0`)
  await call(bench, { args: ['read-tree', parent] })
  await call(bench, { args: ['update-index', '-z', '--index-info'], stdin: Buffer.from(lines.join('')) })
  return await line(bench, { args: ['write-tree'] })
}

/** Author and committer, in the environment. */
export function signature({ name, email }: Identity, at: string): Readonly<Record<string, string>> {
  const seconds = Math.floor(Date.parse(at) / 1_000)
  assert(Number.isSafeInteger(seconds), `not a date: ${at}`)
  const date = `@${seconds} +0000`
  return {
    GIT_AUTHOR_NAME: name,
    GIT_AUTHOR_EMAIL: email,
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_NAME: name,
    GIT_COMMITTER_EMAIL: email,
    GIT_COMMITTER_DATE: date,
  }
}

/** The key is the last line, where `findCommit` looks for it: the same words earlier in a message mean nothing. */
function messageOf({ message, key }: Pick<CommitRequest, 'message' | 'key'>): string {
  assert(/^[\x21-\x7e]{1,200}$/.test(key), 'a commit key is one word of printable ASCII')
  return `${message.replaceAll('\0', '').trim()}\n\n${trailer}: ${key}\n`
}
