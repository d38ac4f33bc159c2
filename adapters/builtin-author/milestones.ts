import { counted } from '../../core/model/counted.ts'
import type { WrittenDocument } from '../../core/ports.ts'
import { clip, code, inline, listed } from './markdown.ts'
import { page, type PageSection } from './page.ts'
import type { Milestone } from './plan.ts'
import { cite, gap, type Study } from './study.ts'

/** 30_milestones: the order of work. Every requirement is a criterion of exactly one milestone. */
export function milestonesPage(study: Study): WrittenDocument {
  const { milestones } = study
  const lead = leadOf(study)
  const sections = milestones.length === 0 ? [nothingToBuild(study)] : milestones.map((each) => section(study, each))
  return page(study, '30_milestones', lead, sections)
}

/** Where the order comes from. */
function leadOf(study: Study): string {
  const planned = study.milestones.filter(({ fromRoadmap }) => fromRoadmap).length
  if (planned === 0)
    return `One milestone for each part of the README that asks for something, in the README's order. ${gap(study, 'milestones', 'Whether that is the wanted order', 'The README plans no other order.')}`
  if (planned < study.milestones.length)
    return "One milestone for each part of the README that asks for something, in the README's order, then what its roadmap names: no requirement shares a word with that."
  return 'The order is the README roadmap. Requirements stand under the entry whose words they share most, so a person should check the placing before M-001 is accepted.'
}

function section(study: Study, milestone: Milestone): PageSection {
  return {
    heading: `${milestone.id} — ${inline(clip(milestone.title, 80)) || 'Untitled'}`,
    blocks: [
      '### Goal',
      ...goal(study, milestone),
      '### Criteria',
      criteria(study, milestone),
      '### Artefacts',
      artefacts(study, milestone),
    ],
  }
}

function goal(study: Study, { says, title, line, fromRoadmap, statements }: Milestone): readonly string[] {
  if (!fromRoadmap)
    return [
      `What the README asks for here, from ${cite(study, line)} on, works as it is worded: ${counted(statements.length, 'requirement')}.`,
    ]
  if (says.length === 0)
    return [`The roadmap names “${inline(clip(title, 80))}” (${cite(study, line)}) and says no more about it.`]
  return [
    `The roadmap (${cite(study, line)}) says:`,
    says
      .slice(0, 12)
      .map(({ text }) => `- ${inline(clip(text, 240))}`)
      .join('\n'),
  ]
}

function criteria(study: Study, { statements, title }: Milestone): string {
  if (statements.length === 0)
    return `- [ ] “${inline(clip(title, 60))}” is agreed in words that can be tested: no requirement of the README shares a word with it`
  return statements
    .map(({ id, label, line }) => `- [ ] ${id}: ${inline(clip(label, 110))} (${cite(study, line)})`)
    .join('\n')
}

function artefacts(study: Study, { statements, says }: Milestone): string {
  const text = [...statements.map(({ plain }) => plain), ...says.map((each) => each.text)].join('\n').toLowerCase()
  const named = [...study.facts.endpoints, ...study.facts.options, ...study.facts.variables, ...study.facts.stores]
    .filter(({ name }) => text.includes(name.toLowerCase()))
    .map(({ name }) => code(name))
  const touched = named.length === 0 ? '' : ` It touches ${listed(named, 8)}.`
  return statements.length === 0
    ? 'A line in the README for each thing that is wanted, then these documents again.'
    : `One reviewed change with the code and a test for each criterion (${listed(
        statements.map(({ id }) => id),
        5,
      )}).${touched}`
}

function nothingToBuild(study: Study): PageSection {
  return {
    heading: 'M-001 — Agree on what to build',
    blocks: [
      '### Goal',
      gap(study, 'requirements', 'What there is to build', 'The README lists only what is out of scope.'),
      '### Criteria',
      '- [ ] The README has at least one sentence with “must” or one list of features',
      '### Artefacts',
      'A README with requirements, and these documents written from it again.',
    ],
  }
}
