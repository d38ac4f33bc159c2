import remarkGfm from 'remark-gfm'
import remarkParse from 'remark-parse'
import { type Processor, unified } from 'unified'

const parser = unified().use(remarkParse).use(remarkGfm).use(keepPositions).freeze()

type Root = ReturnType<typeof parser.parse>
export type Block = Root['children'][number]
export type Node = Root | Block
export type Of<K extends Node['type']> = Extract<Node, { type: K }>

/** remark-gfm looks for e-mail addresses by a pattern that is quadratic in `a.a.a.a`, and the nodes it makes have no position. */
function keepPositions(this: Processor): void {
  const data = this.data()
  data.fromMarkdownExtensions = (data.fromMarkdownExtensions ?? [])
    .flat()
    .map(({ transforms: _transforms, ...extension }) => extension)
}

/** A text this short is parsed in one go. */
const wholeLength = 24_000
const pieceLength = 4_000

/**
 * The top-level blocks of a Markdown text, with offsets into it. Long texts are parsed in pieces, because the parser takes
 * quadratic time in the number of blocks; the pieces end where no block can reach across, so the blocks are the same, except
 * that a list may come as two.
 */
export function parseBlocks(text: string): readonly Block[] {
  if (text.length <= wholeLength) return parser.parse(text).children
  const labels = definitionsIn(text)
  let start = 0
  return piecesOf(text).flatMap((piece) => {
    const blocks = parser.parse(withDefinitions(piece, labels)).children
    const own = blocks.filter(({ position }) => (position?.start.offset ?? 0) < piece.length)
    for (const block of own) moveBy(block, start)
    start += piece.length
    return own
  })
}

/** Links and footnotes that pieces may refer to, each with its label in brackets. */
function definitionsIn(text: string): readonly string[] {
  const labels = text.match(/^ {0,3}\[[^\]\r\n]{1,200}\]:(?=\s)/gm) ?? []
  return [...new Set(labels.map((label) => label.trim().slice(0, -1)))].slice(0, 1_000)
}

function withDefinitions(piece: string, labels: readonly string[]): string {
  const known = piece.toLowerCase()
  const used = labels.filter((label) => known.includes(label.toLowerCase()))
  return [piece, ...used.map((label) => (label.startsWith('[^') ? `${label}: x` : `${label}: #`))].join('\n\n')
}

function piecesOf(text: string): readonly string[] {
  const pieces: string[] = []
  let piece: string[] = []
  let length = 0
  let open: RegExp | null = null
  let afterBlank = true
  for (const line of text.split(/(?<=\n|\r(?!\n))/)) {
    if (
      open === null &&
      length >= pieceLength &&
      (startsBlock(line, afterBlank) || (length >= wholeLength && isPlain(line)))
    ) {
      pieces.push(piece.join(''))
      piece = []
      length = 0
    }
    open = open === null ? closerOf(line) : open.test(line) ? null : open
    piece.push(line)
    length += line.length
    afterBlank = line.trim() === ''
  }
  return [...pieces, piece.join('')]
}

/** A line at the margin after a blank one, or a bullet at the margin: nothing before it can go on in it. */
function startsBlock(line: string, afterBlank: boolean): boolean {
  return afterBlank ? /^[^\s]/.test(line) : /^[-*+] [^\s*+-]/.test(line)
}

/** A line at the margin that is not of a table: an endless paragraph is cut before it. */
function isPlain(line: string): boolean {
  return /^[^\s|]/.test(line) && !line.includes('|')
}

/** What ends the code fence or the HTML block that a line opens and that may hold blank lines; null when it opens none. */
function closerOf(line: string): RegExp | null {
  const fence = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})/.exec(line)?.[1]
  if (fence !== undefined) return new RegExp(`^ {0,3}${fence[0] ?? ''}{${fence.length},}[ \\t]*[\\r\\n]*$`)
  if (/^ {0,3}<!--/.test(line)) return line.includes('-->') ? null : /-->/
  const tag = /^ {0,3}<(script|style|pre|textarea)(?=[\s>])/i.exec(line)?.[1]
  return tag === undefined || line.toLowerCase().includes(`</${tag.toLowerCase()}`)
    ? null
    : /<\/(?:script|style|pre|textarea)>/i
}

function moveBy(node: Node, offset: number): void {
  const { position } = node
  if (position?.start.offset !== undefined) position.start.offset += offset
  if (position?.end.offset !== undefined) position.end.offset += offset
  if ('children' in node) for (const child of node.children) moveBy(child, offset)
}
