import { Fault } from '../../core/model/problem.ts'
import type { Git } from './git-command.ts'
import type { Remote } from './remote.ts'

/** What a repository says of its branches. */
export type Heads = {
  readonly branches: ReadonlyMap<string, string>
  /** The commit and the branch that HEAD names; no branch when HEAD is detached. */
  readonly head: { readonly commit: string | null; readonly branch: string | null }
  /** The default branch of the remote that a folder was cloned from. */
  readonly originBranch: string | null
}

/** Asks for HEAD and all branches. Throws VALIDATION_ERROR when there is no commit yet, or for SHA-256 object names. */
export async function readHeads(git: Git, remote: Remote, signal: AbortSignal): Promise<Heads> {
  const operands = [remote.url, 'HEAD', 'refs/heads/*', 'refs/remotes/origin/HEAD']
  const args = ['ls-remote', '--symref', ...remote.reading, '--', ...operands]
  const heads = parseHeads((await git.run({ ...remote.call, args, gitDir: null }, signal)).toString('utf8'))
  if (heads.branches.size === 0) throw refuse(`${remote.address} has no commits yet: commit a README.md first.`)
  if ([...heads.branches.values()].some((commit) => commit.length !== 40))
    throw refuse(`${remote.address} uses SHA-256 object names, which are not supported: use a SHA-1 repository.`)
  return heads
}

/** Asks where one branch stands; null when there is none. */
export const readHead = (git: Git, remote: Remote, branch: string, signal: AbortSignal): Promise<string | null> =>
  readRef(git, remote, `refs/heads/${branch}`, signal)

/** The same of any ref by its full name; of a tag that is an object of its own, that object. */
export async function readRef(git: Git, remote: Remote, ref: string, signal: AbortSignal): Promise<string | null> {
  const { folder, url, address, call } = remote
  const output =
    folder === null
      ? await git.run({ ...call, args: ['ls-remote', '--', url, ref], gitDir: null }, signal)
      : await git.run({ args: ['for-each-ref', refFormat, '--', ref], gitDir: folder.commonDir, address }, signal)
  // A server matches the end of names, a folder their beginning.
  const line = output
    .toString('utf8')
    .split('\n')
    .find((each) => each.endsWith(`\t${ref}`))
  return line?.split('\t')[0] ?? null
}

/** As `git ls-remote` writes it. */
const refFormat = '--format=%(objectname)%09%(refname)'

/** Reads the lines of `git ls-remote --symref`. */
export function parseHeads(output: string): Heads {
  const refs = new Map<string, string>()
  const links = new Map<string, string>()
  for (const line of output.split('\n')) {
    const [, value, name] = /^([^\t]+)\t(.+)$/.exec(line) ?? []
    if (value === undefined || name === undefined) continue
    if (value.startsWith('ref: ')) links.set(name, value.slice(5))
    else refs.set(name, value)
  }
  const branches = [...refs].filter(([name]) => name.startsWith('refs/heads/'))
  return {
    branches: new Map(branches.map(([name, commit]) => [name.slice('refs/heads/'.length), commit])),
    head: { commit: refs.get('HEAD') ?? null, branch: after('refs/heads/', links.get('HEAD')) },
    originBranch: after('refs/remotes/origin/', links.get('refs/remotes/origin/HEAD')),
  }
}

const after = (prefix: string, name: string | undefined): string | null =>
  name?.startsWith(prefix) === true ? name.slice(prefix.length) : null

/** The default branch: what HEAD names; where HEAD is detached, the origin's, or the only one; null when none of these. */
export function defaultBranchOf(heads: Heads): string | null {
  const [only = null] = heads.branches.size === 1 ? heads.branches.keys() : []
  return heads.head.branch ?? heads.originBranch ?? only
}

/** Throws VALIDATION_ERROR that names the branches there are. */
export function requireDefaultBranch(heads: Heads, address: string): string {
  const branch = defaultBranchOf(heads)
  if (branch !== null) return branch
  throw refuse(`HEAD of ${address} is detached, so it has no default branch: name one of ${listed(heads)}.`)
}

/** The branch's commit. Throws VALIDATION_ERROR that names the branches there are. */
export function commitOf(heads: Heads, branch: string, address: string): string {
  const commit = heads.branches.get(branch)
  if (commit !== undefined) return commit
  throw refuse(`There is no branch ${branch} in ${address}; it has: ${listed(heads)}.`)
}

const shown = 5

function listed({ branches }: Heads): string {
  const names = [...branches.keys()]
  const more = names.length > shown ? ` (${names.length - shown} more)` : ''
  return names.slice(0, shown).join(', ') + more
}

const refuse = (message: string): Fault => new Fault({ code: 'VALIDATION_ERROR', message, retryable: false })
