import type { Json } from './json.ts'
import type { GatePolicy, Role } from './plan.ts'
import type { Result } from './problem.ts'
import { accepted, refused } from './problem.ts'

/** The pipeline that takes runs back. */
export const undoPipeline = 'undo'

/** What an undo does about an effect: takes it away, makes another that balances it, or can do nothing. */
export type Reversal = 'undo' | 'compensate' | 'irreversible'

/** What became of one effect in an undo, in words for people. */
export type TakenBack = {
  /** `branch quantapilot/r7k2/docs`. */
  readonly what: string
  readonly outcome: 'undone' | 'compensated' | 'was gone' | 'irreversible' | 'failed'
  readonly says: string
}

/** What an undo of a run locks, so that there is one at a time. */
export const undoLock = (run: string): string => `undo:${run}`

/** An effect of a run as its undo sees it. */
export type PastEffect = {
  readonly key: string
  readonly kind: string
  readonly target: Json
  readonly undo: string
  readonly reversal: Reversal
  readonly result: Json
}

/** The same with where it stands. */
export type KnownEffect = PastEffect & { readonly state: string }

/**
 * What an undo of run `handle` is about, newest first; with `commit`, only the merge that made a commit which begins so.
 * What cannot be undone is in the list, so that it is said; a list of nothing else is refused.
 */
export function effectsToUndo(
  handle: string,
  made: readonly KnownEffect[],
  commit: string | null,
): Result<readonly PastEffect[]> {
  const meant = made.filter((effect) => wasMade(effect) && (commit === null || isMergeOf(effect, commit))).toReversed()
  if (commit !== null && meant.length === 0)
    return refused(
      'not_found',
      `Run ${handle} merged no commit that begins with ${commit.slice(0, 40)}.`,
      `Its summary names them: /artifacts ${handle} summary.md.`,
    )
  const left = meant.filter(({ state }) => state === 'done')
  if (left.some(({ reversal }) => reversal !== 'irreversible')) return accepted(left)
  if (meant.some(({ state }) => state === 'undone'))
    return refused(
      'wrong_state',
      `${commit === null ? `Run ${handle}` : 'That merge'} was undone already.`,
      'The run that did it is among /runs.',
    )
  return refused(
    'wrong_state',
    `Run ${handle} has done nothing outside that could be undone.`,
    `What it made is in /artifacts ${handle}.`,
  )
}

/** A merge that found its base moved has made nothing; what was begun and never confirmed is nobody's to take back. */
const wasMade = ({ state, result }: KnownEffect): boolean => state !== 'planned' && commitOf(result) !== null

const isMergeOf = ({ kind, result }: KnownEffect, commit: string): boolean =>
  kind === 'merge' && (commitOf(result) ?? '').startsWith(commit)

/** Null where the result says that there is none; empty where it does not speak of one. */
function commitOf(result: Json): string | null {
  if (result === null || typeof result !== 'object' || !('commit' in result)) return ''
  return typeof result.commit === 'string' ? result.commit : null
}

/** Who decides where nobody decided before. */
const anybody: GatePolicy = {
  roles: ['approver', 'admin'],
  quorum: 1,
  selfApproval: true,
  expiresAfterMs: null,
  remindEveryMs: null,
}

/**
 * The policy of the gate of an undo: whoever may take back had to be allowed to let it happen. The strictest of all gates
 * that the run passed, its times those of the last one.
 */
export function policyOfUndo(passed: readonly GatePolicy[]): GatePolicy {
  const last = passed.at(-1) ?? anybody
  const roles = last.roles.filter((role: Role) => passed.every((policy) => policy.roles.includes(role)))
  const people = passed.findLast((policy) => policy.people !== undefined)?.people
  const { escalation, ...rest } = last
  return {
    ...rest,
    ...(escalation && passed.every((policy) => policy.escalation) ? { escalation } : {}),
    roles: passed.length === 0 ? last.roles : roles.length > 0 ? roles : ['admin'],
    quorum: Math.max(last.quorum, ...passed.map(({ quorum }) => quorum)),
    selfApproval: passed.every(({ selfApproval }) => selfApproval),
    ...(people ? { people } : {}),
  }
}
