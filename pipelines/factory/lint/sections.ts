import type { DocumentKind } from '../../../core/model/document-suite.ts'
import type { Finding } from '../../../core/ports.ts'
import { checkEntries } from './entries.ts'
import { checkNames } from './names.ts'
import type { Page } from './page.ts'

/** The sections that this document of the suite must have, in order. */
export function checkSections(page: Page, { sections }: DocumentKind): Finding[] {
  const names = sections.filter((section) => typeof section === 'string')
  return [
    ...checkNames(page, { headings: page.headings, names, depth: 2, line: page.bodyLine, above: null }),
    ...sections.flatMap((section) => (typeof section === 'string' ? [] : checkEntries(page, section))),
  ]
}
