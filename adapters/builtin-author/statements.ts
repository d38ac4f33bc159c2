import { createHash } from 'node:crypto'
import type { Readme, Section, Unit } from './readme.ts'
import { sentencesOf } from './sentences.ts'
import { advisory, doesNot, nonGoalOpening, nonGoalPhrase, normative, rfcKeyword, type Topic } from './words.ts'

/**
 * What in a README is a requirement. Each statement is exactly one requirement, and nothing else is.
 *
 * A **normative statement** is
 * - a sentence in prose (paragraphs, quotes, footnotes, text in HTML blocks) or in a table cell, or
 * - the first paragraph of a list item, whole,
 * that has a normative word of `words.ts` outside inline code and does not end in a question mark. A list item that is
 * nothing but a link to a heading of the README is none: it names a place.
 *
 * A **feature bullet** is the first paragraph of a list item, at any depth, that has no normative word, does not end in a
 * question mark, has text outside its links, and
 * - stands under a heading about features, requirements, scope, rules or non-goals and has a letter in it, or
 * - stands under any other heading and is a clause: three words, or five characters of a script without spaces; unless
 *   the heading is about contents, people, licence, links, changes, terms or open questions, or the item begins with a link or an
 *   image (those are lists of links, badges and contributors).
 *
 * A **row** is one requirement of a table that lists some (`wanted-column.ts`): the cell that words it, whole, unless it ends in a
 * question mark. Where the table ranks its rows, MoSCoW's words say what kind it is; the rank itself is no statement.
 *
 * A **non-goal** is one of these, or a sentence of prose without a normative word, that stands under a heading about
 * non-goals, opens with words like "Not:", or says that the product does not do something. It is a requirement too: of
 * kind `non-goal`, listed apart.
 *
 * Headings, code blocks, front matter, HTML comments, images and addresses are never statements. Whether a text is a
 * statement depends on that text, on the heading above it and on the table that it is in, so that inserting another one
 * changes no third.
 */
export type Statement = {
  /** `R-` and six hex digits of the quote's sha256; the second identical quote gets `-2`. */
  readonly id: string
  readonly kind: 'must' | 'should' | 'feature' | 'non-goal'
  /** The README's own characters, markup included. */
  readonly quote: string
  /** Where the quote starts, 1-based. */
  readonly line: number
  /** The quote without markup, on one line, inline code in backticks. */
  readonly plain: string
  readonly section: Section
  /** The row or the list item that the statement is a part of. */
  readonly context: string | null
  /** Of a list item: its depth; 0 for sentences. */
  readonly depth: number
  /** A numbered item: one of several steps. */
  readonly ordered: boolean
  /** Ends in a colon and leads a list: what follows are its parts. */
  readonly leads: boolean
  readonly start: number
  readonly end: number
}

/** A sentence or list item with a place, whether or not it is a statement. */
export type Passage = Omit<Statement, 'id' | 'kind'> & {
  /** What kind of requirement it is; null when it is none. */
  readonly kind: Statement['kind'] | null
  readonly visible: string
  readonly unit: Unit
  /** Has letters outside its links. */
  readonly wordy: boolean
}

type Candidate = Omit<Passage, 'kind'>

/** Every sentence of prose and cells, and every list item, in source order. */
export function passagesOf(readme: Readme): readonly Passage[] {
  return readme.units.flatMap((unit) => {
    const whole = unit.kind === 'item' || unit.kind === 'row'
    const spans = whole ? [trimmed(readme, unit)] : sentencesOf(unit, readme.text)
    return spans.filter(([start, end]) => start < end).map(([start, end]) => passage(readme, unit, start, end))
  })
}

/** The README's requirements, in source order. */
export function statementsOf(passages: readonly Passage[]): readonly Statement[] {
  const seen = new Map<string, number>()
  return passages.flatMap((each) => {
    if (each.kind === null) return []
    const base = baseId(each.quote)
    const count = (seen.get(base) ?? 0) + 1
    seen.set(base, count)
    const { visible: _visible, unit: _unit, wordy: _wordy, kind, ...place } = each
    return [{ ...place, kind, id: count === 1 ? base : `${base}-${count}` }]
  })
}

