import type { Root, RootContent, Table } from 'mdast'
import { toString } from 'mdast-util-to-string'
import type { Finding } from '../../../core/ports.ts'
import type { Page } from './page.ts'
import { finder, lineOf, nodesOf } from './page.ts'

/** Words that stand for text nobody has written. */
const placeholder = /\[[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\]|\b(?:TODO|TBD|FIXME|XXX)\b|\blorem ipsum\b/

/** Nothing left to fill in, outside of code and quotes. */
export function checkPlaceholders(page: Page): Finding[] {
  const find = finder(page)
  return proseOf(page.tree).flatMap((node) => {
    const found = placeholder.exec(node.value)
    return found
      ? [
          find(
            'placeholder',
            lineOf(node),
            `“${found[0]}” stands for text that is not written.`,
            'Write it, or make it an open question.',
          ),
        ]
      : []
  })
}

/** Text that is neither code nor quoted from somebody. */
function proseOf(tree: Root): { value: string; position?: RootContent['position'] }[] {
  const stack: (Root | RootContent)[] = [tree]
  const texts: { value: string; position?: RootContent['position'] }[] = []
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (node.type === 'blockquote') continue
    if (node.type === 'text') texts.push(node)
    if ('children' in node) stack.push(...(node.children as RootContent[]).toReversed())
  }
  return texts
}

/** Code fences are closed and say their language. */
export function checkFences(page: Page): Finding[] {
  const find = finder(page)
  return [...nodesOf(page.tree)].flatMap((node) => {
    if (node.type !== 'code') return []
    const first = page.lines[lineOf(node) - 1] ?? ''
    const fence = /(`{3,}|~{3,})/.exec(first)?.[1]
    if (!fence) return []
    const last = page.lines[(node.position?.end.line ?? 0) - 1] ?? ''
    const isClosed =
      node.position?.end.line !== node.position?.start.line &&
      last.trimEnd().endsWith(fence[0]?.repeat(fence.length) ?? '')
    if (!isClosed)
      return [find('fence-open', lineOf(node), 'The code fence is never closed.', `Close it with a line of ${fence}`)]
    return node.lang
      ? []
      : [
          find(
            'fence-language',
            lineOf(node),
            'The code fence names no language.',
            'Write it behind the fence: ```text where there is none.',
          ),
        ]
  })
}

/** Every row of a table has as many cells as its head. */
export function checkTables(page: Page): Finding[] {
  return [...nodesOf(page.tree)].flatMap((node) => (node.type === 'table' ? checkTable(page, node) : []))
}

function checkTable(page: Page, table: Table): Finding[] {
  const find = finder(page)
  const [head, ...rows] = table.children
  const wanted = head?.children.length ?? 0
  return rows
    .filter((row) => row.children.length !== wanted)
    .map((row) =>
      find(
        'table-cells',
        lineOf(row),
        `The row has ${row.children.length} cells, the head has ${wanted}.`,
        'Add or remove cells; a bar inside a cell is written \\|',
      ),
    )
}

/** A heading's address on GitHub: lower case, punctuation dropped, spaces as hyphens, repeats numbered. */
export function slugsOf(page: Page): ReadonlySet<string> {
  const slugs = new Set<string>()
  const counts = new Map<string, number>()
  for (const { text } of page.headings) {
    const base = text
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
      .replaceAll(' ', '-')
    const count = counts.get(base) ?? 0
    counts.set(base, count + 1)
    slugs.add(count === 0 ? base : `${base}-${count}`)
  }
  return slugs
}

/** What links may lead to: the pages judged together, and other files known to exist. */
export type Places = {
  readonly slugs: ReadonlyMap<string, ReadonlySet<string>>
  readonly otherPaths: ReadonlySet<string>
}

/** Relative links lead to a page or a heading that exists, and references are defined. */
export function checkLinks(page: Page, places: Places): Finding[] {
  const find = finder(page)
  const findings: Finding[] = []
  for (const node of nodesOf(page.tree)) {
    if (node.type === 'link' || node.type === 'image' || node.type === 'definition') {
      const problem = problemOf(page, node.url, places)
      if (problem) findings.push(find('link', lineOf(node), problem, 'Correct the link, or remove it.'))
    } else if (node.type === 'text') {
      const open = /(?<!\\)\[([^\]\n]{1,80})\]\[([^\]\n]{0,80})\]/.exec(toString(node))
      if (open)
        findings.push(
          find(
            'link-undefined',
            lineOf(node),
            `Nothing defines the reference ${open[0]}.`,
            `Add a line [${open[2] || open[1]}]: address`,
          ),
        )
    }
  }
  return findings
}

/** What is wrong with a link, in a sentence; null when it leads somewhere or out of the repository. */
function problemOf(page: Page, url: string, { slugs, otherPaths }: Places): string | null {
  if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(url)) return null
  const [file = '', fragment] = url.split('#')
  const target = file === '' ? page.path : resolveFrom(page.path, decoded(file))
  if (target === null) return `The link ${url} leads out of the repository.`
  const headings = slugs.get(target)
  if (!headings) return otherPaths.has(target) ? null : `The link ${url} leads to ${target}, which is not there.`
  return !fragment || headings.has(decoded(fragment).toLowerCase())
    ? null
    : `The link ${url} leads to a heading that ${target} does not have.`
}

/** A path relative to a file, from the root of the repository; null when it leads above it. */
function resolveFrom(from: string, relative: string): string | null {
  const parts = relative.startsWith('/') ? [] : from.split('/').slice(0, -1)
  for (const part of relative.split('/')) {
    if (part === '..' && parts.pop() === undefined) return null
    if (part !== '..' && part !== '.' && part !== '') parts.push(part)
  }
  return parts.join('/')
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
