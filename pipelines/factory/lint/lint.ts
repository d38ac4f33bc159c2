import { counted } from '../../../core/model/counted.ts'
import { documentSuite } from '../../../core/model/document-suite.ts'
import type { Finding } from '../../../core/ports.ts'
import { checkFences, checkPlaceholders } from './content.ts'
import { checkFrontMatter } from './front-matter.ts'
import { checkHeadings, checkTitle } from './headings.ts'
import type { Targets } from './links.ts'
import { checkLinks, checkReferences } from './links.ts'
import type { Page } from './page.ts'
import { readPage } from './page.ts'
import { finder } from './rules.ts'
import { checkSections } from './sections.ts'
import { slugsOf } from './slugs.ts'
import { checkTables } from './tables.ts'
import { checkWeight } from './weight.ts'

/** A document, its path counted from the root of the repository. */
export type LintFile = { readonly path: string; readonly text: string }

export type LintOptions = {
  /** True: a document of the suite that is not among the files is an error. */
  readonly expectWholeSuite: boolean
  /** Files outside the suite that links may lead to, from the root of the repository. */
  readonly otherPaths: ReadonlySet<string>
}

const alone: LintOptions = { expectWholeSuite: true, otherPaths: new Set() }

/** Judges documents; findings come by path, line and rule, the same for the same files. Never throws. */
export function lintSuite(files: readonly LintFile[], options: LintOptions = alone): Finding[] {
  const refused = files.flatMap(({ path, text }) => checkWeight(path, text) ?? [])
  const pages = files
    .filter(({ path }) => !refused.some((finding) => finding.path === path))
    .map(({ path, text }) => readPage(path, text))
  const targets: Targets = {
    slugs: new Map(pages.map((page) => [page.path, slugsOf(page)])),
    paths: withFolders([...files.map(({ path }) => path), ...options.otherPaths]),
  }
  const missing = options.expectWholeSuite ? missingFrom(files) : []
  return [...refused, ...missing, ...pages.flatMap((page) => checkPage(page, targets))].toSorted(byPlace)
}

function checkPage(page: Page, targets: Targets): Finding[] {
  const kind = documentSuite.find(({ path }) => path === page.path)
  return [
    ...checkFrontMatter(page, kind),
    ...checkTitle(page),
    ...checkHeadings(page),
    ...(kind ? checkSections(page, kind) : []),
    ...checkLinks(page, targets),
    ...checkReferences(page),
    ...checkPlaceholders(page),
    ...checkFences(page),
    ...checkTables(page),
  ]
}

/** Links may also lead to the folder a file is in; `''` is the root. */
function withFolders(paths: readonly string[]): ReadonlySet<string> {
  const folders = paths.flatMap((path) => path.split('/').map((_, index, parts) => parts.slice(0, index).join('/')))
  return new Set([...paths, ...folders])
}

function missingFrom(files: readonly LintFile[]): Finding[] {
  return documentSuite
    .filter(({ path }) => !files.some((file) => file.path === path))
    .map(({ path, sections }) => {
      const names = sections.map((section) => (typeof section === 'string' ? section : section.example))
      return finder({ path })(
        'document-missing',
        1,
        'The document is missing.',
        `Write it, with the ${names.length === 1 ? 'section' : 'sections'} ${names.join(', ')}.`,
      )
    })
}

const byPlace = (a: Finding, b: Finding): number =>
  compare(a.path, b.path) || a.line - b.line || compare(a.rule, b.rule) || compare(a.message, b.message)

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Findings as lines in columns, and a last line that sums up. */
export function formatFindings(findings: readonly Finding[]): string[] {
  const places = findings.map(({ path, line }) => `${path}:${line}`)
  const placeWidth = widest(places)
  const ruleWidth = widest(findings.map(({ rule }) => rule))
  const lines = findings.map(({ severity, rule, message, fix }, index) =>
    [
      (places[index] ?? '').padEnd(placeWidth),
      severity.padEnd('warning'.length),
      rule.padEnd(ruleWidth),
      message,
      `fix: ${fix}`,
    ].join('  '),
  )
  const errors = findings.filter(({ severity }) => severity === 'error').length
  const sum = `${counted(errors, 'error')}, ${counted(findings.length - errors, 'warning')}`
  return [...lines, `${errors === 0 ? '✓' : '✗'} ${sum}`]
}

const widest = (texts: readonly string[]): number => texts.reduce((most, { length }) => Math.max(most, length), 0)
