import type { Reversal } from '../../core/model/undo.ts'

/** What becomes of an effect in an undo, in a word. */
export const reversalWords: Readonly<Record<Reversal, string>> = {
  undo: 'undone',
  compensate: 'compensated',
  irreversible: 'irreversible',
}

/** What an undo does about what is made around a merge. */
export function sayReversals({ hasPullRequest, hasCheck }: { hasPullRequest: boolean; hasCheck: boolean }): string {
  const undone = hasPullRequest ? 'branch, pull request and tag' : 'branch and tag'
  return `merge compensated by a revert, ${undone} undone${hasCheck ? ', check irreversible' : ''}`
}
