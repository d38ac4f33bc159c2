import { Fault } from '../../core/model/problem.ts'
import type { Folder } from './folder.ts'
import type { Git, GitCall } from './git-command.ts'

/** Git in a folder of this machine, as the account it belongs to. */
export type FolderCall = (call: Pick<GitCall, 'args' | 'stdin' | 'answers'>) => ReturnType<Git['run']>

/** Whether the folder itself has the branch checked out; a linked work tree elsewhere does not count. */
export async function isCheckedOutHere(there: FolderCall, folder: Folder, branch: string): Promise<boolean> {
  if (folder.isBare) return false
  const head = await there({ args: ['symbolic-ref', '--quiet', 'HEAD'], answers: [1] })
  return head.toString('utf8').trim() === `refs/heads/${branch}`
}

/**
 * Throws PRECONDITION_FAILED where the files cannot follow the branch: something is changed, or the folder's own settings
 * would run programs on what an agent wrote.
 */
export async function requireFollowing(there: FolderCall, folder: Folder, branch: string): Promise<void> {
  const filters = await there({ args: ['config', '--get-regexp', '^filter\\.'], answers: [1] })
  if (filters.length > 0)
    throw refuse(
      `${branch} is checked out in ${folder.path}, whose settings run filters on files: switch to another branch (git switch -)`,
    )
  const flags = ['--porcelain', '--untracked-files=no', '--ignore-submodules=all']
  const changed = await there({ args: [workTree(folder), 'status', ...flags] })
  if (changed.length > 0)
    throw refuse(
      `${branch} is checked out in ${folder.path} with changes that are not committed: commit or stash them, or switch to another branch`,
    )
}

/**
 * Brings the files and the index of a folder from one commit to the next, as a pull would. Where they are not at the first,
 * somebody has gone on already, and they stay. Files that nobody committed are never overwritten.
 */
export async function bringUpToDate(
  there: FolderCall,
  { folder, from, to }: { readonly folder: Folder; readonly from: string; readonly to: string },
): Promise<void> {
  const text = async (...args: string[]): Promise<string> => (await there({ args })).toString('utf8').trim()
  const index = await text('write-tree')
  const [before, after] = (await text('rev-parse', `${from}^{tree}`, `${to}^{tree}`)).split('\n')
  if (index !== before || index === after) return
  await there({ args: [workTree(folder), 'read-tree', '-m', '-u', from, to] }).catch((error: unknown) => {
    if (!(error instanceof Fault)) throw error
    throw refuse(
      `The branch in ${folder.path} was merged, but its files could not follow (${error.message}): move what is in the way, run git reset there`,
    )
  })
}

const workTree = ({ path }: Folder): string => `--work-tree=${path}`

const refuse = (message: string): Fault =>
  new Fault({ code: 'PRECONDITION_FAILED', message: `${message}, then /retry.`, retryable: false })
