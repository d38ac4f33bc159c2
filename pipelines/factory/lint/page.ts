import type { Heading, RootContent } from 'mdast'
import { toString } from 'mdast-util-to-string'
import { parseBlocks } from './parse.ts'
import type { Place } from './tree.ts'
import { lineOf, placesOf } from './tree.ts'

/** A Markdown document, taken apart once for all rules. Lines count from 1 in the whole file. */
export type Page = {
  readonly path: string
  readonly lines: readonly string[]
  /** The YAML between the fences at the top, without them; null when there is none. */
  readonly frontMatter: string | null
  /** First line of the body. */
  readonly bodyLine: number
  /** The text that positions of the nodes count in: the front matter is blank lines in it. */
  readonly source: string
  /** Every node in reading order. */
  readonly places: readonly Place[]
  /** Headings of the document itself, not those in quotes and lists. */
  readonly headings: readonly PageHeading[]
}

export type PageHeading = {
  readonly depth: number
  readonly text: string
  readonly line: number
  /** True when nothing that a reader sees stands between this heading and the next one of its level or above. */
  readonly isEmpty: boolean
}

/** Takes a document apart. Never throws, whatever the text; `checkWeight` first keeps it from taking long. */
export function readPage(path: string, text: string): Page {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/)
  const end = isRule(lines[0]) ? lines.findIndex((line, index) => index > 0 && isRule(line)) : -1
  const bodyLine = end < 0 ? 1 : end + 2
  const source = lines.map((line, index) => (index + 1 < bodyLine ? '' : line)).join('\n')
  const blocks = parseBlocks(source)
  const frontMatter = end < 0 ? null : lines.slice(1, end).join('\n')
  return { path, lines, frontMatter, bodyLine, source, places: placesOf(blocks), headings: headingsOf(blocks) }
}

const isRule = (line: string | undefined): boolean => line?.trimEnd() === '---'

function headingsOf(blocks: readonly RootContent[]): PageHeading[] {
  return blocks.flatMap((node, index) => {
    if (node.type !== 'heading') return []
    return [
      { depth: node.depth, text: toString(node).trim(), line: lineOf(node), isEmpty: isBare(blocks, index, node) },
    ]
  })
}

function isBare(blocks: readonly RootContent[], index: number, heading: Heading): boolean {
  let next = index + 1
  while (isInvisible(blocks[next])) next++
  const below = blocks[next]
  return below === undefined || (below.type === 'heading' && below.depth <= heading.depth)
}

const isInvisible = (node: RootContent | undefined): boolean =>
  node?.type === 'definition' || (node?.type === 'html' && /^<!--[\s\S]*-->$/.test(node.value.trim()))
