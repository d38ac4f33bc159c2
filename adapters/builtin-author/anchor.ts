import { counted } from '../../core/model/counted.ts'
import { documentSuite } from '../../core/model/document-suite.ts'
import type { WrittenDocument } from '../../core/ports.ts'
import type { Named } from './naming.ts'
import { bullets, cell, clip, code, inline, listed, passage, table } from './markdown.ts'
import { page } from './page.ts'
import { cite, gapHere, type Study } from './study.ts'

/** ANCHOR.md: what a person approves before anything else is written. */
export function anchorPage(study: Study): WrittenDocument {
  const { requirements, questions, risks, readme, comments } = study
  const open = questions.filter(({ id }) => !comments.answers.has(id))
  const lead = `Written from ${code(readme.path)} alone: ${counted(requirements.length, 'requirement')}, ${counted(open.length, 'open question')}, ${counted(risks.length, 'risk')}. Text in quotes is the README's own, with its line; what the README does not say is an open question here, never a guess.`
  return page(study, 'anchor', lead, [
    { heading: 'Purpose', blocks: purpose(study) },
    { heading: 'Inputs and outputs', blocks: inputsAndOutputs(study) },
    { heading: 'Scope', blocks: scope(study) },
    { heading: 'Roles', blocks: roles(study) },
    { heading: 'Gates', blocks: gates(study) },
    { heading: 'ADR policy', blocks: adrPolicy },
    { heading: 'Links', blocks: [links()] },
  ])
}

function purpose(study: Study): readonly (string | null)[] {
  const { purpose } = study.facts
  if (purpose.length === 0) return [gapHere(study, 'purpose', 'No sentence of the README says what this is for')]
  const units = [...new Set(purpose.map(({ unit }) => unit))]
  return units.flatMap((unit) => {
    const held = purpose.filter((each) => each.unit === unit)
    const [first, last] = [held[0], held.at(-1)]
    if (first === undefined || last === undefined) return []
    return [passage(study.readme.text.slice(first.start, last.end)), `From ${cite(study, first.line)}.`]
  })
}

function inputsAndOutputs(study: Study): readonly (string | null)[] {
  const { request, readmeSha256, facts, readme } = study
  const { branch, commit } = request.project
  const interfaces = [...facts.endpoints, ...facts.commands, ...facts.options, ...facts.variables]
  const rows = interfaces
    .slice(0, 12)
    .map(({ name, says, line }) => [code(name, true), cell(clip(says ?? '', 90)), cite(study, line)])
  return [
    `**Input of these documents:** ${code(readme.path)} on branch ${code(branch)} at commit ${code(commit.slice(0, 12))}, sha256 ${code(readmeSha256.slice(0, 12))}. **Output:** the twelve documents linked below, on a branch of their own.`,
    rows.length === 0
      ? 'The README names no endpoint, command, option or configuration variable of the product.'
      : `**What goes in and out of ${inline(study.name)}**, as the README names it:`,
    rows.length === 0 ? null : table(['Name', 'What the README says', 'Source'], rows),
    interfaces.length > 12 ? `${interfaces.length - 12} more are in [Interfaces](90_api.md).` : null,
  ]
}

function scope(study: Study): readonly (string | null)[] {
  return [
    '### In scope',
    ...inScope(study),
    '### Non-goals',
    study.nonGoals.length === 0
      ? gapHere(study, 'non-goals', 'The README rules nothing out')
      : bullets(
          study.nonGoals.map(({ id, plain, line }) => `${inline(clip(plain, 240))} (${id}, ${cite(study, line)})`),
        ),
    '### Open questions',
    ...openQuestions(study),
    '### Risks',
    ...risksOf(study),
    ...requestedChanges(study),
  ]
}

function inScope(study: Study): readonly (string | null)[] {
  const { milestones, requirements } = study
  if (requirements.length === 0) return [gapHere(study, 'requirements', 'The README asks for nothing in particular')]
  const rows = milestones.map(({ id, title, line, statements }) => [
    id,
    cell(clip(title, 80)),
    String(statements.length),
    cite(study, line),
  ])
  return [
    `${counted(requirements.length, 'requirement')}, each quoted in [Requirements](20_requirements.md) and each a criterion of one [milestone](30_milestones.md):`,
    table(['Milestone', 'Covers', 'Requirements', 'Source'], rows),
  ]
}

