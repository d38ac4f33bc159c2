import type { Readme, Section } from './readme.ts'
import type { Requirement } from './classes.ts'
import type { Passage } from './statements.ts'

/** One step of the way: requirements in README order, and where the step comes from. */
export type Milestone = {
  readonly id: string
  readonly title: string
  readonly line: number
  /** What the README says of it: its roadmap entry, word for word. */
  readonly says: readonly { readonly text: string; readonly line: number }[]
  readonly fromRoadmap: boolean
  readonly statements: readonly Requirement[]
}

type Draft = Omit<Milestone, 'id' | 'statements'> & { readonly section: Section | null; readonly words: Set<string> }

/**
 * Milestones of the roadmap when the README has one, with each requirement under the first entry it shares most words with;
 * else one per README section that holds requirements, in README order, and behind them the entries of a roadmap that none
 * of them is about. Every requirement is in exactly one.
 */
export function milestonesOf(
  readme: Readme,
  passages: readonly Passage[],
  wanted: readonly Requirement[],
): readonly Milestone[] {
  const drafts = roadmapOf(readme, passages)
  const title = readme.sections[1] ?? null
  const isPlanned = wanted.length === 0 || wanted.some((each) => bestDraft(drafts, each) !== null)
  const groups =
    isPlanned && drafts.length > 0 ? byRoadmap(drafts, wanted) : [...bySection(wanted, title), ...byRoadmap(drafts, [])]
  return groups.map((group, index) => ({ ...group, id: `M-${String(index + 1).padStart(3, '0')}` }))
}

function roadmapOf(readme: Readme, passages: readonly Passage[]): readonly Draft[] {
  const root = readme.sections.find(({ topic }) => topic === 'roadmap')
  if (root === undefined) return []
  const below = readme.sections.filter(({ parent }) => parent === root)
  if (below.length > 1)
    return below.map((section) => draft(section.title, section.line, within(passages, section), section))
  const table = readme.tables.find(({ section }) => isWithin(section, root))
  if (table !== undefined) {
    return table.rows.map(({ cells, line }) => {
      const texts = cells.slice(1).map((text, at) => ({ text: `${table.header.cells[at + 1] ?? ''}: ${text}`, line }))
      return draft(cells[0] ?? '', line, texts, null)
    })
  }
  const items = passages.filter(
    ({ section, unit }) => isWithin(section, root) && unit.kind === 'item' && unit.depth === 1,
  )
  return items.map(({ plain, line }) => draft(titleOf(plain), line, [{ text: plain, line }], null))
}

function within(passages: readonly Passage[], section: Section): Draft['says'] {
  return passages
    .filter((passage) => isWithin(passage.section, section))
    .map(({ plain, line }) => ({ text: plain, line }))
}

function isWithin(section: Section | null, ancestor: Section): boolean {
  for (let each = section; each !== null; each = each.parent) if (each === ancestor) return true
  return false
}

function draft(title: string, line: number, says: Draft['says'], section: Section | null): Draft {
  const words = stems([title, ...says.map(({ text }) => text)].join(' '))
  return { title: title || 'Untitled', line, says, fromRoadmap: true, section, words }
}

/** The words before a colon or dash, without a number in front. */
function titleOf(plain: string): string {
  const head = /^(.{3,60}?)(?:\s*[:：]|\s[–—-]{1,2})\s/u.exec(plain)?.[1] ?? plain
  return head.replace(/^\[[ xX]\]\s*/, '').replace(/[.;:]+$/, '')
}

function stems(text: string): Set<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]{4,}/gu) ?? []
  return new Set(words.map((word) => word.slice(0, 5)))
}

type Group = Omit<Milestone, 'id'>

