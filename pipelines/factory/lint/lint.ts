import type { DocumentKind } from '../../../core/model/document-suite.ts'
import { documentSuite } from '../../../core/model/document-suite.ts'
import type { Finding } from '../../../core/ports.ts'
import { checkFences, checkLinks, checkPlaceholders, checkTables, slugsOf } from './content.ts'
import { checkFrontMatter } from './front-matter.ts'
import { finder, readPage } from './page.ts'
import { checkHeadings, checkSections } from './structure.ts'

export type LintOptions = {
  /** True: a document of the suite that is not among the files is an error. */
  readonly expectWholeSuite: boolean
  /** Files outside the suite that links may lead to, from the root of the repository. */
  readonly otherPaths: ReadonlySet<string>
}

const alone: LintOptions = { expectWholeSuite: true, otherPaths: new Set() }

/** Judges documents; findings come by path, line and rule, the same for the same files. Never throws. */
export function lintSuite(
  files: readonly { readonly path: string; readonly text: string }[],
  options: LintOptions = alone,
): Finding[] {
  const pages = files.map(({ path, text }) => readPage(path, text))
  const places = { slugs: new Map(pages.map((page) => [page.path, slugsOf(page)])), otherPaths: options.otherPaths }
  const findings = pages.flatMap((page) => {
    const kind = documentSuite.find((document) => document.path === page.path)
    return [
      ...checkFrontMatter(page, kind),
      ...checkHeadings(page),
      ...(kind ? checkSections(page, kind) : []),
      ...checkLinks(page, places),
      ...checkPlaceholders(page),
      ...checkFences(page),
      ...checkTables(page),
    ]
  })
  const missing = options.expectWholeSuite ? missingFrom(files) : []
  return [...findings, ...missing].toSorted(byPlace)
}

function missingFrom(files: readonly { readonly path: string }[]): Finding[] {
  const missing = documentSuite.filter((document) => !files.some(({ path }) => path === document.path))
  return missing.map((document: DocumentKind) =>
    finder(document)(
      'document-missing',
      1,
      'The document is missing.',
      `Add it; its sections are in the order of the suite.`,
    ),
  )
}

const byPlace = (a: Finding, b: Finding): number =>
  a.path < b.path ? -1 : a.path > b.path ? 1 : a.line - b.line || (a.rule < b.rule ? -1 : a.rule > b.rule ? 1 : 0)

/** Findings as aligned lines, and a last line that sums up. */
export function formatFindings(findings: readonly Finding[]): string[] {
  const places = findings.map(({ path, line }) => `${path}:${line}`)
  const width = Math.max(0, ...places.map((place) => place.length))
  const ruleWidth = Math.max(0, ...findings.map(({ rule }) => rule.length))
  const lines = findings.map(
    ({ severity, rule, message, fix }, index) =>
      `${(places[index] ?? '').padEnd(width)}  ${severity.padEnd(7)}  ${rule.padEnd(ruleWidth)}  ${message} Fix: ${fix}`,
  )
  const errors = findings.filter(({ severity }) => severity === 'error').length
  const warnings = findings.length - errors
  return [...lines, `${errors === 0 ? '✓' : '✗'} ${errors} errors, ${warnings} warnings`]
}
