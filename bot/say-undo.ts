import type { TakenBack } from '../core/model/undo.ts'
import { quoted } from './quoted.ts'

const shown = 6

/** What an undo has done so far, what failed first: `✓ compensated: merge into main as 3f2a1bc (by 91949129bad4 on main)`. */
export function sayTakenBack(taken: readonly TakenBack[], handle: string): readonly string[] {
  const failed = taken.filter(({ outcome }) => outcome === 'failed')
  const ordered = [...failed, ...taken.filter(({ outcome }) => outcome !== 'failed')]
  const lines = ordered
    .slice(0, shown)
    .map(
      ({ what, outcome, says }) =>
        `${outcome === 'failed' ? '✗' : outcome === 'irreversible' ? '–' : '✓'} ${outcome}: ${quoted(what)} (${quoted(says)})`,
    )
  const more = ordered.length - lines.length
  return more > 0 ? [...lines, `and ${more} more: /logs ${handle}`] : lines
}
