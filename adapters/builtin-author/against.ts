import type { Finding, WrittenDocument } from '../../core/ports.ts'
import { type Readme, readReadme } from './readme.ts'
import { baseId, passagesOf, type Statement, statementsOf } from './statements.ts'

const readmePath = 'README.md'
const requirementsFile = '20_requirements.md'

/**
 * Checks documents against the README they were written from: every statement has exactly one requirement in
 * 20_requirements.md, with its bytes and its line; every requirement quotes the README; and ids do not move when another
 * statement is put into the README. No finding means that all of it holds.
 */
export function proveAgainst(readme: Uint8Array, documents: readonly WrittenDocument[]): Finding[] {
  const source = readReadme(readmePath, readme)
  const statements = statementsOf(passagesOf(source))
  const document = documents.find(({ path }) => path.endsWith(requirementsFile))
  if (document === undefined) {
    const message = `There is no ${requirementsFile} to hold the README's requirements.`
    return [
      {
        ...error(requirementsFile, 1, 'against/no-requirements'),
        message,
        fix: 'Write it with the rest of the suite.',
      },
    ]
  }
  const entries = entriesOf(document)
  const known = new Map(statements.map((statement) => [statement.id, statement]))
  return [
    ...completeness(statements, entries),
    ...entries.flatMap((entry) => fidelity(source, known, entry)),
    ...stability(source, statements),
  ]
}

type Entry = {
  readonly id: string
  readonly quote: string | null
  readonly cited: number | null
  readonly path: string
  readonly line: number
}

/** Headings that begin with a requirement id, the first quote below each, and the line it cites. */
function entriesOf({ path, text }: WrittenDocument): readonly Entry[] {
  const lines = text.split('\n')
  const entries: Entry[] = []
  for (let at = 0; at < lines.length; at += 1) {
    const id = /^#{2,6}\s+(R-[0-9a-f]{6}(?:-\d+)?)(?![\w-])/.exec(lines[at] ?? '')?.[1]
    if (id === undefined) continue
    const line = at + 1
    const block = quoteAfter(lines, line)
    const cited = citationAfter(lines, block.next)
    entries.push({ id, quote: block.quote, cited, path, line })
    at = block.next - 1
  }
  return entries
}

/** The block quote or fenced block that comes next, before another heading. */
function quoteAfter(lines: readonly string[], from: number): { readonly quote: string | null; readonly next: number } {
  let at = from
  while (at < lines.length && (lines[at] ?? '').trim() === '') at += 1
  const first = lines[at] ?? ''
  const fence = /^(`{3,}|~{3,})/.exec(first)?.[1]
  const held: string[] = []
  if (fence !== undefined) {
    for (at += 1; at < lines.length && lines[at] !== fence; at += 1) held.push(lines[at] ?? '')
    return { quote: held.join('\n'), next: at + 1 }
  }
  for (; at < lines.length && (lines[at] ?? '').startsWith('>'); at += 1)
    held.push((lines[at] ?? '').replace(/^> ?/, ''))
  return { quote: held.length === 0 ? null : held.join('\n'), next: Math.max(at, from) }
}

function citationAfter(lines: readonly string[], from: number): number | null {
  for (let at = from; at < Math.min(lines.length, from + 6); at += 1) {
    const line = lines[at] ?? ''
    if (/^#{1,6}\s/.test(line)) return null
    const cited = /:(\d{1,7})`/.exec(line)?.[1]
    if (cited !== undefined) return Number(cited)
  }
  return null
}

function completeness(statements: readonly Statement[], entries: readonly Entry[]): readonly Finding[] {
  const held = new Map<string, Entry[]>()
  for (const entry of entries) held.set(entry.id, [...(held.get(entry.id) ?? []), entry])
  const lost = statements
    .filter(({ id }) => !held.has(id))
    .map(({ id, line, plain }) => ({
      ...error(readmePath, line, 'against/requirement-lost'),
      message: `“${plain.slice(0, 120)}” has no requirement.`,
      fix: `Add ${id} to ${requirementsFile} with this sentence as its quote.`,
    }))
  const doubled = [...held.values()].flatMap(([, second]) =>
    second === undefined
      ? []
      : [
          {
            ...error(second.path, second.line, 'against/requirement-doubled'),
            message: `${second.id} stands more than once.`,
            fix: 'Keep one entry.',
          },
        ],
  )
  return [...lost, ...doubled]
}

