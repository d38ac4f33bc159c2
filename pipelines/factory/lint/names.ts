import { nearest } from '../../../core/model/nearest.ts'
import type { Finding } from '../../../core/ports.ts'
import type { Page, PageHeading } from './page.ts'
import { quoted } from './printable.ts'
import { finder } from './rules.ts'

/** Headings of one level that a stretch of a document must have, in order. */
export type Wanted = {
  readonly headings: readonly PageHeading[]
  readonly names: readonly string[]
  readonly depth: number
  /** Where the stretch begins, and the heading it stands under, if any. */
  readonly line: number
  readonly above: string | null
}

/** Each name that is missing, or that stands before one it must follow. */
export function checkNames(page: Page, wanted: Wanted): Finding[] {
  const { headings, names, depth } = wanted
  const level = headings.filter((heading) => heading.depth === depth)
  let from = 0
  let last: PageHeading | null = null
  const findings: Finding[] = []
  for (const name of names) {
    const at = level.findIndex(({ text }, index) => index >= from && text === name)
    const early = level.find(({ text }) => text === name)
    if (at >= 0) {
      from = at + 1
      last = level[at] ?? last
    } else findings.push(early && last ? misplaced(page, wanted, early, last) : missing(page, wanted, name, last))
  }
  return findings
}

function misplaced(page: Page, { names }: Wanted, heading: PageHeading, last: PageHeading): Finding {
  return finder(page)(
    'section-order',
    heading.line,
    `${quoted(heading.text)} stands before ${quoted(last.text)}.`,
    `Move it below; the order is ${names.join(', ')}.`,
  )
}

/** Says which heading was probably meant to be the missing one, if any. */
function missing(page: Page, wanted: Wanted, name: string, last: PageHeading | null): Finding {
  const find = finder(page)
  const heading = `${'#'.repeat(wanted.depth)} ${name}`
  const others = wanted.headings.filter(({ text }) => !wanted.names.includes(text))
  const close = nearest(
    name,
    others.filter(({ depth }) => depth === wanted.depth).map(({ text }) => text),
  )
  const meant = wanted.headings.find(({ text }) => text === name) ?? others.find(({ text }) => text === close)
  const what = wanted.above === null ? `The section “${name}” is missing` : `${quoted(wanted.above)} has no “${name}”`
  if (!meant)
    return find(
      'section-missing',
      last?.line ?? wanted.line,
      `${what}.`,
      `Add ${heading}${last ? ` after ${quoted(last.text)}` : ' first'}, with its text.`,
    )
  return meant.text === name
    ? find('section-missing', meant.line, `${what}: this heading is of level ${meant.depth}.`, `Write ${heading}`)
    : find('section-missing', meant.line, `${what}; ${quoted(meant.text)} is close to it.`, `Write ${heading}`)
}
