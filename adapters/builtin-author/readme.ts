import { maskForParsing } from './mask.ts'
import { type Node, type Of, parseBlocks } from './parse.ts'
import { lineTable, Overlay, textBetweenTags } from './spans.ts'
import { type Rank, rankOf, wantedColumns } from './wanted-column.ts'
import { headingTopics, type Topic } from './words.ts'

/** A heading and what it is about. */
export type Section = {
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
  /** `row`: the cell that words the requirement of its row, in a table that lists some. */
  readonly kind: 'prose' | 'item' | 'cell' | 'row'
  readonly start: number
  readonly end: number
  readonly visible: string
  /** `visible` with the text of links blank too. */
  readonly linkFree: string
  readonly section: Section
  readonly ordered: boolean
  /** Of a list item: 1 is a top-level one. */
  readonly depth: number
  /** The address of the link or image it begins with, empty when that is given elsewhere; null when it begins otherwise. */
  readonly leadsTo: string | null
  /** Of a list item: another list hangs below it. */
  readonly leadsList: boolean
  /** What the text belongs to: the first cell of its row, or the list item above it. */
  readonly context: string | null
  /** Of a `row`: how much its table says it is wanted. */
  readonly rank: Rank | null
}

export type CodeBlock = {
  readonly language: string
  readonly text: string
  readonly line: number
  readonly section: Section
}
export type TableRow = { readonly cells: readonly string[]; readonly line: number }
export type Table = { readonly header: TableRow; readonly rows: readonly TableRow[]; readonly section: Section }
/** Headings under which a README speaks of other things than the product. */
export const asideTopics: readonly Topic[] = ['people', 'links', 'licence', 'changes', 'contents', 'non-goals']

/** A `name` in backticks. */
export type CodeName = {
  readonly text: string
  readonly line: number
  readonly start: number
  readonly section: Section
}
/** A bold run of text. */
export type Bold = { readonly text: string; readonly start: number; readonly end: number }

/** A README taken apart: its text, and everything the pages look at, in source order with 1-based lines. */
export type Readme = {
  readonly path: string
  readonly text: string
  /** The first one, without a title, is the text before any heading. */
  readonly sections: readonly Section[]
  readonly units: readonly Unit[]
  readonly code: readonly CodeBlock[]
  readonly tables: readonly Table[]
  readonly names: readonly CodeName[]
  readonly bold: readonly Bold[]
  /** Offsets where a top-level block ends, so that another may be put there. */
  readonly seams: readonly number[]
  lineAt(offset: number): number
}

/** Reads any bytes at all: invalid UTF-8 and NUL become U+FFFD, as CommonMark has it. Never throws. */
export function readReadme(path: string, bytes: Uint8Array): Readme {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes).replaceAll('\0', '\uFFFD')
  const masked = maskForParsing(text)
  const blocks = parseBlocks(masked)
  const walk = new Walk(text, masked)
  for (const block of blocks) walk.block(block, inProse)
  const seams = blocks.map(({ position }) => position?.end.offset ?? 0)
  const { sections, units, code, tables, names, bold, lineAt } = walk
  return { path, text, sections, units, code, tables, names, bold, seams, lineAt }
}

const root: Section = { title: '', depth: 0, line: 1, parent: null, topic: 'other' }

/** Where a unit stands: what `Unit` says besides its text. */
type Place = Pick<Unit, 'ordered' | 'depth' | 'leadsList' | 'context' | 'rank'>

const inProse: Place = { ordered: false, depth: 0, leadsList: false, context: null, rank: null }

class Walk {
  readonly sections: Section[] = [root]
  readonly units: Unit[] = []
  readonly code: CodeBlock[] = []
  readonly tables: Table[] = []
  readonly names: CodeName[] = []
  readonly bold: Bold[] = []
  readonly lineAt: (offset: number) => number
  readonly #text: string
  readonly #masked: string
  #section = root

  constructor(text: string, masked: string) {
    this.#text = text
    this.#masked = masked
    this.lineAt = lineTable(text)
  }

  block(node: Node, place: Place): void {
    switch (node.type) {
      case 'heading':
        return this.#heading(node)
      case 'paragraph':
        return this.#unit('prose', node, inProse)
      case 'list':
        for (const item of node.children)
          this.#item(item, { ...place, ordered: node.ordered === true, depth: place.depth + 1 })
        return
      case 'code':
        return this.#code(node)
      case 'table':
        return this.#table(node)
      case 'html':
        return this.#html(node)
      case 'footnoteDefinition':
        return this.#footnote(node)
      case 'blockquote':
        for (const child of node.children) this.block(child, place)
        return
      default:
    }
  }

  #heading(node: Of<'heading'>): void {
    const title = this.#inlineText(node)
    let parent: Section | null = this.#section
    while (parent !== null && parent.depth >= node.depth) parent = parent.parent
    const above = parent !== null && parent.depth > 1 ? parent.topic : 'other'
    const own = headingTopics.find(([, words]) => words.test(title.slice(0, 200)))?.[0]
    const topic = own === undefined || isPartNamedOpen(title, above) ? above : own
    this.#section = { title, depth: node.depth, line: this.lineAt(node.position?.start.offset ?? 0), parent, topic }
    this.sections.push(this.#section)
  }