/** `R-` and the first six hex digits of the sha256 of the quote with its white space made single spaces. */
export function baseId(quote: string): string {
  const normal = quote.replace(/\s+/g, ' ').trim()
  return `R-${createHash('sha256').update(normal, 'utf8').digest('hex').slice(0, 6)}`
}

function kindOf(passage: Candidate): Statement['kind'] | null {
  const { visible, unit, wordy } = passage
  if (isQuestion(visible) || (isContentsEntry(unit) && !wordy)) return null
  const oblige = normative.test(visible) || rfcKeyword.test(visible)
  if (wordy && unit.rank !== null) return unit.rank
  if (isNonGoal(passage, oblige)) return 'non-goal'
  if (oblige) return advisory.test(visible) ? 'should' : 'must'
  if (unit.kind === 'row') return wordy && !listTopics.includes(passage.section.topic) ? 'feature' : null
  return unit.kind === 'item' && isFeature(passage) ? 'feature' : null
}

function isContentsEntry({ kind, leadsTo }: Unit): boolean {
  return kind === 'item' && leadsTo?.startsWith('#') === true
}

/** Ends in a question mark, closing quotes and markup aside. */
export function isQuestion(visible: string): boolean {
  return /[?？؟][\s)"'»”’]*$/u.test(visible)
}

const featureTopics: readonly Topic[] = ['features', 'non-goals']
const listTopics: readonly Topic[] = ['contents', 'people', 'licence', 'links', 'changes', 'glossary', 'questions']

function isFeature({ wordy, visible, section, unit }: Candidate): boolean {
  if (!wordy || listTopics.includes(section.topic)) return false
  if (featureTopics.includes(section.topic)) return true
  return unit.leadsTo === null && isClause(visible)
}

/** Three words, inline code being one, or five characters of a script that is written without spaces. */
function isClause(visible: string): boolean {
  const dense = visible.match(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/gu)?.length ?? 0
  return dense >= 5 || (visible.match(/\uFFFC+|[\p{L}\p{N}][\p{L}\p{M}\p{N}'’_-]*/gu)?.length ?? 0) >= 3
}

function isNonGoal({ visible, section, unit, wordy }: Candidate, oblige: boolean): boolean {
  if (!wordy || (unit.kind === 'cell' && !oblige)) return false
  if (nonGoalOpening.test(visible)) return true
  if (section.topic === 'non-goals') return !/[:：]\s*$/u.test(visible)
  if (oblige || listTopics.includes(section.topic)) return false
  return nonGoalPhrase.test(visible) || doesNot.test(visible)
}

function passage(readme: Readme, unit: Unit, start: number, end: number): Passage {
  const { section, ordered, depth, context } = unit
  const visible = unit.visible.slice(start - unit.start, end - unit.start)
  const quote = readme.text.slice(start, end)
  const plain = plainText(quote, visible)
  const leads = /[:：]\s*$/u.test(visible) || unit.leadsList
  const line = readme.lineAt(start)
  const wordy = /\p{L}/u.test(unit.linkFree.slice(start - unit.start, end - unit.start))
  const found = { quote, line, plain, section, context, ordered, depth, leads, start, end, visible, unit, wordy }
  return { ...found, kind: kindOf(found) }
}

function trimmed(readme: Readme, unit: Unit): readonly [number, number] {
  const slice = readme.text.slice(unit.start, unit.end)
  const lead = slice.length - slice.trimStart().length
  return [unit.start + lead, unit.start + slice.trimEnd().length]
}

function plainText(quote: string, visible: string): string {
  const text = visible.replace(/\uFFFC+/g, (run, at: number) => quote.slice(at, at + run.length))
  const entities = text.replace(/\\([!-/:-@[-`{-~])/g, '$1').replace(/\u2028/g, ' ')
  return entities
    .replace(/\s+/g, ' ')
    .replace(/ ([.,;:!?)])/g, '$1')
    .replace(/\( /g, '(')
    .trim()
}