function fidelity(source: Readme, known: ReadonlyMap<string, Statement>, entry: Entry): readonly Finding[] {
  const { path, line, id, quote, cited } = entry
  const say = (rule: string, message: string, fix: string) => [{ ...error(path, line, rule), message, fix }]
  if (quote === null)
    return say('against/no-quote', `${id} quotes nothing.`, 'Put the README sentence below it as a block quote.')
  const found = source.text.indexOf(quote)
  if (found < 0) {
    return say(
      'against/not-in-readme',
      `The quote of ${id} is not in the README, byte for byte.`,
      'Copy the sentence again, markup included.',
    )
  }
  if (id.slice(0, 8) !== baseId(quote)) {
    return say(
      'against/wrong-id',
      `The quote of ${id} makes the id ${baseId(quote)}.`,
      `Rename it to ${baseId(quote)}.`,
    )
  }
  const statement = known.get(id)
  if (statement === undefined) {
    return say(
      'against/not-a-statement',
      `${id} quotes text that is no requirement of the README.`,
      'Remove the entry, or word the README as a requirement.',
    )
  }
  if (cited === statement.line) return []
  return say(
    'against/wrong-line',
    `${id} cites line ${cited ?? 'none'}; its quote starts on line ${statement.line}.`,
    `Cite ${readmePath}:${statement.line}.`,
  )
}

const synthetic = 'The synthetic probe of this check must change no other requirement.'

/** Puts a statement at up to five seams of the README and expects exactly its id more. */
function stability(source: Readme, statements: readonly Statement[]): readonly Finding[] {
  const before = statements.map(({ id }) => id)
  const expected = [...before, nextId(before, baseId(synthetic))].toSorted().join(' ')
  const places = [0, 1, 2, 3, 4].map(
    (quarter) => source.seams[Math.floor(((source.seams.length - 1) * quarter) / 4)] ?? source.text.length,
  )
  return [...new Set(places)].flatMap((place) => {
    const text = `${source.text.slice(0, place)}\n\n${synthetic}\n\n${source.text.slice(place)}`
    const after = statementsOf(passagesOf(readReadme(readmePath, new TextEncoder().encode(text))))
    if (
      after
        .map(({ id }) => id)
        .toSorted()
        .join(' ') === expected
    )
      return []
    return [
      {
        ...error(readmePath, source.lineAt(place), 'against/unstable-ids'),
        message: 'A sentence put here renames other requirements.',
        fix: 'End the block before this line with a blank line, and close its HTML and code.',
      },
    ]
  })
}

function nextId(ids: readonly string[], base: string): string {
  const taken = ids.filter((id) => id.startsWith(base)).length
  return taken === 0 ? base : `${base}-${taken + 1}`
}

const mostShared = 0.2

/**
 * Pairs of documents that share more than 20 % of their lines. A line is a line of text that is not blank, outside the
 * front matter, and neither a heading, a rule of a table nor a code fence; repeated lines count once. The share is that of
 * the document with fewer lines.
 */
export function sharedLines(documents: readonly WrittenDocument[]): Finding[] {
  const counted = documents.map(({ path, text }) => ({ path, lines: linesOf(text) }))
  return counted.flatMap((one, index) =>
    counted.slice(index + 1).flatMap((other) => {
      const common = [...one.lines].filter((line) => other.lines.has(line)).length
      const fewer = Math.min(one.lines.size, other.lines.size)
      if (fewer === 0 || common / fewer <= mostShared) return []
      const message = `${one.path} and ${other.path} share ${common} of ${fewer} lines.`
      const fix = 'Say it in one of them and link to it from the other.'
      return [{ ...error(other.path, 1, 'suite/shared-lines'), message, fix }]
    }),
  )
}

function linesOf(text: string): ReadonlySet<string> {
  const body = text.replace(/^---\n[\s\S]*?\n---(?:\n|$)/, '')
  const lines = body.split('\n').map((line) => line.trim())
  return new Set(lines.filter((line) => line !== '' && !/^(?:#{1,6}\s|(?:`{3,}|~{3,})|\|?[\s:|-]+\|?$)/.test(line)))
}

function error(path: string, line: number, rule: string): Omit<Finding, 'message' | 'fix'> {
  return { path, line, rule, severity: 'error' }
}
