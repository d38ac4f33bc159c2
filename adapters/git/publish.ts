import { Fault } from '../../core/model/problem.ts'
import type { Workbench } from './commit.ts'
import type { Folder } from './folder.ts'
import { readHead } from './heads.ts'
import { bringUpToDate, type FolderCall, isCheckedOutHere, requireFollowing } from './under-feet.ts'
import type { Remote } from './remote.ts'

/** A branch as it stands and as it shall stand; null: not there. */
export type Move = {
  readonly branch: string
  readonly from: string | null
  readonly to: string | null
  /** Of somebody's own branch, which may be checked out: the commit from which its files are then brought up to date. */
  readonly filesFrom?: string
}

const nowhere = '0'.repeat(40)

/**
 * Moves a branch at the address from one commit to the next, never by force, and sees that it did. Throws a retryable
 * TOOL_FAILURE when the branch moved meanwhile. `parent` is a commit the address has.
 */
export async function publish(bench: Workbench, remote: Remote, move: Move, parent: string): Promise<void> {
  // In a folder the ref is changed by us, from what it was or not at all; elsewhere a push is a request.
  if (remote.folder !== null) return await store(bench, remote.folder, move, parent)
  await push(bench, remote, move)
  if ((await readHead(bench.git, remote, move.branch, bench.signal)) !== move.to) throw moved(remote, move.branch)
}

/** Names a commit that the address has or that the git directory holds. A tag of that name elsewhere is not moved. */
export async function publishTag(
  bench: Workbench,
  remote: Remote,
  { name, commit }: { readonly name: string; readonly commit: string },
): Promise<void> {
  const ref = `refs/tags/${name}`
  if (remote.folder !== null) {
    const there = folderCall(bench, remote.folder)
    const found = (await there({ args: ['rev-parse', '--verify', '--quiet', ref], answers: [1] }))
      .toString('utf8')
      .trim()
    if (found !== commit) await there({ args: ['update-ref', '-m', 'quantapilot', ref, commit, nowhere] })
    return
  }
  const args = ['push', '--quiet', '--no-verify', '--no-follow-tags', '--recurse-submodules=no', '--', remote.url]
  await bench.git.run({ ...remote.call, args: [...args, `${commit}:${ref}`], gitDir: bench.gitDir }, bench.signal)
}

/** Removes a ref that still names the commit, and only then. */
export async function withdrawRef(
  bench: Workbench,
  remote: Remote,
  { ref, commit }: { readonly ref: string; readonly commit: string },
): Promise<void> {
  if (remote.folder !== null)
    return void (await folderCall(bench, remote.folder)({ args: ['update-ref', '-d', ref, commit] }))
  const flags = ['--quiet', '--no-verify', '--no-follow-tags', '--recurse-submodules=no']
  const args = ['push', ...flags, `--force-with-lease=${ref}:${commit}`, '--', remote.url, `:${ref}`]
  await bench.git.run({ ...remote.call, args, gitDir: bench.gitDir }, bench.signal)
}

async function push(bench: Workbench, remote: Remote, { branch, from, to }: Move): Promise<void> {
  if (from === to) return
  const ref = `refs/heads/${branch}`
  const flags = ['--quiet', '--no-verify', '--no-follow-tags', '--recurse-submodules=no']
  // A deletion says which commit it means to delete; a new commit is a child of the old, so it needs no force.
  const lease = to === null ? [`--force-with-lease=${ref}:${from ?? ''}`] : []
  const args = ['push', ...flags, ...lease, '--', remote.url, `${to ?? ''}:${ref}`]
  await bench.git.run({ ...remote.call, args, gitDir: bench.gitDir }, bench.signal)
}

/**
 * Into a folder of this machine: the new objects, then the one ref by compare-and-swap, as the account that owns them.
 * Not by push, whose receiving half obeys the folder's config (receive.*), may touch its work tree, and would leave
 * files of ours that their owner cannot change.
 */
async function store(bench: Workbench, folder: Folder, move: Move, parent: string): Promise<void> {
  const { branch, from, to, filesFrom } = move
  const ref = `refs/heads/${branch}`
  const there = folderCall(bench, folder)
  const follows = filesFrom !== undefined && (await isCheckedOutHere(there, folder, branch))
  if (!follows) await requireNotCheckedOut(there, folder, branch)
  else if (to !== from) await requireFollowing(there, folder, branch)
  if (to === null) return void (await there({ args: ['update-ref', '-d', ref, from ?? nowhere] }))
  const pack = await bench.git.run(
    {
      args: ['pack-objects', '--quiet', '--revs', '--stdout'],
      gitDir: bench.gitDir,
      address: bench.address,
      stdin: Buffer.from(`${to}\n^${parent}\n`),
    },
    bench.signal,
  )
  if (to !== from) {
    await there({ args: ['unpack-objects', '-q'], stdin: pack })
    await there({ args: ['update-ref', '-m', 'quantapilot', ref, to, from ?? nowhere] })
  }
  if (follows) await bringUpToDate(there, { folder, from: filesFrom, to })
}

function folderCall(bench: Workbench, folder: Folder): FolderCall {
  const env = { GIT_COMMITTER_NAME: 'QuantaPilot', GIT_COMMITTER_EMAIL: 'quantapilot@localhost' }
  const fixed = { gitDir: folder.gitDir, address: bench.address, owner: folder.owner, env }
  return (call) => bench.git.run({ ...fixed, ...call }, bench.signal)
}

/** A branch under somebody's feet would make their work tree look changed. */
async function requireNotCheckedOut(there: FolderCall, folder: Folder, branch: string): Promise<void> {
  const trees = await there({ args: ['worktree', 'list', '--porcelain'] }).catch((error: unknown) => {
    throw folder.owner === null || !(error instanceof Fault) ? error : closedToOwner(folder, folder.owner.uid, error)
  })
  if (!trees.toString('utf8').split('\n').includes(`branch refs/heads/${branch}`)) return
  throw new Fault({
    code: 'PRECONDITION_FAILED',
    message: `${branch} is checked out in ${folder.path}: switch to another branch (git switch -), then /retry.`,
    retryable: false,
  })
}

/** We are root and can see the folder; the account it belongs to, as which we write, cannot. */
const closedToOwner = ({ path }: Folder, uid: number, cause: Fault): Fault =>
  new Fault({
    code: 'PRECONDITION_FAILED',
    message: `The owner of ${path} (user ${uid}) cannot reach it: let that user pass the folders above it, or run as that user. (${cause.message})`,
    retryable: false,
    cause,
  })

const moved = ({ address }: Remote, branch: string): Fault =>
  new Fault({
    code: 'TOOL_FAILURE',
    message: `The branch ${branch} in ${address} moved while we wrote to it: the next try goes on from there.`,
    retryable: true,
  })
