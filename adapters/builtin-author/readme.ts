import remarkGfm from 'remark-gfm'
import remarkParse from 'remark-parse'
import { type Processor, unified } from 'unified'
import { maskForParsing } from './mask.ts'
import { headingTopics, type Topic } from './words.ts'

const parser = unified().use(remarkParse).use(remarkGfm).use(keepPositions).freeze()

type Root = ReturnType<typeof parser.parse>
type Node = Root | Root['children'][number]
type Of<K extends Node['type']> = Extract<Node, { type: K }>

/** A heading and what it is about; section 0 is the text before any heading. */
export type Section = {
  readonly index: number
  readonly title: string
  readonly depth: number
  readonly line: number
  readonly parent: Section | null
  /** Of the heading itself, else of the nearest heading above that has one. */
  readonly topic: Topic
}

/**
 * A run of text that statements are looked for in. `visible` is as long as the source slice, character for character:
 * letters stay, markup and addresses are blank, inline code is U+FFFC, a hard line break is U+2028.
 */
export type Unit = {
  readonly kind: 'prose' | 'item' | 'cell'
  readonly start: number
  readonly end: number
  readonly visible: string
  /** `visible` with the text of links blank too. */
  readonly linkFree: string
  readonly section: Section
  readonly ordered: boolean
  /** Of a list item: 1 is a top-level one. */
  readonly depth: number
  readonly leadsWithLink: boolean
  /** Of a list item: another list hangs below it. */
  readonly leadsList: boolean
}

export type CodeBlock = {
  readonly language: string
  readonly text: string
  readonly line: number
  readonly section: Section
}
export type TableRow = { readonly cells: readonly string[]; readonly line: number }
export type Table = { readonly header: TableRow; readonly rows: readonly TableRow[]; readonly section: Section }
/** A `name` in backticks. */
export type CodeName = { readonly text: string; readonly line: number; readonly section: Section }
/** A bold run of text. */
export type Bold = { readonly text: string; readonly start: number; readonly end: number }

/** A README taken apart: its text, and everything the pages look at, in source order with 1-based lines. */
export type Readme = {
  readonly path: string
  readonly text: string
  readonly sections: readonly Section[]
  readonly units: readonly Unit[]
  readonly code: readonly CodeBlock[]
  readonly tables: readonly Table[]
  readonly names: readonly CodeName[]
  readonly bold: readonly Bold[]
  lineAt(offset: number): number
}

/** Reads any bytes at all: invalid UTF-8 and NUL become U+FFFD, as CommonMark has it. Never throws. */
export function readReadme(path: string, bytes: Uint8Array): Readme {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes).replaceAll('\0', '\uFFFD')
  const walk = new Walk(text)
  walk.block(parser.parse(maskForParsing(text)), null)
  const { sections, units, code, tables, names, bold, lineAt } = walk
  return { path, text, sections, units, code, tables, names, bold, lineAt }
}

/** remark-gfm looks for e-mail addresses by a pattern that is quadratic in `a.a.a.a`, and the nodes it makes have no position. */
function keepPositions(this: Processor): void {
  const data = this.data()
  data.fromMarkdownExtensions = (data.fromMarkdownExtensions ?? [])
    .flat()
    .map(({ transforms: _transforms, ...extension }) => extension)
}

type ListPlace = { readonly ordered: boolean; readonly depth: number }

class Walk {
  readonly sections: Section[] = [{ index: 0, title: '', depth: 0, line: 1, parent: null, topic: 'other' }]
  readonly units: Unit[] = []
  readonly code: CodeBlock[] = []
  readonly tables: Table[] = []
  readonly names: CodeName[] = []
  readonly bold: Bold[] = []
  readonly lineAt: (offset: number) => number
  readonly text: string
  #section: Section

  constructor(text: string) {
    this.text = text
    this.lineAt = lineTable(text)
    this.#section = this.sections[0] ?? unreachableSection()
  }

  block(node: Node, list: ListPlace | null): void {
    switch (node.type) {
      case 'heading':
        this.#heading(node)
        return
      case 'paragraph':
        this.#unit('prose', node, null, false)
        return
      case 'list':
        for (const item of node.children)
          this.#item(item, { ordered: node.ordered === true, depth: (list?.depth ?? 0) + 1 })
        return
      case 'code':
        this.code.push({
          language: (node.lang ?? '').toLowerCase(),
          text: node.value,
          line: node.position?.start.line ?? 1,
          section: this.#section,
        })
        return
      case 'table':
        this.#table(node)
        return
      case 'html':
        this.#html(node)
        return
      case 'root':
      case 'blockquote':
      case 'footnoteDefinition':
        for (const child of node.children) this.block(child, list)
    }
  }

  #heading(node: Of<'heading'>): void {
    const title = this.#inlineText(node)
    let parent: Section | null = this.#section
    while (parent !== null && parent.depth >= node.depth) parent = parent.parent
    const own = headingTopics.find(([, words]) => words.test(title.slice(0, 200)))?.[0]
    const topic = own ?? (parent !== null && parent.depth > 1 ? parent.topic : 'other')
    const line = node.position?.start.line ?? 1
    this.#section = { index: this.sections.length, title, depth: node.depth, line, parent, topic }
    this.sections.push(this.#section)
  }

