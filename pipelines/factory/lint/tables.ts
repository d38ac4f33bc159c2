import type { Paragraph, Table } from 'mdast'
import { counted } from '../../../core/model/counted.ts'
import type { Finding } from '../../../core/ports.ts'
import type { Page } from './page.ts'
import { finder } from './rules.ts'
import { lineOf, typed } from './tree.ts'

/** Tables are tables, and every row has as many cells as the head. */
export function checkTables(page: Page): Finding[] {
  return page.places.flatMap(({ node, line }) => {
    if (node.type === 'table') return unevenRows(page, node)
    return node.type === 'paragraph' ? brokenHeads(page, node, line) : []
  })
}

function unevenRows(page: Page, { children: [head, ...rows] }: Table): Finding[] {
  const find = finder(page)
  const wanted = head?.children.length ?? 0
  return rows
    .filter(({ children }) => children.length !== wanted)
    .map((row) =>
      find(
        'table-cells',
        lineOf(row),
        `The row has ${counted(row.children.length, 'cell')}, and the head has ${wanted}.`,
        row.children.length > wanted
          ? 'Remove cells; a bar that is text is written \\|'
          : 'Add cells, or a blank line where the table ends.',
      ),
    )
}

/** A head and a delimiter line of different lengths make no table at all: readers see a paragraph full of bars. */
function brokenHeads(page: Page, paragraph: Paragraph, line: number): Finding[] {
  const find = finder(page)
  const lines = (typed(page.source, paragraph) ?? '').split('\n')
  return lines.flatMap((text, index) => {
    const head = lines[index - 1]
    if (!head?.includes('|') || !text.includes('|')) return []
    const columns = cellsOf(text)
    if (!columns.every((cell) => /^:?-+:?$/.test(cell)) || columns.length === cellsOf(head).length) return []
    return [
      find(
        'table-head',
        line + index,
        `The line has ${counted(columns.length, 'column')}, and the head of the table above it has ${cellsOf(head).length}.`,
        'Write one --- for each cell of the head.',
      ),
    ]
  })
}

const cellsOf = (line: string): string[] =>
  line
    .trim()
    .replace(/^\|/, '')
    .replace(/(?<!\\)\|$/, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim())
