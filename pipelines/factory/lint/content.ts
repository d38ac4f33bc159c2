import type { Finding } from '../../../core/ports.ts'
import type { Page } from './page.ts'
import { finder } from './rules.ts'
import { matchesIn } from './tree.ts'

/** Words that stand for text nobody has written: `[OWNER_NOT_PROVIDED]`, TODO and its kin. */
const placeholder = /\[[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\]|\b(?:TODO|TBD|FIXME|XXX|[Ll]orem [Ii]psum)\b/g

/** Nothing is left to be written, outside of code and quotes. */
export function checkPlaceholders(page: Page): Finding[] {
  const find = finder(page)
  return page.places.flatMap(({ node, line, isQuoted }) => {
    if (isQuoted || (node.type !== 'text' && node.type !== 'html')) return []
    return matchesIn(node.value, placeholder, line).map(({ match, line }) =>
      find(
        'placeholder',
        line,
        `“${match[0]}” stands for text that is not written.`,
        'Write the text, or say that it is not known and name the open question.',
      ),
    )
  })
}

/** Code fences are closed and name their language. */
export function checkFences(page: Page): Finding[] {
  const find = finder(page)
  return page.places.flatMap(({ node, line }) => {
    if (node.type !== 'code' || !node.position) return []
    const { start, end } = node.position
    const fence = /^(?:`{3,}|~{3,})/.exec((page.lines[start.line - 1] ?? '').slice(start.column - 1))?.[0]
    if (fence === undefined) return []
    if (!isClosed(fence, start.line === end.line ? '' : (page.lines[end.line - 1] ?? '').slice(0, end.column - 1)))
      return [find('fence-open', line, 'The code fence is never closed.', `Add a line of ${fence} behind the code.`)]
    return node.lang
      ? []
      : [find('fence-language', line, 'The code fence names no language.', `Write ${fence}text, or the language.`)]
  })
}

/** The last line closes a fence with as many marks of the same kind, and nothing else but those of quotes and lists. */
function isClosed(fence: string, last: string): boolean {
  const marks = /(`+|~+)\s*$/.exec(last)?.[1] ?? ''
  return marks.startsWith(fence) && /^[\s>]*$/.test(last.trimEnd().slice(0, -marks.length))
}
