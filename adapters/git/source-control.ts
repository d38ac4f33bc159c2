import { Fault } from '../../core/model/problem.ts'
import type { CommitRequest, Snapshot, SourceControl } from '../../core/ports.ts'
import { requireAllowedHost } from '../network/host.ts'
import { parseAddress } from './address.ts'
import { requireBranchName, requireOwnBranch } from './branch.ts'
import { buildCommit, findCommit, requireSameFiles, type Workbench } from './commit.ts'
import type { Git } from './git-command.ts'
import { commitOf, defaultBranchOf, readHead, readHeads, requireDefaultBranch } from './heads.ts'
import { requireSafePath } from './path.ts'
import { publish } from './publish.ts'
import { type RemoteOptions, reach } from './remote.ts'
import { fetchTip, type GitSourceControlOptions, openSnapshot, openTools, reachAddress, type Tools } from './tools.ts'
import { parseTree, requireFollowable, type TreeEntry } from './tree.ts'
import { isChanged } from './work-tree.ts'

const maxTreeBytes = 16_000_000

/** Repositories by the git command line: https, ssh, file and folders. See `SourceControl` for what each method promises. */
export function createGitSourceControl(options: GitSourceControlOptions): SourceControl {
  const tools = openTools(options)
  return {
    check: (request) => checkRequest(options, request),
    snapshot: (request, signal) => takeSnapshot(tools, request, signal),
    read: (snapshot, path, maxBytes, signal) => readFile(tools, snapshot, { path, maxBytes }, signal),
    list: (snapshot, folder, signal) => listFiles(tools, snapshot, folder, signal),
    commit: (request, signal) => makeCommit(tools, request, signal),
    removeBranch: (snapshot, branch, signal) => removeBranch(tools, snapshot, branch, signal),
  }
}

type SnapshotRequest = Parameters<SourceControl['snapshot']>[0]

function checkRequest(options: RemoteOptions, { address, branch }: SnapshotRequest): void {
  if (branch !== null) requireBranchName(branch)
  const parsed = parseAddress(address, options)
  if (parsed.kind !== 'folder') requireAllowedHost(parsed.host, options)
}

async function takeSnapshot(tools: Tools, request: SnapshotRequest, signal: AbortSignal): Promise<Snapshot> {
  checkRequest(tools.options, request)
  const remote = await reachAddress(tools, request.address, { write: false, signal })
  const heads = await readHeads(tools.git, remote, signal)
  const branch = request.branch ?? requireDefaultBranch(heads, remote.address)
  const defaultBranch = defaultBranchOf(heads) ?? branch
  const commit = commitOf(heads, branch, remote.address)
  const gitDir = await tools.directories.snapshot(async () => remote, remote, commit, signal)
  const { folder, address, name } = remote
  const head = heads.head.commit
  const hasUncommittedChanges =
    folder !== null && !folder.isBare && head !== null && (await isChanged(tools, { folder, address, head }, signal))
  const committedAt = await dateOf(tools.git, { gitDir, address, commit }, signal)
  return { address, name, defaultBranch, branch, commit, committedAt, hasUncommittedChanges }
}

async function dateOf(
  git: Git,
  { gitDir, address, commit }: { readonly gitDir: string; readonly address: string; readonly commit: string },
  signal: AbortSignal,
): Promise<string> {
  const output = await git.run({ args: ['log', '-1', '--format=%ct', commit, '--'], gitDir, address }, signal)
  return new Date(Number(output.toString('utf8')) * 1_000).toISOString()
}

async function readFile(
  tools: Tools,
  snapshot: Snapshot,
  { path, maxBytes }: { readonly path: string; readonly maxBytes: number },
  signal: AbortSignal,
): Promise<Uint8Array | null> {
  requireSafePath(path)
  const { gitDir } = await openSnapshot(tools, snapshot, signal)
  const ask = (...args: string[]) => tools.git.run({ args, gitDir, address: snapshot.address }, signal)
  const listed = parseTree(await ask('ls-tree', '-l', '-z', snapshot.commit, '--', path))
  const entry = listed.find((found) => found.path === path)
  if (entry === undefined) return null
  requireFollowable(entry)
  if (entry.kind === 'folder') return null
  if (entry.sizeBytes !== null && entry.sizeBytes > maxBytes) throw tooLarge(entry, maxBytes)
  const call = { args: ['cat-file', 'blob', entry.id], gitDir, address: snapshot.address }
  return new Uint8Array(await tools.git.run({ ...call, maxOutputBytes: maxBytes }, signal))
}

const tooLarge = ({ path, sizeBytes }: TreeEntry, maxBytes: number): Fault =>
  new Fault({
    code: 'VALIDATION_ERROR',
    message: `${path} has ${sizeBytes} bytes, more than the ${maxBytes} that are read: make it shorter.`,
    retryable: false,
  })

async function listFiles(
  tools: Tools,
  snapshot: Snapshot,
  folder: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (folder !== '') requireSafePath(folder)
  const { gitDir } = await openSnapshot(tools, snapshot, signal)
  const within = folder === '' ? [] : [`${folder}/`]
  const args = ['ls-tree', '-z', snapshot.commit, '--', ...within]
  const call = { args, gitDir, address: snapshot.address, maxOutputBytes: maxTreeBytes }
  const entries = parseTree(await tools.git.run(call, signal))
  return entries.filter(({ kind }) => kind === 'file').map(({ path }) => path)
}

async function makeCommit(
  tools: Tools,
  request: CommitRequest,
  signal: AbortSignal,
): Promise<{ readonly commit: string; readonly created: boolean }> {
  const { snapshot, branch, key } = request
  requireOwnBranch(snapshot, branch)
  for (const { path } of request.files) requireSafePath(path)
  const { place, gitDir: base } = await openSnapshot(tools, snapshot, signal)
  const remote = await reach(place, tools.options, { write: true, signal })
  const work = async (gitDir: string) => {
    const bench: Workbench = { git: tools.git, gitDir, address: snapshot.address, signal }
    const tip = await readHead(tools.git, remote, branch, signal)
    if (tip !== null) {
      await fetchTip(bench, remote, tip)
      const found = await findCommit(bench, { base: snapshot.commit, tip }, key)
      if (found !== null) {
        await requireSameFiles(bench, found, request.files)
        return { commit: found, created: false }
      }
    }
    const parent = tip ?? snapshot.commit
    const commit = await buildCommit(bench, parent, request, tools.identity)
    await publish(bench, remote, { branch, from: tip, to: commit }, parent)
    return { commit, created: true }
  }
  return await tools.directories.scratch(base, work, signal)
}

async function removeBranch(tools: Tools, snapshot: Snapshot, branch: string, signal: AbortSignal): Promise<void> {
  requireOwnBranch(snapshot, branch)
  const remote = await reachAddress(tools, snapshot.address, { write: true, signal })
  const from = await readHead(tools.git, remote, branch, signal)
  if (from === null) return
  const work = (gitDir: string) => {
    const bench: Workbench = { git: tools.git, gitDir, address: snapshot.address, signal }
    return publish(bench, remote, { branch, from, to: null }, from)
  }
  await tools.directories.scratch(null, work, signal)
}
