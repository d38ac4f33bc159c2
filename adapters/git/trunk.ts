import { Fault } from '../../core/model/problem.ts'
import type { PatchCommit, TagRequest, Trunk, TrunkMerge } from '../../core/workshop.ts'
import { requireBranchName, requireOwnBranch } from './branch.ts'
import { commitTree, findCommit, type Workbench } from './commit.ts'
import { readHead } from './heads.ts'
import { publish, publishTag } from './publish.ts'
import { reach, type Remote } from './remote.ts'
import { fetchTip, openSnapshot, openTools, reachAddress, type GitSourceControlOptions, type Tools } from './tools.ts'
import { applied } from './workspaces.ts'

/** The way to a default branch by git alone; see `Trunk` for what each method promises. */
export function createTrunk(options: GitSourceControlOptions): Trunk {
  const tools = openTools(options)
  return {
    head: (address, branch, signal) => headOf(tools, { address, branch }, signal),
    commitPatch: (request, signal) => commitPatch(tools, request, signal),
    merge: (request, signal) => merge(tools, request, signal),
    tag: (request, signal) => tag(tools, request, signal),
  }
}

async function headOf(
  tools: Tools,
  { address, branch }: { readonly address: string; readonly branch: string },
  signal: AbortSignal,
): Promise<string> {
  requireBranchName(branch)
  const remote = await reachAddress(tools, address, { write: false, signal })
  const head = await readHead(tools.git, remote, branch, signal)
  if (head !== null) return head
  throw refuse('VALIDATION_ERROR', `There is no branch ${branch} in ${address} any more: start a new run.`)
}

type Work<T> = (bench: Workbench, remote: Remote) => Promise<T>

/** A git directory of our own that knows the snapshot, and the address open for writing. */
async function onBench<T>(
  tools: Tools,
  snapshot: { readonly address: string; readonly commit: string },
  signal: AbortSignal,
  work: Work<T>,
): Promise<T> {
  const { place, gitDir: base } = await openSnapshot(tools, snapshot, signal)
  const remote = await reach(place, tools.options, { write: true, signal })
  const { address } = snapshot
  return await tools.directories.scratch(
    base,
    (gitDir) => work({ git: tools.git, gitDir, address, signal }, remote),
    signal,
  )
}

async function commitPatch(tools: Tools, request: PatchCommit, signal: AbortSignal): Promise<{ commit: string }> {
  const { snapshot, branch, key } = request
  requireOwnBranch(snapshot, branch)
  return await onBench(tools, snapshot, signal, async (bench, remote) => {
    const tip = await readHead(tools.git, remote, branch, signal)
    if (tip !== null) {
      await fetchTip(bench, remote, tip)
      const found = await findCommit(bench, { base: snapshot.commit, tip }, key)
      if (found !== null) return { commit: await withTree(bench, found, request.tree) }
    }
    const tree = await applied(bench, snapshot.commit, request.patch)
    if (tree !== request.tree) throw otherTree(branch)
    const parent = tip ?? snapshot.commit
    const commit = await commitTree(bench, { ...request, tree, parents: [parent] }, tools.identity)
    await publish(bench, remote, { branch, from: tip, to: commit }, parent)
    return { commit }
  })
}

async function withTree(bench: Workbench, commit: string, tree: string): Promise<string> {
  if ((await treeOf(bench, commit)) !== tree) throw otherTree(commit.slice(0, 12))
  return commit
}

async function treeOf(bench: Workbench, commit: string): Promise<string> {
  const args = ['rev-parse', '--verify', '--end-of-options', `${commit}^{tree}`]
  return (await bench.git.run({ args, gitDir: bench.gitDir, address: bench.address }, bench.signal)).toString().trim()
}

/**
 * Base and branch stand where they were approved, so that the merge's tree is the approved one whatever the method. A base
 * that has moved holds our commit already, found by its key, or else somebody else's.
 */
async function merge(tools: Tools, request: TrunkMerge, signal: AbortSignal): Promise<{ commit: string }> {
  const { snapshot, branch, sha, method, key } = request
  requireOwnBranch(snapshot, branch)
  return await onBench(tools, snapshot, signal, async (bench, remote) => {
    const head = await readHead(tools.git, remote, snapshot.branch, signal)
    if (head === null) throw refuse('VALIDATION_ERROR', `There is no branch ${snapshot.branch} in ${remote.address}.`)
    if (head !== snapshot.commit) {
      await fetchTip(bench, remote, head)
      const done = head === sha ? sha : await findCommit(bench, { base: snapshot.commit, tip: head }, key)
      if (done === null) throw baseMoved(snapshot.branch, head)
      await publish(bench, remote, { branch: snapshot.branch, from: head, to: head, filesFrom: snapshot.commit }, head)
      return { commit: done }
    }
    const tip = await readHead(tools.git, remote, branch, signal)
    if (tip !== sha) throw branchMoved(branch, sha)
    await fetchTip(bench, remote, tip)
    const parents = method === 'merge' ? [head, sha] : [head]
    const made = { ...request, tree: await treeOf(bench, sha), parents }
    const commit = method === 'rebase' ? sha : await commitTree(bench, made, tools.identity)
    await publish(bench, remote, { branch: snapshot.branch, from: head, to: commit, filesFrom: head }, head)
    return { commit }
  })
}

async function tag(tools: Tools, { address, name, commit }: TagRequest, signal: AbortSignal): Promise<void> {
  requireBranchName(name)
  await onBench(tools, { address, commit }, signal, async (bench, remote) => {
    await publishTag(bench, remote, { name, commit })
  })
}

const refuse = (code: 'PRECONDITION_FAILED' | 'VALIDATION_ERROR' | 'FATAL', message: string): Fault =>
  new Fault({ code, message, retryable: false })

const otherTree = (where: string): Fault =>
  refuse('FATAL', `The patch does not make the tree on ${where} that was tested and shown: start a new run.`)

const baseMoved = (branch: string, head: string): Fault =>
  refuse(
    'PRECONDITION_FAILED',
    `${branch} has moved to ${head.slice(0, 12)} since this was decided: nothing was merged.`,
  )

const branchMoved = (branch: string, sha: string): Fault =>
  refuse(
    'PRECONDITION_FAILED',
    `The branch ${branch} is not at ${sha.slice(0, 12)}, which was approved: nothing was merged. Look at what is new, and decide again.`,
  )
