import type { DocumentKind } from '../../../core/model/document-suite.ts'
import type { Finding } from '../../../core/ports.ts'
import type { Wanted } from './names.ts'
import { checkNames } from './names.ts'
import type { Page, PageHeading } from './page.ts'
import { quoted } from './printable.ts'
import { finder } from './rules.ts'

type Entries = Extract<DocumentKind['sections'][number], object>

type Entry = { readonly heading: PageHeading; readonly id: string; readonly number: number }

/** Milestones and decisions: headings of one form, numbered upwards, each with its own subsections. */
export function checkEntries(page: Page, kind: Entries): Finding[] {
  const [, prefix = '', digits = ''] = /^([A-Z]+)-(\d+)/.exec(kind.example) ?? []
  const entries = page.headings
    .filter(({ depth }) => depth === 2)
    .flatMap((heading) => entryOf(heading, prefix, digits.length))
  if (entries.length === 0) return [noEntry(page, kind)]
  return [
    ...entries.flatMap((entry) => checkForm(page, kind, entry)),
    ...checkNumbers(page, entries),
    ...entries.flatMap(({ heading }) => checkNames(page, childrenWanted(page, heading, kind.children))),
  ]
}

/** Whatever a person would take for an entry, so that a wrong hyphen is not reported as a missing milestone. */
function entryOf(heading: PageHeading, prefix: string, width: number): Entry[] {
  const found = new RegExp(`^${prefix}[\\s\\p{Pd}\\u00AD\\u2212.:#_]{0,3}(\\d{1,9})(?!\\d)`, 'iu').exec(heading.text)
  const number = Number(found?.[1])
  return found ? [{ heading, number, id: `${prefix}-${String(number).padStart(width, '0')}` }] : []
}

function noEntry(page: Page, { pattern, example }: Entries): Finding {
  const find = finder(page)
  const deeper = page.headings.find(({ text, depth }) => depth !== 2 && new RegExp(pattern).test(text))
  return deeper
    ? find(
        'section-missing',
        deeper.line,
        `${quoted(deeper.text)} is a heading of level ${deeper.depth}; an entry is of level 2.`,
        `Write ## ${deeper.text}`,
      )
    : find(
        'section-missing',
        page.bodyLine,
        `There is no section such as “${example}”.`,
        `Add at least one: ## ${example}`,
      )
}

function checkForm(page: Page, { pattern, example }: Entries, { heading, id }: Entry): Finding[] {
  const { text, line } = heading
  if (new RegExp(pattern).test(text)) return []
  const find = finder(page)
  const title = /^[A-Za-z]+[^\d]{0,3}\d+[\s\p{P}\p{S}]*(.*)$/u.exec(text)?.[1] || 'Title'
  const fix = `Write ## ${id} — ${title}`
  const hyphen = /^[A-Za-z]+([\p{Pd}\u00AD\u2212])(?=\d)/u.exec(text)?.[1]
  return hyphen !== undefined && hyphen !== '-'
    ? [find('id-hyphen', line, `The hyphen in ${quoted(text)} is ${codeOf(hyphen)}, not the ASCII one.`, fix)]
    : [find('id-form', line, `${quoted(text)} is not written as in “${example}”.`, fix)]
}

const codeOf = (letter: string): string => `U+${letter.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}`

function checkNumbers(page: Page, entries: readonly Entry[]): Finding[] {
  const find = finder(page)
  const lines = new Map<number, number>()
  let highest = -1
  return entries.flatMap(({ heading, id, number }) => {
    const first = lines.get(number)
    lines.set(number, first ?? heading.line)
    const isLow = number <= highest
    highest = Math.max(highest, number)
    if (first !== undefined)
      return [
        find(
          'id-order',
          heading.line,
          `${id} is used a second time; the first is on line ${first}.`,
          'Use a free number.',
        ),
      ]
    return isLow
      ? [find('id-order', heading.line, `${id} stands after a higher number.`, 'Sort the entries by their numbers.')]
      : []
  })
}

function childrenWanted({ headings }: Page, heading: PageHeading, names: readonly string[]): Wanted {
  const start = headings.indexOf(heading) + 1
  const end = headings.findIndex(({ depth }, index) => index >= start && depth <= heading.depth)
  const below = headings.slice(start, end < 0 ? undefined : end)
  return { headings: below, names, depth: heading.depth + 1, line: heading.line, above: heading.text }
}
