import type { Root, RootContent } from 'mdast'
import remarkGfm from 'remark-gfm'
import remarkParse from 'remark-parse'
import { unified } from 'unified'
import { followFences } from './fences.ts'

const parser = unified().use(remarkParse).use(remarkGfm)

/**
 * The parser's time grows with the square of the quotes and lists in a text: 4,000 quotes took 9 s, the same in parts 1 s. So a
 * long text is parsed in parts of at least this many lines. What people write by hand is one part.
 */
const leastLines = 200
const mostDefinitions = 200

/** Lines that define a reference or a footnote for the whole text. */
const definitionsIn = (lines: readonly string[]): string[] =>
  lines.filter((line) => /^ {0,3}\[[^\]]{1,999}\]:/.test(line))

/** The blocks of a Markdown text, their positions counted in the whole text. Never throws. */
export function parseBlocks(source: string): RootContent[] {
  const lines = source.split('\n')
  const starts = startsOfParts(lines)
  // Each part is told what the others define; the first definition of a label is the one that counts.
  const preface = starts.length === 1 ? [] : [...definitionsIn(lines), '']
  const prefaceLength = preface.join('\n').length + (preface.length === 0 ? 0 : 1)
  let offset = 0
  return starts.flatMap((start, index) => {
    const part = lines.slice(start, starts[index + 1])
    const tree = parser.parse([...preface, ...part].join('\n'))
    move(tree, { lines: start - preface.length, offset: offset - prefaceLength })
    offset += part.join('\n').length + 1
    return tree.children.filter(({ position }) => (position?.start.line ?? 0) > start)
  })
}

/**
 * Lines where a part starts, the first one included: a heading or a word behind a blank line and without an indent ends every
 * list, quote and table above it. Not so in fenced code, and not in HTML that goes on over blank lines.
 */
export function startsOfParts(lines: readonly string[]): number[] {
  const starts = [0]
  if (definitionsIn(lines).length > mostDefinitions) return starts
  const fences = followFences()
  let openHtml = 0
  for (const [index, line] of lines.entries()) {
    if (fences(line) !== 'text') continue
    // An arrow --> in text closes nothing.
    openHtml = Math.max(0, openHtml + countOf(htmlStart, line) - countOf(htmlEnd, line))
    const isStart = /^(?:#{1,6} |\p{L})/u.test(line) && lines[index - 1]?.trim() === '' && openHtml === 0
    if (isStart && index - (starts.at(-1) ?? 0) >= leastLines) starts.push(index)
  }
  return starts
}

const htmlStart = /<!--|<(?:pre|script|style|textarea)\b/gi
const htmlEnd = /-->|<\/(?:pre|script|style|textarea)>/gi

const countOf = (pattern: RegExp, line: string): number => line.match(pattern)?.length ?? 0

/** Moves every position; without recursion, because nesting is the author's choice. */
function move(tree: Root, shift: { readonly lines: number; readonly offset: number }): void {
  const stack: RootContent[] = [...tree.children]
  for (let node = stack.pop(); node; node = stack.pop()) {
    for (const point of node.position ? [node.position.start, node.position.end] : []) {
      point.line += shift.lines
      if (point.offset !== undefined) point.offset += shift.offset
    }
    if ('children' in node) stack.push(...node.children)
  }
}
