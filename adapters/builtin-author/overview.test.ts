import { expect, test } from 'vitest'
import { overviewPage } from './overview.ts'
import { requestFor } from './request.fixtures.ts'
import { studyOf } from './study.ts'

/** The rows of the table of parts, and how many requirements the page speaks of. */
function partsOf(readme: string) {
  const { text } = overviewPage(studyOf(requestFor(readme)))
  const rows = [...text.matchAll(/^\| (.+) \| (\d+) \| (\d+) \| (.+) \|$/gm)]
  const parts = rows.map(([, title, , amount, goes]) => `${title}: ${amount}, ${goes}`)
  const sum = rows.reduce((total, [, , , amount]) => total + Number(amount), 0)
  return { parts, sum, all: Number(/^- (\d+) requirement/m.exec(text)?.[1]) }
}

test('each part counts the requirements that stand in it and not those of the parts below it', () => {
  const { parts, sum, all } = partsOf(
    '# Shop\n\nIt must run.\n\n## Orders\n\n- takes orders in\n- keeps them safe\n\n### Returns\n\n- takes parcels back\n\n## Stock\n\n### Shelves\n\n- counts what is left\n',
  )
  expect(parts).toEqual([
    'Shop: 1, [Anchor](ANCHOR.md)',
    'Orders: 2, [Requirements](20_requirements.md)',
    '· Returns: 1, [Requirements](20_requirements.md)',
    'Stock: 0, [Requirements](20_requirements.md)',
    '· Shelves: 1, [Requirements](20_requirements.md)',
  ])
  expect(sum).toBe(all)
})

test('what stands below small headings counts for the part that they are in, and what stands outside has a row', () => {
  const { parts, sum, all } = partsOf(
    'It must open.\n\n## Orders\n\n### Returns\n\n#### By post\n\n- takes parcels back\n\n##### Abroad\n\nThey must be stamped.\n',
  )
  expect(parts).toEqual([
    'Orders: 0, [Requirements](20_requirements.md)',
    '· Returns: 2, [Requirements](20_requirements.md)',
    'Outside the headings: 1, [Requirements](20_requirements.md)',
  ])
  expect(sum).toBe(all)
})

test('parts that the table has no room for are counted in its last row', () => {
  const { parts, sum, all } = partsOf(
    Array.from({ length: 70 }, (_, at) => `## Part ${at}\n\nPart ${at} must run.\n`).join('\n'),
  )
  expect(parts).toHaveLength(61)
  expect(parts.at(-1)).toBe('10 more parts: 10, [Requirements](20_requirements.md)')
  expect(sum).toBe(all)
})
