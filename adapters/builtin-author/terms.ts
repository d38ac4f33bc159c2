import { distinct } from './facts.ts'
import { headOf, type Named } from './naming.ts'
import type { Readme } from './readme.ts'
import type { Passage } from './statements.ts'

/** Words the README explains, and abbreviations it uses, with its expansion where it gives one. */
export type Terms = { readonly terms: readonly Named[]; readonly abbreviations: readonly Named[] }

export function termsOf(readme: Readme, passages: readonly Passage[]): Terms {
  const terms = [...fromTables(readme), ...fromLists(passages), ...fromBold(readme, passages)]
  return {
    terms: distinct(terms.toSorted((a, b) => a.line - b.line)),
    abbreviations: abbreviationsOf(passages),
  }
}

function fromTables(readme: Readme): readonly Named[] {
  const heads =
    /^(?:terms?|words?|names?|concepts?|abbreviations?|термин|понятие|слово|сокращение|begriff|terme|término|术语)$/iu
  return readme.tables
    .filter(({ header, section }) => section.topic === 'glossary' || heads.test(header.cells[0] ?? ''))
    .flatMap(({ rows }) =>
      rows.map(({ cells, line }) => ({ name: cells[0] ?? '', line, says: cells.slice(1).join('; ') })),
    )
    .filter(({ name, says }) => name !== '' && says !== '')
}

/** `- **Shelf**: where a parcel waits`, and under a glossary heading any `term: definition`. */
function fromLists(passages: readonly Passage[]): readonly Named[] {
  return passages.flatMap(({ unit, quote, plain, line, section }) => {
    const marked = /^(?:\*\*|__|`)/.test(quote)
    if (unit.kind === 'cell' || (section.topic !== 'glossary' && !(marked && unit.kind === 'item'))) return []
    const { name, says } = headOf(plain)
    const short = name.length <= 48 && name.split(' ').length <= 5
    return says === null || !short ? [] : [{ name: name.replace(/[`'"]/g, ''), line, says }]
  })
}

/** "A **shelf** is …": a bold run followed by a verb of being. */
function fromBold(readme: Readme, passages: readonly Passage[]): readonly Named[] {
  const defines = /^\s*(?:\([^)]{1,60}\)\s*)?(?:is|are|means|—|–|это|ist|sind|est|sont|es|son)\s/u
  const found: Named[] = []
  let index = 0
  for (const { text, start, end } of readme.bold) {
    while (index < passages.length - 1 && (passages[index]?.end ?? 0) < end) index += 1
    const passage = passages[index]
    if (passage === undefined || passage.start > start || passage.unit.kind !== 'prose') continue
    const rest = readme.text.slice(end, Math.min(passage.end, end + 200))
    if (defines.test(rest) && text.length <= 48)
      found.push({ name: text, line: readme.lineAt(start), says: headOf(passage.plain).says ?? passage.plain })
  }
  return found
}

function abbreviationsOf(passages: readonly Passage[]): readonly Named[] {
  const first = new Map<string, Named>()
  for (const { visible, plain, line, section } of passages) {
    if (['people', 'links', 'licence', 'changes', 'contents'].includes(section.topic)) continue
    for (const [name] of visible.matchAll(/(?<![\p{L}\p{N}_.-])\p{Lu}[\p{Lu}\d]{1,5}(?![\p{L}\p{N}_-])/gu)) {
      if (
        /^(?:GET|POST|PUT|PATCH|HEAD|MUST|NOT|MAY|SHOULD|SHALL|TODO|TBD|TBC|FIXME|XXX|OK|AND|OR|KB|MB|GB|TB|ID|URL|README)$/.test(
          name,
        )
      )
        continue
      const known = first.get(name)
      if (known?.says != null) continue
      const says = expansion(name, plain)
      if (known === undefined || says !== null)
        first.set(name, { name, line: says === null ? (known?.line ?? line) : line, says })
    }
  }
  return [...first.values()].toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}

/** "Content Security Policy (CSP)" or "CSP (content security policy)" when the initials agree. */
function expansion(name: string, plain: string): string | null {
  const at = plain.indexOf(`(${name})`)
  if (at > 0) {
    const before = plain.slice(Math.max(0, at - 120), at).trim()
    const words = [...before.matchAll(/[^\s-]+/g)].slice(-name.length)
    if (
      agrees(
        name,
        words.map(([word]) => word),
      )
    )
      return before.slice(words[0]?.index ?? 0)
  }
  const open = plain.indexOf(`${name} (`)
  const inside = open < 0 ? undefined : /^([^()]{3,80})\)/u.exec(plain.slice(open + name.length + 2))?.[1]
  return inside !== undefined && agrees(name, inside.split(/[\s-]+/)) ? inside : null
}

function agrees(name: string, words: readonly string[]): boolean {
  return words.length === name.length && words.every((word, at) => word[0]?.toUpperCase() === name[at])
}
