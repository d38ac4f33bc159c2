import type { Heading, Root, RootContent } from 'mdast'
import { toString } from 'mdast-util-to-string'
import remarkGfm from 'remark-gfm'
import remarkParse from 'remark-parse'
import { unified } from 'unified'
import type { Finding } from '../../../core/ports.ts'

/** A Markdown document, taken apart once for all rules. Lines count from 1 in the whole file. */
export type Page = {
  readonly path: string
  readonly lines: readonly string[]
  /** The YAML between the fences at the top, without them; null when there is none. */
  readonly frontMatter: string | null
  /** First line of the body. */
  readonly bodyLine: number
  readonly tree: Root
  readonly headings: readonly PageHeading[]
}

export type PageHeading = {
  readonly depth: number
  readonly text: string
  readonly line: number
  readonly isEmpty: boolean
}

const parser = unified().use(remarkParse).use(remarkGfm)

/** Takes a document apart. Never throws, whatever the text. */
export function readPage(path: string, text: string): Page {
  const lines = text.split(/\r?\n/)
  const end = lines[0]?.trim() === '---' ? lines.findIndex((line, index) => index > 0 && line.trim() === '---') : -1
  const bodyLine = end < 0 ? 1 : end + 2
  // Blank lines in place of the front matter keep every position of the tree true.
  const body = [...Array<string>(bodyLine - 1).fill(''), ...lines.slice(bodyLine - 1)].join('\n')
  const tree = parser.parse(body)
  return {
    path,
    lines,
    frontMatter: end < 0 ? null : lines.slice(1, end).join('\n'),
    bodyLine,
    tree,
    headings: headingsOf(tree),
  }
}

function headingsOf(tree: Root): PageHeading[] {
  return tree.children.flatMap((node, index) => {
    if (node.type !== 'heading') return []
    const next = tree.children[index + 1]
    return [{ depth: node.depth, text: toString(node).trim(), line: lineOf(node), isEmpty: endsThere(node, next) }]
  })
}

/** Nothing stands under a heading when the next thing is a heading of the same or a higher level, or the end. */
const endsThere = (heading: Heading, next: RootContent | undefined): boolean =>
  next === undefined || (next.type === 'heading' && next.depth <= heading.depth)

export const lineOf = (node: {
  readonly position?: { readonly start: { readonly line: number } } | undefined
}): number => node.position?.start.line ?? 1

/** Every node of a tree, depth first, without recursion: nesting depth is the author's choice, not ours. */
export function* nodesOf(tree: Root): Generator<Root | RootContent> {
  const stack: (Root | RootContent)[] = [tree]
  for (let node = stack.pop(); node; node = stack.pop()) {
    yield node
    if ('children' in node) stack.push(...(node.children as RootContent[]).toReversed())
  }
}

/** Makes findings of one page; errors unless said otherwise. */
export const finder =
  (page: Pick<Page, 'path'>) =>
  (rule: string, line: number, message: string, fix: string, severity: Finding['severity'] = 'error'): Finding => ({
    path: page.path,
    line,
    rule,
    severity,
    message,
    fix,
  })
