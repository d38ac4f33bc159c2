import { counted } from '../../core/model/counted.ts'
import type { WrittenDocument } from '../../core/ports.ts'
import type { Named } from './naming.ts'
import { bullets, cell, clip, code, fenced, inline, listed, table } from './markdown.ts'
import { page } from './page.ts'
import type { CodeBlock, Section, Table } from './readme.ts'
import { cite, gap, namedInterfaces, type Study } from './study.ts'

/** 90_api: what starts the product and everything it can be addressed by, as far as the README names it. */
export function interfacesPage(study: Study): WrittenDocument {
  const { samples } = study.facts
  const named = [...namedInterfaces(study), ...(samples.length === 0 ? [] : [counted(samples.length, 'code sample')])]
  const lead = named.length === 0 ? 'The README names no interface.' : `The README names ${listed(named)}.`
  return page(study, '90_api', lead, [
    { heading: 'Triggers', blocks: triggers(study) },
    { heading: 'Interfaces', blocks: interfaces(study) },
    { heading: 'Security', blocks: security(study) },
  ])
}

const starting =
  /\b(?:when|whenever|every (?:day|hour|night|minute|week|month|\d+)|on (?:push|startup|start|save|request)|triggers?|scheduled?|cron|webhooks?|nightly|daily|listens?)\b|когда|при (?:запуске|сохранении|получении|оформлении)|каждый (?:день|час)|ежедневно|sobald|täglich|lorsque|chaque jour|cuando|cada día|定时|当/iu

function triggers(study: Study): readonly (string | null)[] {
  const told = study.told.filter(({ plain }) => starting.test(plain))
  const calls = study.facts.endpoints.length > 0 ? 'A request to one of the endpoints below.' : null
  const runs =
    study.facts.shell.length > 0 ? 'A person who runs one of the commands in the [runbook](70_runbook.md).' : null
  const called = study.facts.commands.length > 0 ? 'A person who runs one of the commands below.' : null
  const lines = [
    calls,
    runs,
    called,
    ...told.slice(0, 10).map(({ plain, line }) => `“${inline(clip(plain, 180))}” (${cite(study, line)})`),
  ].filter((each) => each !== null)
  return lines.length === 0 ? ['The README does not say what sets the product in motion.'] : [bullets(lines)]
}

function interfaces(study: Study): readonly (string | null)[] {
  const { endpoints, commands, options, variables } = study.facts
  const blocks = [
    ...named('Endpoints', 'Request', endpoints),
    ...named('Commands', 'Command', commands),
    ...named('Options', 'Option', options),
    ...named('Configuration variables', 'Variable', variables),
    ...otherTables(study),
    ...samplesOf(study.facts.samples),
  ]
  return blocks.length > 0
    ? blocks
    : ['None is named: no endpoint, command, option, variable, table or code sample stands in the README.']
}

function named(title: string, head: string, items: readonly Named[]): readonly string[] {
  if (items.length === 0) return []
  const rows = items.map(({ name, says, line }) => [
    code(name, true),
    cell(clip(says ?? 'not explained', 200)),
    String(line),
  ])
  return [`### ${title}`, table([head, 'Explained as', 'Line'], rows)]
}

/** Tables of the README that none of the lists above has taken in, as they are. */
function otherTables(study: Study): readonly string[] {
  const { endpoints, commands, options, variables, roles } = study.facts
  const taken = new Set([...endpoints, ...commands, ...options, ...variables, ...roles].map(({ line }) => line))
  const left = study.readme.tables.filter(
    ({ rows, section }) =>
      !rows.some(({ line }) => taken.has(line)) &&
      !['glossary', 'roadmap', 'people', 'links', 'users'].includes(section.topic),
  )
  return left
    .slice(0, 20)
    .flatMap((each) => [`### Table of line ${each.header.line}${titled(each.section)}`, copied(each)])
}

function copied({ header, rows }: Table): string {
  const width = Math.max(1, header.cells.length)
  const fit = (cells: readonly string[]) => Array.from({ length: width }, (_, at) => cell(clip(cells[at] ?? '', 300)))
  return table(
    fit(header.cells),
    rows.slice(0, 100).map(({ cells }) => fit(cells)),
  )
}

function titled({ title }: Section): string {
  return title === '' ? '' : `: ${inline(clip(title, 60))}`
}

const mostSamples = 40

function samplesOf(samples: readonly CodeBlock[]): readonly string[] {
  if (samples.length === 0) return []
  const shown = samples
    .slice(0, mostSamples)
    .flatMap(({ language, text, line, section }) => [
      `Line ${line}${titled(section)}`,
      fenced(language || 'text', text),
    ])
  const more =
    samples.length > mostSamples ? [`${counted(samples.length - mostSamples, 'more sample')} stand in the README.`] : []
  return ['### Code samples', ...shown, ...more]
}

function security(study: Study): readonly string[] {
  const held = study.requirements.filter((each) => each.class === 'security')
  if (held.length > 0) {
    const rules = listed(
      held.map(({ id, line }) => `${id} (line ${line})`),
      8,
    )
    return [`Callers must respect ${rules}; see [Non-functional requirements](50_nonfunctional.md).`]
  }
  const otherwise =
    study.facts.endpoints.length > 0
      ? 'The README mentions signing in or keys and does not say which endpoint asks for them.'
      : 'The README names no endpoint and no account, so there is nothing to sign in to; whoever may run the code may use it.'
  return [gap(study, 'authentication', 'Proof of identity at these interfaces', otherwise)]
}
