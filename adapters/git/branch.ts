import { Fault } from '../../core/model/problem.ts'
import type { Snapshot } from '../../core/ports.ts'

/** Every branch this product makes begins so. */
const ownPrefix = 'quantapilot/'

/** Control characters, space and the characters git reserves (git-check-ref-format). */
const forbidden = /[\p{Cc} ~^:?*[\\]|\.\.|@\{|\/\/|^[-/]|[/.]$/u

/** Whether git takes this as a branch name, by the rules of git-check-ref-format. */
export function isBranchName(name: string): boolean {
  if (name === '' || name === '@' || name.length > 200 || forbidden.test(name)) return false
  return name.split('/').every((part) => !part.startsWith('.') && !part.endsWith('.lock'))
}

/** Throws VALIDATION_ERROR where `isBranchName` says no. */
export function requireBranchName(name: string): void {
  if (isBranchName(name)) return
  throw new Fault({
    code: 'VALIDATION_ERROR',
    message: `${JSON.stringify(name.slice(0, 100))} is not a branch name that git allows: give a name such as main.`,
    retryable: false,
  })
}

/** Throws PRECONDITION_FAILED for a name that no branch of this product has. */
export function requireOurs(branch: string): void {
  if (branch.startsWith(ownPrefix)) return
  throw new Fault({
    code: 'PRECONDITION_FAILED',
    message: `${branch} is not ours to remove: branches of this product begin with ${ownPrefix}.`,
    retryable: false,
  })
}

/** The last wall before a write: throws PRECONDITION_FAILED for any branch but the product's own. */
export function requireOwnBranch(snapshot: Snapshot, branch: string): void {
  requireBranchName(branch)
  const own = branch.startsWith(ownPrefix) && branch !== snapshot.branch && branch !== snapshot.defaultBranch
  if (own) return
  throw new Fault({
    code: 'PRECONDITION_FAILED',
    message: `${branch} is not ours to change: this product writes only to branches that begin with ${ownPrefix}, never to the default branch or the one it reads.`,
    retryable: false,
  })
}