  #item(item: Of<'listItem'>, place: Place): void {
    const [first] = item.children
    const leadsList = item.children.some((child) => child.type === 'list')
    const context = first?.type === 'paragraph' ? this.#inlineText(first) : place.context
    item.children.forEach((child, index) => {
      if (index === 0 && child.type === 'paragraph') this.#unit('item', child, { ...place, leadsList })
      else this.block(child, { ...place, context })
    })
  }

  #code(node: Of<'code'>): void {
    const from = node.position?.start.offset ?? 0
    const to = node.position?.end.offset ?? from
    const source = this.#text.slice(from, to)
    const calm = this.#masked.slice(from, to) === source
    const text = calm
      ? node.value
      : source
          .split(/\r\n?|\n/)
          .slice(1, -1)
          .join('\n')
    const line = this.lineAt(node.position?.start.offset ?? 0)
    const language = (node.lang ?? '').toLowerCase()
    this.code.push({ language, text: text.replace(/\r\n?/g, '\n'), line, section: this.#section })
  }

  #table(node: Of<'table'>): void {
    const rows = node.children.map((row) => ({
      cells: row.children.map((cell) => this.#inlineText(cell)),
      line: this.lineAt(row.position?.start.offset ?? 0),
    }))
    const [header, ...body] = rows
    if (header !== undefined) this.tables.push({ header, rows: body, section: this.#section })
    const about = this.#section.topic === 'features'
    const columns = wantedColumns(
      header?.cells ?? [],
      body.map(({ cells }) => cells),
      about,
    )
    node.children.slice(1).forEach((row, index) => {
      row.children.forEach((cell, column) => {
        if (column === columns?.rank) return
        const kind = column === columns?.wanted ? 'row' : 'cell'
        const context = column === 0 ? null : rowName(header, body[index])
        const rank = kind === 'row' ? rankOf(body[index]?.cells[columns?.rank ?? -1] ?? '') : null
        this.#unit(kind, cell, { ...inProse, context, rank })
      })
    })
  }

  /** The text between the tags of an HTML block is prose; comments, scripts and styles are not. */
  #html(node: Of<'html'>): void {
    const start = node.position?.start.offset ?? 0
    const source = this.#text.slice(start, node.position?.end.offset ?? start)
    for (const [from, to] of textBetweenTags(source)) {
      const visible = withoutSpacers(source.slice(from, to))
      if (!/\p{L}/u.test(visible)) continue
      const span = { start: start + from, end: start + to, visible, linkFree: visible, leadsTo: null }
      this.units.push({ kind: 'prose', ...span, ...inProse, section: this.#section })
    }
  }

  /** A footnote stands where its author put it, most often far below what it is about: it belongs to no heading. */
  #footnote(node: Of<'footnoteDefinition'>): void {
    const section = this.#section
    this.#section = root
    for (const child of node.children) this.block(child, inProse)
    this.#section = section
  }

  #unit(kind: Unit['kind'], node: Of<'paragraph'> | Of<'tableCell'>, place: Place): void {
    const start = node.children[0]?.position?.start.offset
    const end = node.children.at(-1)?.position?.end.offset
    if (start === undefined || end === undefined) return
    const first = node.children.find((child) => !(child.type === 'text' && child.value.trim() === ''))
    const leadsTo = first !== undefined && isLink(first) ? ('url' in first ? first.url : '') : null
    this.units.push({
      kind,
      start,
      end,
      ...this.#visible(node, start, end),
      leadsTo,
      ...place,
      section: this.#section,
    })
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
    if (node.type === 'text')
      return withoutSpacers(this.#text.slice(from, to)).replace(/(\r\n?|\n)([ \t>]*)/g, blankPrefix)
    if (node.type === 'break' || (node.type === 'html' && /^<br/i.test(node.value))) return '\u2028'.repeat(to - from)
    if (node.type !== 'inlineCode') return null
    this.names.push({ text: node.value, line: this.lineAt(from), start: from, section: this.#section })
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

/** Below commands and functions, "Open" is the one that opens. */
function isPartNamedOpen(title: string, above: Topic): boolean {
  return /^open$/i.test(title) && ['usage', 'interfaces', 'features'].includes(above)
}

/** The first cell; with its column's name when it is a number only. */
function rowName(header: TableRow | undefined, row: TableRow | undefined): string | null {
  const name = row?.cells[0] ?? ''
  return /^\d+$/.test(name) ? `${header?.cells[0] ?? ''} ${name}`.trim() : name || null
}

function isLink(node: Node): boolean {
  return ['link', 'linkReference', 'image', 'imageReference'].includes(node.type)
}

/** Entities that are there for the layout, blank. */
function withoutSpacers(text: string): string {
  return text.replace(/&(?:nbsp|ensp|emsp|thinsp|bull|middot);/g, (entity) => ' '.repeat(entity.length))
}

function blankPrefix(_match: string, lineEnd: string, prefix: string): string {
  return lineEnd + ' '.repeat(prefix.length)
}