function openQuestions(study: Study): readonly (string | null)[] {
  const { questions, comments } = study
  if (questions.length === 0) return ['None: the README answers every question this document asks.']
  const lines = questions.map(({ id, text, line, requirement }) => {
    const place = [requirement, line === null ? null : cite(study, line)].filter((each) => each !== null).join(', ')
    const answers = comments.answers.get(id) ?? []
    const asked = `**${id}** ${inline(text)}${place === '' ? ' (not in the README)' : ` (${place})`}`
    return [asked, ...answers.map(({ text: answer, by }) => `  - Answered: “${inline(answer)}” — ${inline(by)}`)].join(
      '\n',
    )
  })
  return [bullets(lines)]
}

function risksOf(study: Study): readonly (string | null)[] {
  if (study.risks.length === 0)
    return ['The README shows none: no contradiction, no word that cannot be tested, no outside service.']
  return [
    bullets(
      study.risks.map(({ text, quote, line }) => {
        const said = quote === null ? '' : `: ${code(quote)}`
        return `${inline(text)}${said}${line === null ? '' : ` (${cite(study, line)})`}`
      }),
    ),
  ]
}

function requestedChanges({ comments }: Study): readonly (string | null)[] {
  if (comments.requests.length === 0) return []
  return [
    '### Requested changes',
    'Asked for at a gate and kept here word for word; the README is where a change of the product is made.',
    bullets(comments.requests.map(({ text, by }) => `“${inline(text)}” — ${inline(by)}`)),
  ]
}

function roles(study: Study): readonly (string | null)[] {
  const { roles } = study.facts
  if (roles.length === 0) return [gapHere(study, 'users', 'No user or role is named')]
  const row = ({ name, says, line }: Named) => [
    `**${cell(clip(name, 60))}**`,
    cell(clip(says ?? '', 160)),
    cite(study, line),
  ]
  return [table(['Role', 'What the README says', 'Source'], roles.map(row))]
}

function gates({ decisions, request }: Study): readonly (string | null)[] {
  const owners = request.owners.map((owner) => code(owner))
  return [
    bullets([
      '**anchor**: a person approves this file, byte for byte, before the other eleven documents are written.',
      '**first merge**: a person approves the documents before they reach the default branch.',
      '**M-001**: a person accepts the first milestone; later milestones as policy asks.',
    ]),
    owners.length === 0 ? null : `Documents are owned by ${listed(owners)}, as CODEOWNERS says.`,
    decisions.length === 0
      ? null
      : `Decided so far: ${counted(decisions.length, 'gate decision')}, each recorded in [Decisions](80_adrs.md).`,
  ]
}

const adrPolicy = [
  'A decision that someone may question later gets a record in [Decisions](80_adrs.md): context, decision, consequences. Records are numbered, never edited once accepted, and superseded by a later one. Every gate decision becomes a record with a role and a pseudonym, never a name.',
]

function links(): string {
  const others = documentSuite.filter(({ id }) => id !== 'anchor')
  return bullets(
    others.map(({ path, title, id }) => `[${title}](${path.replace('docs/', '')}) — ${about[id] ?? title}`),
  )
}

const about: Readonly<Record<string, string>> = {
  '00_overview': 'the README in one page, and where each part of it went',
  '10_architecture': 'a diagram of what the README names, components and data flows',
  '20_requirements': 'every requirement with its quote and line',
  '30_milestones': 'the order of work, with criteria',
  '40_acceptance': 'what must be true before a part is accepted',
  '50_nonfunctional': 'reliability, security, observability',
  '60_constraints': 'platform, process, compliance',
  '70_runbook': 'commands to install, run and repair',
  '80_adrs': 'decisions taken, with reasons',
  '90_api': 'endpoints, options, variables, samples',
  '99_glossary': 'terms and abbreviations',
}
