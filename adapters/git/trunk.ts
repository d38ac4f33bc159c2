import { Fault } from '../../core/model/problem.ts'
import type { PatchCommit, TagRequest, Trunk, TrunkMerge, Withdrawal, Withdrawn } from '../../core/workshop.ts'
import { onBench, treeOf } from './bench.ts'
import { requireBranchName, requireOurs, requireOwnBranch } from './branch.ts'
import { commitTree, findCommit, type Workbench } from './commit.ts'
import { readHead, readRef } from './heads.ts'
import { publish, publishTag, withdrawRef } from './publish.ts'
import { revert } from './revert.ts'
import { fetchTip, openTools, reachAddress, type GitSourceControlOptions, type Tools } from './tools.ts'
import { applied } from './workspaces.ts'

/** The way to a default branch by git alone; see `Trunk` for what each method promises. */
export function createTrunk(options: GitSourceControlOptions): Trunk {
  const tools = openTools(options)
  return {
    head: (address, branch, signal) => headOf(tools, { address, branch }, signal),
    commitPatch: (request, signal) => commitPatch(tools, request, signal),
    merge: (request, signal) => merge(tools, request, signal),
    tag: (request, signal) => tag(tools, request, signal),
    revert: (request, signal) => revert(tools, request, signal),
    withdraw: (request, signal) => withdraw(tools, request, signal),
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

/** Another commit under the name is somebody's work, and stays. */
async function withdraw(tools: Tools, request: Withdrawal, signal: AbortSignal): Promise<Withdrawn> {
  const { address, kind, name, commit } = request
  requireBranchName(name)
  if (kind === 'branch') requireOurs(name)
  const remote = await reachAddress(tools, address, { write: true, signal })
  const ref = `refs/${kind === 'branch' ? 'heads' : 'tags'}/${name}`
  const stands = await readRef(tools.git, remote, ref, signal)
  if (stands === null) return 'gone'
  if (stands !== commit) return 'moved'
  const work = (gitDir: string) => {
    const bench: Workbench = { git: tools.git, gitDir, address, signal }
    return kind === 'branch'
      ? publish(bench, remote, { branch: name, from: commit, to: null }, commit)
      : withdrawRef(bench, remote, { ref, commit })
  }
  await tools.directories.scratch(null, work, signal)
  return 'removed'
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
