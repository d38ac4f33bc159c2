import type { Root, RootContent } from 'mdast'
import remarkGfm from 'remark-gfm'
import remarkParse from 'remark-parse'
import { unified } from 'unified'

const parser = unified().use(remarkParse).use(remarkGfm)

/**
 * The parser's time grows with the square of the quotes and lists in a text: 4,000 quotes took 9 s, the same in parts 1 s. So a
 * long text is parsed in parts of at least this many lines. What people write by hand is one part.
 */
const leastLines = 200
const mostDefinitions = 200

/** The blocks of a Markdown text, their positions counted in the whole text. Never throws. */
export function parseBlocks(source: string): RootContent[] {
  const lines = source.split('\n')
  const definitions = lines.filter((line) => /^ {0,3}\[[^\]]{1,999}\]:/.test(line))
  const starts = definitions.length > mostDefinitions ? [0] : startsOfParts(lines)
  // Each part is told what the others define; the first definition of a label is the one that counts.
  const preface = starts.length === 1 || definitions.length === 0 ? [] : [...definitions, '']
  let offset = 0
  return starts.flatMap((start, index) => {
    const part = lines.slice(start, starts[index + 1])
    const tree = parser.parse([...preface, ...part].join('\n'))
    const shift = { lines: start - preface.length, offset: offset - preface.join('\n').length - (preface.length && 1) }
    offset += part.join('\n').length + 1
    return moved(tree, shift).filter(({ position }) => (position?.start.line ?? 0) > start)
  })
}

/** Lines where a part may start: a heading behind a blank line, outside of fenced code and comments. */
function startsOfParts(lines: readonly string[]): number[] {
  const starts = [0]
  let fence: string | null = null
  let comments = 0
  for (const [index, line] of lines.entries()) {
    const mark = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})/.exec(line)?.[1]
    if (fence === null && mark !== undefined) fence = mark
    else if (fence !== null && mark?.startsWith(fence) && line.trim() === mark) fence = null
    // An arrow --> in text closes nothing.
    if (fence === null) comments = Math.max(0, comments + line.split('<!--').length - line.split('-->').length)
    const isStart = /^#{1,6} /.test(line) && lines[index - 1]?.trim() === '' && fence === null && comments === 0
    if (isStart && index - (starts.at(-1) ?? 0) >= leastLines) starts.push(index)
  }
  return starts
}

/** The tree's blocks, moved down; without recursion, because nesting is the author's choice. */
function moved(tree: Root, shift: { readonly lines: number; readonly offset: number }): RootContent[] {
  const stack: RootContent[] = [...tree.children]
  for (let node = stack.pop(); node; node = stack.pop()) {
    for (const point of node.position ? [node.position.start, node.position.end] : []) {
      point.line += shift.lines
      if (point.offset !== undefined) point.offset += shift.offset
    }
    if ('children' in node) stack.push(...node.children)
  }
  return tree.children
}
