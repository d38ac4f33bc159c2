import type { Finding } from '../../../core/ports.ts'
import { finder } from './rules.ts'

/** Far above any document of a suite, and read in a few seconds. */
const mostCharacters = 1_000_000
const mostLines = 50_000
const deepestNesting = 30

/**
 * The parser takes time for each block and each mark, and compares the marks of a block with one another, so that its time grows
 * with marks times length. One unit was measured at 0.05 to 0.1 µs; 200 kB of dense tables and lists take half of what is allowed.
 */
const mostEffort = 50_000_000
const effortOfBlock = 1_500
const effortOfMark = 400

/** Refuses, before it is parsed, a document that would keep the parser busy for many seconds. Null for all others. */
export function checkWeight(path: string, text: string): Finding | null {
  const find = finder({ path })
  const lines = text.split('\n')
  if (text.length > mostCharacters || lines.length > mostLines)
    return find(
      'document-too-large',
      1,
      `The document has ${text.length} characters in ${lines.length} lines, so it was not read.`,
      `Split it: ${mostCharacters} characters and ${mostLines} lines are the most.`,
    )
  const deep = lines.findIndex((line) => nestingOf(line) > deepestNesting)
  if (deep >= 0)
    return find(
      'document-tangled',
      deep + 1,
      `The line opens more than ${deepestNesting} quotes or lists inside one another, so the document was not read.`,
      'Nest less.',
    )
  const line = firstTangle(lines)
  return line === null
    ? null
    : find(
        'document-tangled',
        line,
        'Up to this line there are so many marks (* _ ~ ` [ ] |) close together that the document was not read.',
        'Put a blank line between paragraphs, and text that is not Markdown into a code fence.',
      )
}

const nestingOf = (line: string): number =>
  (/^(?:[ \t]*(?:>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t])))*/.exec(line)?.[0] ?? '').match(/>|[-*+]|\d+[.)]/g)?.length ?? 0

/** The line at which the effort gets too much; null when it never does. */
function firstTangle(lines: readonly string[]): number | null {
  const effort = { total: 0, marks: 0, length: 0 }
  const startsBlock = blockStarts()
  let fence: string | null = null
  for (const [index, line] of lines.entries()) {
    const mark = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})/.exec(line)?.[1]
    if (fence !== null) {
      if (mark?.startsWith(fence) && line.trim() === mark) fence = null
      continue
    }
    if (mark !== undefined) fence = mark
    if (startsBlock(line, lines[index - 1] ?? ''))
      Object.assign(effort, { marks: 0, length: 0, total: effort.total + (line.trim() === '' ? 0 : effortOfBlock) })
    const before = effort.marks * (effort.length + effortOfMark)
    effort.marks += marksIn(line)
    effort.length += line.length + 1
    effort.total += effort.marks * (effort.length + effortOfMark) - before
    if (effort.total > mostEffort) return index + 1
  }
  return null
}

/** Marks the parser has to match up; a run of backticks is one. */
const marksIn = (line: string): number => line.match(/[*_~[\]|]|`+/g)?.length ?? 0

/**
 * Says of one line after another whether it starts a block. Headings, items and rows of tables do, but only where they cannot
 * be read as going on with the paragraph above: what looks like an item far to the right, or like a row without a head, goes on.
 */
function blockStarts(): (line: string, before: string) => boolean {
  let content = 0
  let isOrdered = false
  let isTable = false
  return (line, before) => {
    const text = line.trim()
    const indent = line.length - line.trimStart().length
    const isFresh = before.trim() === ''
    isTable = text.startsWith('|') && (isTable || isHeadAbove(text, before.trim()))
    if (isFresh && indent === 0) content = 0
    if (text === '') isOrdered = false
    if (text === '' || isTable || (indent <= 3 && /^#{1,6}\s/.test(text))) return true
    const item = indent <= content + 3 ? /^(?:[-*+]|\d{1,9}[.)])\s+(?=\S)/.exec(text)?.[0] : undefined
    if (item === undefined || (/^\d/.test(item) && !isFresh && !isOrdered && !/^0*1[.)]/.test(item))) return isFresh
    isOrdered = /^\d/.test(item)
    content = indent + item.length
    return true
  }
}

const isHeadAbove = (line: string, head: string): boolean =>
  /^[|:\s-]+$/.test(line) && head.startsWith('|') && barsIn(line) === barsIn(head)

const barsIn = (line: string): number => line.split('|').length
