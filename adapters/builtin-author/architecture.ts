import type { WrittenDocument } from '../../core/ports.ts'
import type { Named } from './naming.ts'
import { bullets, cell, clip, code, fenced, inline, listed, printable, table } from './markdown.ts'
import { page } from './page.ts'
import type { Section } from './readme.ts'
import { cite, gap, type Study } from './study.ts'

/** 10_architecture: a diagram of what the README names and nothing else, then parts, flows and constraints. */
export function architecturePage(study: Study): WrittenDocument {
  const lead =
    'Boxes and arrows stand for names the README uses; an arrow says that two names belong together, not which protocol joins them.'
  return page(study, '10_architecture', lead, [
    { heading: 'System context', blocks: systemContext(study) },
    { heading: 'Components', blocks: components(study) },
    { heading: 'Data flows', blocks: dataFlows(study) },
    { heading: 'Constraints', blocks: constraints(study) },
  ])
}

function systemContext(study: Study): readonly string[] {
  const { facts } = study
  const named = [...facts.roles.slice(0, 8), ...facts.stores, ...facts.externals]
  const sources = named.map(({ name, line }) => `${inline(clip(name, 40))} (line ${line})`)
  return [
    fenced('mermaid', diagram(study)),
    named.length === 0
      ? 'Only the product itself is drawn: the README names no user, store or outside system.'
      : `Named in ${code(study.readme.path)}: ${listed(sources, 20)}.`,
  ]
}

function diagram({ name, facts }: Study): string {
  const interfaces = [...facts.endpoints, ...facts.options.slice(0, 6)].slice(0, 8)
  const lines = ['flowchart LR', `  system["${label(name)}"]`]
  const add = (kind: string, items: readonly Named[], open: string, close: string, arrow: (node: string) => string) => {
    items.forEach((item, index) => {
      lines.push(`  ${kind}${index + 1}${open}"${label(item.name)}"${close}`, `  ${arrow(`${kind}${index + 1}`)}`)
    })
  }
  add('role', facts.roles.slice(0, 8), '([', '])', (node) => `${node} --> system`)
  add('interface', interfaces, '[/', '/]', (node) => `system --- ${node}`)
  add('store', facts.stores.slice(0, 6), '[(', ')]', (node) => `system --> ${node}`)
  add('external', facts.externals.slice(0, 8), '{{', '}}', (node) => `system --> ${node}`)
  return lines.join('\n')
}

/** Text inside the quotes of a Mermaid label, where quotes, brackets and `#` have meanings. */
function label(text: string): string {
  return clip(printable(text).replaceAll('`', ''), 40).replace(
    /["#<>&;{}[\]|\\]/g,
    (mark) => `#${mark.codePointAt(0)};`,
  )
}

function components(study: Study): readonly (string | null)[] {
  const held = new Map<Section, string[]>()
  for (const { section, id, class: kind } of study.requirements) {
    if (kind !== 'functional') continue
    const ids = held.get(section)
    if (ids === undefined) held.set(section, [id])
    else ids.push(id)
  }
  const areas = [...held].map(([section, ids]) => [
    cell(clip(section.title || study.name, 60)),
    'area of the README',
    listed(ids, 5),
    cite(study, section.line),
  ])
  const stores = study.facts.stores.map(({ name, line }) => [cell(name), 'store', '–', cite(study, line)])
  const outside = study.facts.externals.map(({ name, line }) => [cell(name), 'outside', '–', cite(study, line)])
  const rows = [...areas.slice(0, 40), ...stores, ...outside]
  if (rows.length === 0)
    return [gap(study, 'requirements', 'Which parts the product has', 'The README describes the product as one part.')]
  return [
    'A component here is an area the README describes or a system it names.',
    table(['Component', 'Kind', 'Requirements', 'Source'], rows),
  ]
}

const movement =
  /\b(?:sends?|stores?|stored|saves?|saving|writes?|reads?|receives?|fetch(?:es)?|loads?|uploads?|downloads?|exports?|imports?|notif(?:y|ies)|posts?|publishe?s?|syncs?|copies|forwards?|returns?|answers?|goes? to|emits?|prints?|logs?)\b|отправля|сохраня|хран(?:ит|ят)|записыва|чита(?:ет|ют)|получа|загруж|выгруж|переда|уведомля|sendet|speicher|schreibt|liest|empfäng|envoie|enregistre|stocke|reçoit|envía|guarda|almacena|recibe|发送|保存|存储|送信/iu

function dataFlows(study: Study): readonly (string | null)[] {
  const told = study.told.filter(({ visible, section }) => section.topic !== 'questions' && movement.test(visible))
  if (told.length === 0) return ['No sentence of the README says that something is sent, stored, read or shown.']
  const lines = told
    .slice(0, 15)
    .map(({ plain, line }, index) => `${index + 1}. ${inline(clip(plain, 220))} (line ${line})`)
  const more = told.length > 15 ? `The README has ${told.length - 15} more of this kind.` : null
  return ['Sentences in which something is sent, stored, read or shown, in the README’s order:', lines.join('\n'), more]
}

function constraints(study: Study): readonly (string | null)[] {
  const binding = study.requirements.filter(({ class: kind }) => kind === 'platform' || kind === 'performance')
  if (binding.length === 0)
    return [
      gap(
        study,
        'limits',
        'What the architecture must bear',
        'No platform or size is demanded; the figures the README gives stand in [Requirements](20_requirements.md).',
      ),
    ]
  return [bullets(binding.map(({ id, label }) => `The architecture must allow for ${id}: ${inline(clip(label, 140))}`))]
}
