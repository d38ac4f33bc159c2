import type { DocumentKind } from '../../../core/model/document-suite.ts'
import type { Finding } from '../../../core/ports.ts'
import type { Page, PageHeading } from './page.ts'
import { finder } from './page.ts'

/** Shorter bodies say nothing. */
const leastBody = 100

/** One H1, no level skipped, nothing empty, siblings told apart, and something to read. */
export function checkHeadings(page: Page): Finding[] {
  const find = finder(page)
  const findings: Finding[] = []
  const titles = page.headings.filter((heading) => heading.depth === 1)
  if (titles.length === 0)
    findings.push(
      find(
        'title',
        page.bodyLine,
        'The document has no title.',
        'Add one line that starts with # and names it.',
        'warning',
      ),
    )
  for (const extra of titles.slice(1))
    findings.push(find('title', extra.line, 'The document has a second title.', 'Make it a heading of level two: ## …'))
  const body = page.lines
    .slice(page.bodyLine - 1)
    .join('\n')
    .trim()
  if (body.length <= leastBody)
    findings.push(
      find(
        'short',
        page.bodyLine,
        `The body has ${body.length} characters.`,
        `Say more, or merge it into another document; ${leastBody} is the least.`,
        'warning',
      ),
    )
  page.headings.forEach((heading, index) => {
    const before = page.headings[index - 1]
    if (before && heading.depth > before.depth + 1) {
      findings.push(
        find(
          'heading-level',
          heading.line,
          `The heading jumps from level ${before.depth} to level ${heading.depth}.`,
          `Use level ${before.depth + 1}.`,
        ),
      )
    }
    if (heading.text === '')
      findings.push(find('heading-empty', heading.line, 'The heading has no text.', 'Name it or remove it.'))
    else if (heading.isEmpty && heading.depth > 1)
      findings.push(
        find(
          'section-empty',
          heading.line,
          `Nothing stands under “${heading.text}”.`,
          'Write a sentence, or say that nothing is known and name the open question.',
        ),
      )
  })
  return [...findings, ...repeatedSiblings(page)]
}

function repeatedSiblings(page: Page): Finding[] {
  const find = finder(page)
  const findings: Finding[] = []
  const seen: Set<string>[] = []
  for (const heading of page.headings) {
    seen.length = Math.min(seen.length, heading.depth)
    const siblings = (seen[heading.depth - 1] ??= new Set())
    if (siblings.has(heading.text))
      findings.push(
        find(
          'heading-repeated',
          heading.line,
          `“${heading.text}” stands here a second time.`,
          'Merge the two or name them apart.',
          'warning',
        ),
      )
    siblings.add(heading.text)
  }
  return findings
}

/** The level-two headings that this document of the suite must have, in order. */
export function checkSections(page: Page, kind: DocumentKind): Finding[] {
  const sections = page.headings.filter((heading) => heading.depth === 2)
  return kind.sections
    .flatMap((section) => (typeof section === 'string' ? [] : checkEntries(page, sections, section)))
    .concat(
      checkNamed(
        page,
        sections,
        kind.sections.filter((section) => typeof section === 'string'),
      ),
    )
}

function checkNamed(page: Page, sections: readonly PageHeading[], wanted: readonly string[]): Finding[] {
  const find = finder(page)
  let from = 0
  return wanted.flatMap((name) => {
    const at = sections.findIndex((section, index) => index >= from && section.text === name)
    if (at >= 0) {
      from = at + 1
      return []
    }
    const elsewhere = sections.find((section) => section.text === name)
    return elsewhere
      ? [find('section-order', elsewhere.line, `“${name}” stands too early.`, `The order is: ${wanted.join(', ')}.`)]
      : [find('section-missing', page.bodyLine, `The section “${name}” is missing.`, `Add ## ${name}`)]
  })
}

type Entries = Extract<DocumentKind['sections'][number], object>

/** Milestones and decisions: numbered headings of one form, each with its own subsections. */
function checkEntries(
  page: Page,
  sections: readonly PageHeading[],
  { pattern, example, children }: Entries,
): Finding[] {
  const find = finder(page)
  const form = new RegExp(pattern)
  const prefix = example.split('-')[0] ?? ''
  const entries = sections.filter((section) => form.test(section.text))
  const findings = sections
    .filter((section) => !form.test(section.text) && new RegExp(`^${prefix}[‐-―-]`).test(section.text))
    .map((section) =>
      /[‐-―]\d/.test(section.text)
        ? find(
            'id-hyphen',
            section.line,
            `The id in “${section.text}” has a hyphen that is not the ASCII one.`,
            `Write it as in “${example}”.`,
          )
        : find(
            'id-form',
            section.line,
            `“${section.text}” has not the form of an entry.`,
            `Write it as in “${example}”.`,
          ),
    )
  if (entries.length === 0)
    findings.push(find('section-missing', page.bodyLine, 'There is no entry.', `Add one such as ## ${example}`))
  return [
    ...findings,
    ...entries.flatMap((entry) => checkChildren(page, entry, children)),
    ...checkNumbers(page, entries),
  ]
}

function checkChildren(page: Page, entry: PageHeading, wanted: readonly string[]): Finding[] {
  const find = finder(page)
  const start = page.headings.indexOf(entry) + 1
  const next = page.headings.findIndex((heading, index) => index >= start && heading.depth <= entry.depth)
  const below = page.headings
    .slice(start, next < 0 ? undefined : next)
    .filter((heading) => heading.depth === entry.depth + 1)
  return wanted
    .filter((name) => !below.some((heading) => heading.text === name))
    .map((name) =>
      find('section-missing', entry.line, `“${entry.text}” has no “${name}”.`, `Add ### ${name} below it.`),
    )
}

function checkNumbers(page: Page, entries: readonly PageHeading[]): Finding[] {
  const find = finder(page)
  return entries.flatMap((entry, index) => {
    const [number, before] = [entry, entries[index - 1]].map((heading) => Number(/\d+/.exec(heading?.text ?? '0')?.[0]))
    return before !== undefined && number !== undefined && index > 0 && number <= before
      ? [
          find(
            'id-order',
            entry.line,
            `“${entry.text}” does not come after the entry before it.`,
            'Number entries upwards, each once.',
          ),
        ]
      : []
  })
}
