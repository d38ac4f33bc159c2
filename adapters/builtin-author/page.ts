import { documentSuite } from '../../core/model/document-suite.ts'
import { assert } from '../../core/model/problem.ts'
import type { WrittenDocument } from '../../core/ports.ts'
import { inline } from './markdown.ts'
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
