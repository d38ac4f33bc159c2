import { documentSuite } from '../../core/model/document-suite.ts'
import { assert } from '../../core/model/problem.ts'
import type { WrittenDocument } from '../../core/ports.ts'
import { clip, inline } from './markdown.ts'
import type { Section } from './readme.ts'
import type { Study } from './study.ts'

/** A level-two section: its heading and its blocks, which blank lines will part; empty blocks are left out. */
export type PageSection = { readonly heading: string; readonly blocks: readonly (string | null)[] }

/** A document of the suite: front matter, the title as the only level-one heading, a lead, and its sections. */
export function page(study: Study, id: string, lead: string, sections: readonly PageSection[]): WrittenDocument {
  const kind = documentSuite.find((each) => each.id === id)
  assert(kind !== undefined, `the suite has no document ${id}`)
  const title = `${study.name}: ${kind.title}`
  const blocks = [
    frontMatter(study, id, title),
    `# ${inline(title)}`,
    lead,
    ...sections.flatMap(({ heading, blocks }) => [`## ${heading}`, ...blocks]),
  ]
  const text = blocks.filter((block) => block !== null && block !== '').join('\n\n')
  return { path: kind.path, text: `${text}\n` }
}

/** Level-three headings for parts of a README; a title that comes twice gets its line. */
export function headingsFor(sections: Iterable<Section>, untitled: string): ReadonlyMap<Section, string> {
  const all = [...new Set(sections)].map((section) => ({
    section,
    title: inline(clip(section.title || untitled, 100)),
  }))
  const times = new Map<string, number>()
  for (const { title } of all) times.set(title, (times.get(title) ?? 0) + 1)
  return new Map(
    all.map(({ section, title }) => [
      section,
      `### ${title}${times.get(title) === 1 ? '' : ` (line ${section.line})`}`,
    ]),
  )
}

function frontMatter({ request }: Study, id: string, title: string): string {
  const owners = request.owners.map((owner) => `  - ${JSON.stringify(owner)}`)
  return [
    '---',
    `id: ${id}`,
    `title: ${JSON.stringify(title)}`,
    'status: draft',
    'version: 0.1.0',
    `updated: ${request.updated}`,
    ...(owners.length === 0 ? ['owners: []'] : ['owners:', ...owners]),
    '---',
  ].join('\n')
}
