import { counted } from '../../core/model/counted.ts'
import type { WrittenDocument } from '../../core/ports.ts'
import { classTitles, measuresOf, type Requirement } from './classes.ts'
import { clip, code, inline, listed, quoted } from './markdown.ts'
import { headingsFor, page } from './page.ts'
import { vagueWordIn } from './questions.ts'
import type { Section } from './readme.ts'
import type { Statement } from './statements.ts'
import { cite, gap, type Study } from './study.ts'

/** 20_requirements: every statement of the README once, with its bytes, its line and what would show that it holds. */
export function requirementsPage(study: Study): WrittenDocument {
  const lead = `Each entry is one statement of ${code(study.readme.path)}: its id, the README's own words, the line they start on, and what would show that they hold. The id is made of the words, so it stays when lines move and changes when the words do.`
  const parts = partsOf(study)
  return page(study, '20_requirements', lead, [
    { heading: 'Functional', blocks: functional(study, parts) },
    { heading: 'Non-functional', blocks: nonFunctional(study, parts) },
    { heading: 'Assumptions', blocks: assumptions(study, parts) },
  ])
}

type Parts = ReadonlyMap<Statement, readonly string[]>

function functional(study: Study, parts: Parts): readonly (string | null)[] {
  const entries = study.requirements.filter((each) => each.class === 'functional')
  if (entries.length === 0)
    return [
      gap(
        study,
        'requirements',
        'Nothing the product must do is stated',
        'Every requirement of this README is about how the product must be; see below.',
      ),
    ]
  const groups = bySection(entries)
  const untitled = study.readme.sections.length === 1 ? 'What the README asks for' : 'Outside all headings'
  const headings = headingsFor(groups.keys(), untitled)
  return [...groups].flatMap(([section, held]) => [
    headings.get(section) ?? null,
    held.every(({ ordered }) => ordered) ? 'Steps the README documents; they hold when they work as written.' : null,
    ...held.flatMap((each) => entry(study, each, parts)),
  ])
}

function nonFunctional(study: Study, parts: Parts): readonly (string | null)[] {
  const blocks = classTitles.flatMap(([name, title]) => {
    const held = study.requirements.filter((each) => each.class === name)
    return held.length === 0 ? [] : [`### ${title}`, ...held.flatMap((each) => entry(study, each, parts))]
  })
  if (blocks.length > 0) return blocks
  return [
    gap(
      study,
      'limits',
      'No speed, size, availability or platform is asked for',
      'The README words none of its figures as a requirement of its own; the figures it gives stand with the functional entries above.',
    ),
  ]
}

function assumptions(study: Study, parts: Parts): readonly (string | null)[] {
  const open = study.questions.filter(({ id, requirement }) => requirement !== null && !study.comments.answers.has(id))
  return [
    open.length === 0
      ? 'No requirement above rests on an unanswered question.'
      : `Nothing is assumed. ${counted(open.length, 'entry', 'entries')} above ${open.length === 1 ? 'waits' : 'wait'} for an answer: ${listed(
          open.map(({ id, requirement }) => `${id} on ${requirement}`),
          12,
        )}.`,
    ...(study.nonGoals.length === 0
      ? []
      : ['### Out of scope', ...study.nonGoals.flatMap((each) => entry(study, each, parts))]),
  ]
}

/** The ids below a statement that ends in a colon or leads a list. */
function partsOf(study: Study): Parts {
  const all: readonly Statement[] = [...study.requirements, ...study.nonGoals].toSorted((a, b) => a.start - b.start)
  const found = new Map<Statement, readonly string[]>()
  all.forEach((statement, index) => {
    if (!statement.leads) return
    const parts: string[] = []
    for (let at = index + 1; at < all.length; at += 1) {
      const next = all[at]
      if (next === undefined || next.section !== statement.section || next.depth <= statement.depth) break
      parts.push(next.id)
    }
    if (parts.length > 0) found.set(statement, parts)
  })
  return found
}

function entry(study: Study, statement: Requirement | Statement, parts: Parts): readonly (string | null)[] {
  const held = parts.get(statement) ?? []
  return [
    `#### ${statement.id}`,
    quoted(statement.quote),
    `Source: ${cite(study, statement.line)} · ${wording[statement.kind]}${statement.context === null ? '' : ` · part of “${inline(clip(statement.context, 80))}”`}`,
    held.length === 0 ? null : `Parts: ${listed(held, 12)}`,
    statement.kind === 'non-goal' ? null : acceptance(study, statement),
  ]
}

const wording = {
  must: 'obligation',
  should: 'recommendation',
  feature: 'feature',
  'non-goal': 'non-goal',
} as const

function acceptance(study: Study, statement: Statement): string | null {
  const asked = study.questions.filter(({ requirement }) => requirement === statement.id)
  const waits = asked.map(({ id }) => (study.comments.answers.has(id) ? `${id} (answered in the anchor)` : id))
  const measures = measuresOf(statement.plain).map((measure) => code(measure))
  const vague = vagueWordIn(statement.plain)
  const parts = [
    measures.length === 0 ? null : `measured by ${listed(measures)}`,
    vague === null ? null : `${code(vague.word)} cannot be measured as it stands`,
    waits.length === 0 ? null : `depends on ${listed(waits)}`,
  ].filter((part) => part !== null)
  return parts.length === 0 ? null : `Acceptance: ${parts.join('; ')}.`
}

function bySection(entries: readonly Requirement[]): ReadonlyMap<Section, readonly Requirement[]> {
  const held = new Map<Section, Requirement[]>()
  for (const each of entries) {
    const group = held.get(each.section)
    if (group === undefined) held.set(each.section, [each])
    else group.push(each)
  }
  return held
}
