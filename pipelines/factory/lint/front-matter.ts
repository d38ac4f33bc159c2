import { LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import type { DocumentKind } from '../../../core/model/document-suite.ts'
import type { Finding } from '../../../core/ports.ts'
import type { Page } from './page.ts'
import { finder } from './page.ts'

const frontMatter = z.object({
  id: z.string('must be text').min(1, 'must not be empty'),
  title: z.string('must be text').min(1, 'must not be empty'),
  status: z.enum(['draft', 'ready', 'deprecated'], 'must be draft, ready or deprecated'),
  version: z
    .string('must be a version such as 0.1.0, in quotes')
    .regex(/^\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.-]+)?$/, 'must be a version such as 0.1.0'),
  updated: z.string('must be a date such as 2026-01-15').refine(isDate, 'must be a date such as 2026-01-15'),
  owners: z.array(z.string('must be names').min(1, 'must not be empty'), 'must be a list'),
})

function isDate(text: string): boolean {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00:00Z`) : null
  return at !== null && !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text)
}

/** The front matter against its schema, each finding on the line of the key. */
export function checkFrontMatter(page: Page, kind: DocumentKind | undefined): Finding[] {
  const find = finder(page)
  if (page.frontMatter === null) {
    return [
      find(
        'front-matter',
        1,
        'The document has no front matter.',
        'Start it with a block between two lines of --- that has id, title, status, version, updated and owners.',
      ),
    ]
  }
  const lines = new LineCounter()
  const document = parseDocument(page.frontMatter, { lineCounter: lines, schema: 'core' })
  const [error] = document.errors
  if (error)
    return [
      find(
        'front-matter',
        1 + lines.linePos(error.pos[0]).line,
        `The front matter is not YAML: ${error.message.split(' at line')[0]}.`,
        'Mend its syntax.',
      ),
    ]
  const value = toPlain(document)
  const parsed = frontMatter.safeParse(value)
  const findings = (parsed.error?.issues ?? []).map((issue) => {
    const key = String(issue.path[0] ?? 'front matter')
    const isMissing = typeof value === 'object' && value !== null && !(key in value)
    return find(
      'front-matter',
      keyLine(page.frontMatter ?? '', key) ?? 1,
      isMissing ? `The front matter has no ${key}.` : `${key} ${issue.message}.`,
      `Write ${key}: ${examples[key] ?? '…'}`,
    )
  })
  const id = parsed.success ? parsed.data.id : null
  if (kind && id !== null && id !== kind.id)
    findings.push(
      find(
        'front-matter',
        keyLine(page.frontMatter, 'id') ?? 1,
        `id is ${id}, but this file is ${kind.id}.`,
        `Write id: ${kind.id}`,
      ),
    )
  return findings
}

/** A value that cannot be expanded (aliases of aliases) counts as none. */
function toPlain(document: ReturnType<typeof parseDocument>): unknown {
  try {
    return document.toJS({ maxAliasCount: 10 }) ?? {}
  } catch {
    return {}
  }
}

/** Line of a key in the file: the front matter starts on line 2. Null when it is not there. */
function keyLine(text: string, key: string): number | null {
  const index = text.split('\n').findIndex((line) => line.startsWith(`${key}:`))
  return index < 0 ? null : index + 2
}

const examples: Readonly<Record<string, string>> = {
  id: '20_requirements',
  title: 'Requirements',
  status: 'draft',
  version: '0.1.0',
  updated: '2026-01-15',
  owners: '[team-a]',
}
