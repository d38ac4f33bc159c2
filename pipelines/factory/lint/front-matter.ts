import { z } from 'zod'
import type { DocumentKind } from '../../../core/model/document-suite.ts'
import type { Finding } from '../../../core/ports.ts'
import type { Page } from './page.ts'
import { printable } from './printable.ts'
import { finder } from './rules.ts'
import type { YamlSource } from './yaml-source.ts'
import { readYaml } from './yaml-source.ts'

/** A page of keys; what is longer is text that stands in the wrong place. */
const mostCharacters = 10_000

const statuses = ['draft', 'ready', 'deprecated'] as const

/** The grammar of semver.org, without capturing groups. */
const semver =
  /^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-(?:0|[1-9]\d*|\d*[A-Za-z-][\dA-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][\dA-Za-z-]*))*)?(?:\+[\dA-Za-z-]+(?:\.[\dA-Za-z-]+)*)?$/

const likeVersion = 'must be a version such as 0.1.0'

const text = z.string('must be text').refine((value) => value.trim() !== '', 'must not be empty')

/** Front matter of a document; other keys may stand beside these. Messages complete the sentence "<key> …". */
const frontMatter = z.object(
  {
    id: text,
    title: text,
    status: z.enum(statuses, `must be ${statuses.slice(0, -1).join(', ')} or ${statuses.at(-1)}`),
    version: z.string(`${likeVersion}, in quotes`).max(100, likeVersion).regex(semver, likeVersion),
    updated: z
      .string('must be a date such as 2026-01-15')
      .refine(isDate, 'must be a date that exists, such as 2026-01-15'),
    owners: z.array(text, 'must be a list of names'),
  },
  'must be a block of keys',
)

const examples: Readonly<Record<string, string>> = {
  id: '20_requirements',
  title: 'Requirements',
  status: 'draft',
  version: '0.1.0',
  updated: '2026-01-15',
  owners: '[team-a]',
}

const keys = Object.keys(examples)

function isDate(value: string): boolean {
  const day = /^\d{4}-\d{2}-\d{2}$/.test(value) ? new Date(`${value}T00:00:00Z`) : null
  return day !== null && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(value)
}

/** The front matter against its schema, each finding on the line of the key. */
export function checkFrontMatter(page: Page, kind: DocumentKind | undefined): Finding[] {
  if (page.frontMatter === null) return [noFrontMatter(page, kind)]
  const find = finder(page)
  if (page.frontMatter.length > mostCharacters)
    return [
      find(
        'front-matter',
        1,
        `The front matter has ${page.frontMatter.length} characters, so it was not read.`,
        `Keep it below ${mostCharacters}: the text goes below the second line of ---.`,
      ),
    ]
  const yaml = readYaml(page.frontMatter)
  const findings = yaml.problems.map(({ line, message, fix }) => find('front-matter', line + 1, message, fix))
  if (!('value' in yaml)) return findings
  return [...findings, ...checkKeys(page, yaml, kind)]
}

function noFrontMatter(page: Page, kind: DocumentKind | undefined): Finding {
  const find = finder(page)
  return page.lines[0]?.trimEnd() === '---'
    ? find('front-matter', 1, 'The front matter is never closed.', 'Put a line of --- behind its last key.')
    : find(
        'front-matter',
        1,
        'The document has no front matter.',
        `Start it with a line of ---, the keys ${keys.join(', ')}${kind ? ` (id: ${kind.id})` : ''}, and another line of ---.`,
      )
}

function checkKeys(page: Page, yaml: YamlSource, kind: DocumentKind | undefined): Finding[] {
  const find = finder(page)
  const value = yaml.value ?? {}
  const parsed = frontMatter.safeParse(value)
  const findings = (parsed.error?.issues ?? []).map((issue) => {
    const [key] = issue.path
    const line = key === undefined ? 1 : 1 + yaml.spotOf(issue.path).line
    const name = String(key ?? 'The front matter')
    if (key !== undefined && typeof value === 'object' && !Object.hasOwn(value, key))
      return find('front-matter', 1, `The front matter has no ${name}.`, `Add ${name}: ${exampleOf(name, kind)}`)
    const what = issue.path.length > 1 ? `Entry ${Number(issue.path[1]) + 1} of ${name}` : name
    return find('front-matter', line, `${what} ${issue.message}.`, `Write ${name}: ${exampleOf(name, kind)}`)
  })
  const id = z.object({ id: text }).safeParse(value).data?.id
  if (kind && id !== undefined && id !== kind.id)
    findings.push(
      find(
        'front-matter',
        1 + yaml.spotOf(['id']).line,
        `id is ${printable(id)}, but ${page.path} is ${kind.id}.`,
        `Write id: ${kind.id}`,
      ),
    )
  return findings
}

const exampleOf = (key: string, kind: DocumentKind | undefined): string =>
  (key === 'id' ? kind?.id : key === 'title' ? kind?.title : undefined) ?? examples[key] ?? '…'
