import type { Finding } from '../../../core/ports.ts'
import { blockStarts } from './block-starts.ts'
import { followFences } from './fences.ts'
import { startsOfParts } from './parse.ts'
import { finder } from './rules.ts'

/** Far above any document of a suite, and read in a few seconds. */
const mostCharacters = 1_000_000
const mostLines = 50_000

/** Quotes and lists inside one another; eight columns of indent before an item count as one. */
const deepestNesting = 30

/**
 * The parser takes time for each block and each mark, compares the marks of a block with one another, so that its time grows with
 * marks times length, and goes over a part again for each quote and each underlined heading. One unit was measured at 0.05 to
 * 0.1 µs; 200 kB of dense tables and lists take half of what is allowed.
 */
const mostEffort = 50_000_000
const effortOfBlock = 1_500
const effortOfMark = 400
const effortOfReturn = 5

/** Refuses, before it is parsed, a document that would keep the parser busy for many seconds. Null for all others. */
export function checkWeight(path: string, text: string): Finding | null {
  const find = finder({ path })
  const lines = text.split(/\r\n|\r|\n/)
  if (text.length > mostCharacters || lines.length > mostLines)
    return find(
      'document-too-large',
      1,
      `The document has ${text.length} characters in ${lines.length} lines, so it was not read.`,
      `Split it: ${mostCharacters} characters and ${mostLines} lines are the most.`,
    )
  const tangle = firstTangle(lines)
  return tangle && find('document-tangled', tangle.line, `${tangle.what}, so the document was not read.`, tangle.fix)
}

type Tangle = { readonly line: number; readonly what: string; readonly fix: string }

function firstTangle(lines: readonly string[]): Tangle | null {
  const parts = new Set(startsOfParts(lines))
  const fences = followFences()
  const startsBlock = blockStarts()
  const block = { marks: 0, length: 0 }
  let [effort, returns] = [0, 0]
  for (const [index, line] of lines.entries()) {
    const kind = fences(line)
    if (kind === 'code') continue
    if (nestingOf(line) > deepestNesting) return tooDeep(index + 1)
    if (parts.has(index)) returns = 0
    if (startsBlock(line) || kind !== 'text') {
      effort += line.trim() === '' ? 0 : effortOfBlock
      Object.assign(block, { marks: 0, length: 0 })
    }
    if (/^\s*>|^ {0,3}(?:=+|-+)\s*$/.test(line)) effort += effortOfReturn * ++returns
    effort -= block.marks * (block.length + effortOfMark)
    block.marks += marksIn(line)
    block.length += line.length + 1
    effort += block.marks * (block.length + effortOfMark)
    if (effort > mostEffort) return tooDense(index + 1)
  }
  return null
}

const tooDeep = (line: number): Tangle => ({
  line,
  what: `The line opens more than ${deepestNesting} quotes or lists inside one another`,
  fix: 'Nest less.',
})

const tooDense = (line: number): Tangle => ({
  line,
  what: 'Up to this line there are too many marks (* _ ~ ` [ ] |), quotes and headings close together',
  fix: 'Put a blank line between paragraphs, and text that is not Markdown into a code fence.',
})

const nesting = /^(?:[ \t]*(?:>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t])))*/

function nestingOf(line: string): number {
  const marks = nesting.exec(line)?.[0].match(/[>*+-]|\d+/g)?.length ?? 0
  return marks === 0 ? 0 : marks + Math.floor((line.length - line.trimStart().length) / 8)
}

/** Marks the parser has to match up; a run of backticks is one. */
const marksIn = (line: string): number => line.match(/[*_~[\]|]|`+/g)?.length ?? 0
