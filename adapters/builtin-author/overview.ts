import { counted } from '../../core/model/counted.ts'
import type { WrittenDocument } from '../../core/ports.ts'
import { bullets, cell, clip, code, inline, listed, table } from './markdown.ts'
import { page } from './page.ts'
import type { Section } from './readme.ts'
import type { Statement } from './statements.ts'
import { cite, gap, namedInterfaces, type Study } from './study.ts'

/** 00_overview: the README in one page, and where each part of it went. */
export function overviewPage(study: Study): WrittenDocument {
  const lead = 'One page for a reader who has a minute. Details are one link away.'
  return page(study, '00_overview', lead, [
    { heading: 'Summary', blocks: summary(study) },
    { heading: 'Terminology', blocks: terminology(study) },
    { heading: 'Context', blocks: context(study) },
  ])
}

function summary(study: Study): readonly (string | null)[] {
  const { facts, requirements, nonGoals, milestones, name } = study
  const first = facts.purpose[0]
  const said =
    first === undefined
      ? `${inline(name)} is described by its README without a sentence of purpose.`
      : inline(clip(first.plain, 300))
  const mandatory = requirements.filter(({ kind }) => kind === 'must').length
  const functional = requirements.filter((each) => each.class === 'functional').length
  const interfaces = facts.endpoints.length + facts.commands.length + facts.options.length + facts.variables.length
  const named = namedInterfaces(study)
  const figures = [
    `${counted(requirements.length, 'requirement')}: ${functional} functional, ${requirements.length - functional} non-functional; ${mandatory} worded as an obligation`,
    nonGoals.length === 0 ? null : counted(nonGoals.length, 'non-goal'),
    facts.roles.length === 0
      ? null
      : `${counted(facts.roles.length, 'role')}: ${listed(facts.roles.map((role) => inline(clip(role.name, 40))))}`,
    interfaces === 0 ? null : `${counted(interfaces, 'named interface')}: ${listed(named)}`,
    `${counted(milestones.length, 'milestone')}: ${listed(
      milestones.map(({ title }) => inline(clip(title, 40))),
      5,
    )}`,
  ]
  return [said, bullets(figures.filter((figure) => figure !== null))]
}

function terminology(study: Study): readonly (string | null)[] {
  const { terms, abbreviations } = study.terms
  if (terms.length + abbreviations.length === 0)
    return ['The README explains no term of its own and uses no abbreviation; words have their everyday meaning.']
  const names = terms.slice(0, 12).map(({ name }) => `**${inline(clip(name, 48))}**`)
  const shown = names.length === 0 ? 'No term is explained in the README.' : `The README explains ${listed(names, 12)}.`
  const unexplained = abbreviations.filter(({ says }) => says === null).length
  const short =
    abbreviations.length === 0
      ? ''
      : ` It uses ${counted(abbreviations.length, 'abbreviation')}${unexplained === 0 ? '' : ` and leaves ${unexplained < abbreviations.length ? unexplained : unexplained === 2 ? 'both' : 'all'} of them unexplained`}.`
  return [`${shown}${short} Meanings and lines are in the [glossary](99_glossary.md).`]
}

function context(study: Study): readonly (string | null)[] {
  const { stores, externals } = study.facts
  const systems = [...stores, ...externals].map(({ name, line }) => `${inline(name)} (${cite(study, line)})`)
  const around =
    systems.length === 0
      ? 'The README names no database and no outside service.'
      : `Around it the README names ${listed(systems, 10)}.`
  const rows = outline(study)
  return [
    study.facts.roles.length === 0 ? gap(study, 'users', 'Who stands around the product', '') : null,
    around,
    rows.length === 0
      ? `${code(study.readme.path)} has no headings; it was read from top to bottom.`
      : 'Where each part of the README went:',
    rows.length === 0 ? null : table(['README section', 'Line', 'Requirements', 'Goes to'], rows),
  ]
}

const mostRows = 60
const toRequirements = '[Requirements](20_requirements.md)'
const nothing = 'read, nothing to carry over'

/** A row for each part with the requirements that it holds itself, so that the column adds up to all of them. */
function outline(study: Study): readonly (readonly string[])[] {
  const asked = askedIn(study)
  const sections = study.readme.sections.slice(1).filter(({ depth, title }) => depth <= 3 && title !== '')
  if (sections.length === 0) return []
  const own = new Map<Section | null, Statement[]>()
  const holds = new Set<Section>()
  const shown = new Set(sections)
  for (const statement of study.requirements) {
    const row = rowOf(statement.section, shown)
    const held = own.get(row)
    if (held === undefined) own.set(row, [statement])
    else held.push(statement)
    for (let each: Section | null = row; each !== null; each = each.parent) holds.add(each)
  }
  const rows = sections
    .slice(0, mostRows)
    .map((section) => [
      `${'· '.repeat(Math.max(0, section.depth - 2))}${cell(clip(section.title, 70))}`,
      String(section.line),
      String(own.get(section)?.length ?? 0),
      destination(section, section.depth > 1 && holds.has(section), asked.has(section)),
    ])
  const rest = sections.slice(mostRows)
  const later = rest.flatMap((section) => own.get(section) ?? []).length
  return [
    ...rows,
    ...rest.slice(0, 1).map(({ line }) => remainder(counted(rest.length, 'more part'), line, later)),
    ...(own.get(null) ?? []).slice(0, 1).map(({ line }) => remainder(outside, line, own.get(null)?.length ?? 0)),
  ]
}

const outside = 'Outside the headings'

function remainder(title: string, line: number, amount: number): readonly string[] {
  return [title, String(line), String(amount), amount > 0 ? toRequirements : nothing]
}

/** The nearest part that has a row of its own: small headings have none. */
function rowOf(section: Section, shown: ReadonlySet<Section>): Section | null {
  for (let each: Section | null = section; each !== null; each = each.parent) if (shown.has(each)) return each
  return null
}

/** The parts in which an open question of the anchor stands. */
function askedIn({ questions, readme }: Study): ReadonlySet<Section> {
  const sections = questions.flatMap(({ line }) => {
    const section = line === null ? undefined : readme.sections.findLast((each) => each.line <= line)
    return section === undefined ? [] : [section]
  })
  return new Set(sections)
}

function destination({ topic, depth }: Section, holds: boolean, asks: boolean): string {
  if (holds) return toRequirements
  switch (topic) {
    case 'install':
    case 'deployment':
    case 'trouble':
    case 'usage':
      return '[Runbook](70_runbook.md)'
    case 'interfaces':
    case 'configuration':
      return '[Interfaces](90_api.md)'
    case 'glossary':
      return '[Glossary](99_glossary.md)'
    case 'roadmap':
      return '[Milestones](30_milestones.md)'
    case 'licence':
    case 'contributing':
      return '[Constraints](60_constraints.md)'
    case 'users':
    case 'non-goals':
    case 'questions':
    case 'purpose':
      return '[Anchor](ANCHOR.md)'
    case 'architecture':
    case 'data':
      return '[Architecture](10_architecture.md)'
    case 'security':
    case 'observability':
    case 'limits':
      return '[Non-functional](50_nonfunctional.md)'
    default:
      return depth === 1 || asks ? '[Anchor](ANCHOR.md)' : nothing
  }
}