function byRoadmap(drafts: readonly Draft[], wanted: readonly Requirement[]): readonly Group[] {
  const held = new Map<Draft, Requirement[]>(drafts.map((each) => [each, []]))
  const [first] = drafts
  for (const statement of wanted) {
    const best = bestDraft(drafts, statement) ?? first
    if (best !== undefined) held.get(best)?.push(statement)
  }
  return drafts.map((each) => {
    const { words: _words, section: _section, ...rest } = each
    return { ...rest, statements: held.get(each) ?? [] }
  })
}

/** The entry that a requirement stands in, else the first it shares most words with; null where it shares none. */
function bestDraft(drafts: readonly Draft[], statement: Requirement): Draft | null {
  const own = drafts.find(({ section, line, says }) =>
    section === null
      ? line === statement.line || says.some((each) => each.line === statement.line)
      : isWithin(statement.section, section),
  )
  if (own !== undefined) return own
  const title = stems(statement.section.title)
  const text = stems(statement.plain)
  const score = ({ words }: Draft) => 3 * shared(title, words) + shared(text, words)
  const best = Math.max(0, ...drafts.map(score))
  return best === 0 ? null : (drafts.find((each) => score(each) === best) ?? null)
}

function shared(some: Set<string>, others: Set<string>): number {
  let total = 0
  for (const each of some) if (others.has(each)) total += 1
  return total
}

const mostMilestones = 6

/** Sections with requirements, joined below the heading above them, then with the smallest neighbour, until few remain. */
function bySection(wanted: readonly Requirement[], title: Section | null): readonly Group[] {
  const deepest = Math.max(0, ...new Set(wanted.map(({ section }) => section.depth)))
  let groups = grouped(wanted, deepest, title)
  for (let depth = deepest - 1; depth >= 2 && groups.length > 2 * mostMilestones; depth -= 1)
    groups = grouped(wanted, depth, title)
  const size = Math.ceil(groups.length / 24)
  let chunks: readonly Chunk[] = Array.from({ length: Math.ceil(groups.length / size) }, (_, at) =>
    groups.slice(at * size, (at + 1) * size),
  )
  while (chunks.length > mostMilestones) chunks = joinSmallest(chunks)
  return chunks.map(merged)
}

type Chunk = readonly Group[]

function joinSmallest(chunks: readonly Chunk[]): readonly Chunk[] {
  const weight = (at: number) =>
    [...(chunks[at] ?? []), ...(chunks[at + 1] ?? [])].reduce((sum, { statements }) => sum + statements.length, 0)
  const places = chunks.slice(1).map((_, at) => at)
  const best = places.reduce((least, at) => (weight(at) < weight(least) ? at : least), 0)
  return [...chunks.slice(0, best), [...(chunks[best] ?? []), ...(chunks[best + 1] ?? [])], ...chunks.slice(best + 2)]
}

function grouped(wanted: readonly Requirement[], depth: number, title: Section | null): readonly Group[] {
  const held = new Map<Section, Requirement[]>()
  for (const statement of wanted) {
    let section = statement.section
    while (section.depth > depth && section.parent !== null && section.parent.depth > 1) section = section.parent
    const group = held.get(section)
    if (group === undefined) held.set(section, [statement])
    else group.push(statement)
  }
  return [...held].map(([section, statements]) => ({
    title:
      section === title && section.depth === 1 && held.size > 1
        ? 'The introduction'
        : titleFor(section, held.size === 1),
    line: section.line,
    says: [],
    fromRoadmap: false,
    statements,
  }))
}

function titleFor({ depth, title }: Section, alone: boolean): string {
  if (depth === 0) return alone ? 'What the README asks for' : 'Outside the headings'
  return title || 'Untitled'
}

function merged(groups: Chunk): Group {
  const [first] = groups
  const titles = groups.map(({ title }) => title)
  return {
    title: titles.length > 2 ? `${titles[0]} to ${titles.at(-1)}` : titles.join(' and '),
    line: first?.line ?? 1,
    says: [],
    fromRoadmap: false,
    statements: groups.flatMap(({ statements }) => statements),
  }
}
