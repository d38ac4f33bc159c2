import { counted } from '../../../core/model/counted.ts'
import type { Finding } from '../../../core/ports.ts'
import type { Page } from './page.ts'
import { quoted } from './printable.ts'
import { finder } from './rules.ts'

/** A body of this many characters or fewer says nothing. */
const tooShort = 100

/** One title, and something to read. */
export function checkTitle(page: Page): Finding[] {
  const find = finder(page)
  const [first, ...others] = page.headings.filter(({ depth }) => depth === 1)
  const findings = others.map(({ text, line }) =>
    find(
      'title-repeated',
      line,
      `${quoted(text)} is a second title; the first is on line ${first?.line}.`,
      'Start the line with ## instead of #.',
    ),
  )
  if (!first)
    findings.push(
      find(
        'title-missing',
        page.bodyLine,
        'The document has no title.',
        'Add a line such as “# Requirements” at the top.',
      ),
    )
  const { length } = page.lines
    .slice(page.bodyLine - 1)
    .join('\n')
    .trim()
  if (length <= tooShort)
    findings.push(
      find(
        'body-short',
        page.bodyLine,
        `Below the front matter the document has ${counted(length, 'character')}.`,
        `Write more than ${tooShort}.`,
      ),
    )
  return findings
}

/** No level skipped, nothing empty, siblings told apart. */
export function checkHeadings(page: Page): Finding[] {
  return [...skippedLevels(page), ...emptyHeadings(page), ...repeatedSiblings(page)]
}

function skippedLevels({ path, headings }: Page): Finding[] {
  const find = finder({ path })
  return headings.flatMap(({ depth, line }, index) => {
    const above = headings[index - 1]?.depth ?? 1
    if (depth <= above + 1) return []
    const marks = '#'.repeat(above + 1)
    return index === 0
      ? [find('heading-level', line, `The first heading is of level ${depth}.`, 'Start with #, the title.')]
      : [
          find(
            'heading-level',
            line,
            `The heading jumps from level ${above} to level ${depth}.`,
            `Start the line with ${marks} (level ${above + 1}).`,
          ),
        ]
  })
}

function emptyHeadings({ path, headings }: Page): Finding[] {
  const find = finder({ path })
  return headings.flatMap(({ text, line, isEmpty, depth }) => {
    if (text === '') return [find('heading-empty', line, 'The heading has no text.', 'Write its text, or remove it.')]
    return isEmpty && depth > 1
      ? [
          find(
            'section-empty',
            line,
            `Nothing stands under ${quoted(text)}.`,
            'Write what is known, or name the open question, or remove the heading.',
          ),
        ]
      : []
  })
}

function repeatedSiblings({ path, headings }: Page): Finding[] {
  const find = finder({ path })
  const levels: Map<string, number>[] = []
  return headings.flatMap(({ depth, text, line }) => {
    levels.length = Math.min(levels.length, depth)
    const siblings = (levels[depth - 1] ??= new Map())
    const first = siblings.get(text)
    if (first === undefined) siblings.set(text, line)
    return first === undefined || text === ''
      ? []
      : [
          find(
            'heading-repeated',
            line,
            `${quoted(text)} stands here again; the first is on line ${first}.`,
            'Merge the two, or give them different texts.',
          ),
        ]
  })
}
