import type { Finding } from '../../../core/ports.ts'

export type LintRule = {
  readonly id: string
  readonly severity: Finding['severity']
  /** What holds where the rule is kept. */
  readonly says: string
}

const table = {
  'document-missing': ['error', 'Each of the twelve documents is there.'],
  'document-too-large': ['error', 'A document has at most 1,000,000 characters and 50,000 lines.'],
  'document-tangled': ['error', 'A document can be read quickly: no endless runs of marks, no bottomless nesting.'],
  'front-matter': ['error', 'The front matter has id, title, status, version, updated and owners, each of its form.'],
  'title-missing': ['warning', 'A document has a title: one heading of level 1.'],
  'title-repeated': ['error', 'A document has one title, not two.'],
  'body-short': ['warning', 'A document says more than 100 characters.'],
  'heading-level': ['error', 'Headings go down one level at a time.'],
  'heading-empty': ['error', 'A heading has text.'],
  'heading-repeated': ['warning', 'Headings side by side have different texts.'],
  'section-empty': ['error', 'Something stands under each heading.'],
  'section-missing': ['error', 'The sections that the suite asks for are there.'],
  'section-order': ['error', 'The sections stand in the order of the suite.'],
  'id-form': ['error', 'Milestones and decisions are titled as in “M-001 — Title” and “ADR-0001 — Title”.'],
  'id-hyphen': ['error', 'The hyphen in an id is the ASCII one, so that people can search for the id.'],
  'id-order': ['error', 'Ids rise, and each is used once.'],
  link: ['error', 'A relative link leads to a file and a heading that exist.'],
  'link-undefined': ['error', 'A reference and a footnote are defined in the document.'],
  placeholder: ['error', 'No text is left to be written, outside of code and quotes.'],
  'fence-open': ['error', 'A code fence is closed.'],
  'fence-language': ['error', 'A code fence names its language.'],
  'table-head': ['error', 'The line under the head of a table has as many columns as the head.'],
  'table-cells': ['error', 'Each row of a table has as many cells as the head.'],
} as const satisfies Readonly<Record<string, readonly [Finding['severity'], string]>>

export type RuleId = keyof typeof table

/** Every rule of the lint, for help and documentation. */
export const lintRules: readonly LintRule[] = Object.entries(table).map(([id, [severity, says]]) => ({
  id,
  severity,
  says,
}))

/** Makes findings of one document, each as severe as its rule. */
export const finder =
  ({ path }: { readonly path: string }) =>
  (rule: RuleId, line: number, message: string, fix: string): Finding => ({
    path,
    line,
    rule,
    severity: table[rule][0],
    message,
    fix,
  })