  #item(item: Of<'listItem'>, place: ListPlace): void {
    const leadsList = item.children.some((child) => child.type === 'list')
    item.children.forEach((child, index) => {
      if (index === 0 && child.type === 'paragraph') this.#unit('item', child, place, leadsList)
      else this.block(child, place)
    })
  }

  #table(node: Of<'table'>): void {
    const rows = node.children.map((row) => ({
      cells: row.children.map((cell) => this.#inlineText(cell)),
      line: row.position?.start.line ?? 1,
    }))
    const [header, ...body] = rows
    if (header !== undefined) this.tables.push({ header, rows: body, section: this.#section })
    for (const row of node.children.slice(1)) {
      for (const cell of row.children) this.#unit('cell', cell, null, false)
    }
  }

  /** The text between the tags of an HTML block is prose; comments, scripts and styles are not. */
  #html(node: Of<'html'>): void {
    const start = node.position?.start.offset ?? 0
    for (const [from, to] of textBetweenTags(node.value)) {
      const visible = node.value.slice(from, to)
      if (!/\p{L}/u.test(visible)) continue
      const unit = { kind: 'prose', start: start + from, end: start + to, visible, linkFree: visible } as const
      this.units.push({
        ...unit,
        section: this.#section,
        ordered: false,
        depth: 0,
        leadsWithLink: false,
        leadsList: false,
      })
    }
  }

  #unit(
    kind: Unit['kind'],
    node: Of<'paragraph'> | Of<'tableCell'>,
    place: ListPlace | null,
    leadsList: boolean,
  ): void {
    const start = node.children[0]?.position?.start.offset
    const end = node.children.at(-1)?.position?.end.offset
    if (start === undefined || end === undefined) return
    const first = node.children.find((child) => !(child.type === 'text' && child.value.trim() === ''))
    const leadsWithLink = first !== undefined && isLink(first)
    const { ordered, depth } = place ?? { ordered: false, depth: 0 }
    const texts = this.#visible(node, start, end)
    this.units.push({ kind, start, end, ...texts, section: this.#section, ordered, depth, leadsWithLink, leadsList })
  }

  #visible(node: Of<'paragraph'> | Of<'tableCell'>, start: number, end: number): Pick<Unit, 'visible' | 'linkFree'> {
    const visible = new Overlay(start, end)
    const linkFree = new Overlay(start, end)
    const visit = (child: Node, inLink: boolean): void => {
      const from = child.position?.start.offset
      const to = child.position?.end.offset
      if (from === undefined || to === undefined) return
      const piece = this.#piece(child, from, to)
      if (piece !== null) visible.put(from, piece)
      if (piece !== null && !inLink) linkFree.put(from, piece)
      if (child.type === 'strong') this.bold.push({ text: this.#inlineText(child), start: from, end: to })
      if ('children' in child) for (const inner of child.children) visit(inner, inLink || isLink(child))
    }
    for (const child of node.children) visit(child, false)
    return { visible: visible.text(), linkFree: linkFree.text() }
  }

  /** What a reader sees of a node without children; null when that is nothing. */
  #piece(node: Node, from: number, to: number): string | null {
    if (node.type === 'text') return this.text.slice(from, to).replace(/(\r\n?|\n)([ \t>]*)/g, blankPrefix)
    if (node.type === 'break' || (node.type === 'html' && /^<br/i.test(node.value))) return '\u2028'.repeat(to - from)
    if (node.type !== 'inlineCode') return null
    this.names.push({ text: node.value, line: this.lineAt(from), section: this.#section })
    return '\uFFFC'.repeat(to - from)
  }

  /** Text of a heading, a cell or a bold run on one line, code in backticks. */
  #inlineText(node: Node): string {
    const parts: string[] = []
    const visit = (child: Node): void => {
      if (child.type === 'text') parts.push(child.value)
      else if (child.type === 'inlineCode') parts.push(`\`${child.value}\``)
      else if (child.type === 'break') parts.push(' ')
      else if ('children' in child) for (const inner of child.children) visit(inner)
    }
    visit(node)
    return parts.join('').replace(/\s+/g, ' ').trim()
  }
}

/** Pieces of text laid over blanks, left to right. */
class Overlay {
  readonly #pieces: string[] = []
  readonly #end: number
  #at: number

  constructor(start: number, end: number) {
    this.#at = start
    this.#end = end
  }

  put(from: number, piece: string): void {
    if (from < this.#at) return
    this.#pieces.push(' '.repeat(from - this.#at), piece)
    this.#at = from + piece.length
  }

  text(): string {
    return this.#pieces.join('') + ' '.repeat(Math.max(0, this.#end - this.#at))
  }
}

function unreachableSection(): never {
  throw new Error('a walk starts in section 0')
}

function isLink(node: Node): boolean {
  return ['link', 'linkReference', 'image', 'imageReference'].includes(node.type)
}

function blankPrefix(_match: string, lineEnd: string, prefix: string): string {
  return lineEnd + ' '.repeat(prefix.length)
}

/** Maps an offset to its 1-based line; a line ends with LF, CRLF or CR, as in CommonMark. */
function lineTable(text: string): (offset: number) => number {
  const starts = [0]
  for (const match of text.matchAll(/\r\n?|\n/g)) starts.push(match.index + match[0].length)
  return (offset) => {
    let low = 0
    let high = starts.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle
    }
    return low + 1
  }
}

/** Offsets of the text between tags, found in one pass: a `<` that never closes ends the search. */
function textBetweenTags(html: string): (readonly [number, number])[] {
  const found: (readonly [number, number])[] = []
  let at = 0
  while (at < html.length) {
    const open = html.indexOf('<', at)
    if (open < 0) return [...found, [at, html.length]]
    if (open > at) found.push([at, open])
    const rest = html.slice(open, open + 8).toLowerCase()
    const raw = /^<(script|style|pre)/.exec(rest)?.[1]
    const close = rest.startsWith('<!--') ? '-->' : raw === undefined ? '>' : `</${raw}`
    const closed = html.indexOf(close, open + 1)
    if (closed < 0) return found
    at = closed + close.length
  }
  return found
}
