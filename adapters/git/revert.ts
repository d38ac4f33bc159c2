import { Fault } from '../../core/model/problem.ts'
import type { Reverted, RevertRequest } from '../../core/workshop.ts'
import { onBench, treeOf } from './bench.ts'
import type { Workbench } from './commit.ts'
import { borrow } from './git-directory.ts'
import type { Remote } from './remote.ts'
import { mergeTrees } from './three-way.ts'
import type { Tools } from './tools.ts'
import { patchOf } from './workspaces.ts'

type Merge = RevertRequest['merges'][number]

/**
 * What is left when merges are taken out of a branch again, newest first: for each, its own change in reverse, carried
 * over to what the branch has become since. Trees and an index of our own; no work tree, and nothing is written elsewhere.
 */
export async function revert(tools: Tools, request: RevertRequest, signal: AbortSignal): Promise<Reverted> {
  const { snapshot, merges } = request
  return await onBench(tools, snapshot, signal, async (bench, remote) => {
    let tree = await treeOf(bench, snapshot.commit)
    const left: string[] = []
    for (const merge of merges) {
      const before = await whatItChanged(bench, remote, merge)
      const merged = await mergeTrees(bench, { base: merge.commit, ours: tree, theirs: before })
      if (merged.kind === 'conflict') return { kind: 'conflict', commit: merge.commit, files: merged.files }
      if (merged.tree !== tree) left.push(merge.commit)
      tree = merged.tree
    }
    return { kind: 'patch', patch: { tree, ...(await patchOf(bench, snapshot.commit, tree)) }, left }
  })
}

/** Most commits of ours that a merge by rebase has put in a row. */
const longestRow = 50

/** The commit that the merge was made on, both of them fetched. Throws PRECONDITION_FAILED where somebody else's commits lie in between. */
async function whatItChanged(bench: Workbench, remote: Remote, merge: Merge): Promise<string> {
  const { commit, before, method } = merge
  await fetchFew(bench, remote, commit, method === 'rebase' ? longestRow : 1)
  await fetchFew(bench, remote, before, 1)
  if (method === 'rebase') await requireOurRow(bench, merge)
  else if ((await firstParentOf(bench, commit)) !== before) throw notOursAlone(commit, before)
  return before
}

async function fetchFew(bench: Workbench, remote: Remote, commit: string, depth: number): Promise<void> {
  if (remote.folder !== null) return await borrow(remote.folder.commonDir, bench.gitDir, { history: 'theirs' })
  const flags = ['--quiet', `--depth=${depth}`, '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules']
  const args = ['fetch', ...flags, '--', remote.url, commit]
  await bench.git.run({ ...remote.call, args, gitDir: bench.gitDir }, bench.signal)
}

const ask = async (bench: Workbench, ...args: string[]): Promise<string> =>
  (await bench.git.run({ args, gitDir: bench.gitDir, address: bench.address }, bench.signal)).toString('utf8')

/** As the commit itself says, also where its parents were not fetched. */
async function firstParentOf(bench: Workbench, commit: string): Promise<string | null> {
  const [header = ''] = (await ask(bench, 'cat-file', 'commit', commit)).split('\n\n')
  return /^parent ([0-9a-f]{40})$/m.exec(header)?.[1] ?? null
}

/** Each commit of ours carries its key, which a rebase on the code host keeps. */
async function requireOurRow(bench: Workbench, { commit, before }: Merge): Promise<void> {
  const log = await ask(bench, 'log', '-z', '--format=%B', commit, `^${before}`, '--')
  const row = log.split('\0').filter(Boolean)
  if (row.length === 0 || !row.every((message) => /^QuantaPilot-Key: \S+$/m.test(message)))
    throw notOursAlone(commit, before)
}

const notOursAlone = (commit: string, before: string): Fault =>
  new Fault({
    code: 'PRECONDITION_FAILED',
    message: `${commit.slice(0, 12)} was not merged on ${before.slice(0, 12)}, as this run knows it: there are commits of others in between. Revert it by hand.`,
    retryable: false,
  })
