import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatFindings, lintSuite } from './lint.ts'

const head = (id: string) =>
  `---\nid: ${id}\ntitle: T\nstatus: draft\nversion: 0.1.0\nupdated: 2026-01-15\nowners: [a]\n---\n# T\n\n`
const words =
  'A sentence that says enough for a body to be worth its place in a suite of documents, and then some more of it.\n\n'
const overview = (body: string) =>
  `${head('00_overview')}${words}## Summary\n\n${body}\n\n## Terminology\n\nx\n\n## Context\n\nx\n`

const one = (text: string, path = 'docs/00_overview.md') =>
  lintSuite([{ path, text }], { expectWholeSuite: false, otherPaths: new Set(['README.md']) }).map(
    ({ line, rule }) => `${line} ${rule}`,
  )

test('a document in order has no findings', () => {
  expect(one(overview('Fine, see [the README](../README.md) and [below](#context).'))).toEqual([])
})

describe('front matter', () => {
  test.each([
    [words, '1 front-matter'],
    [overview('x').replace('status: draft', 'status: done'), '4 front-matter'],
    [overview('x').replace('version: 0.1.0', 'version: one'), '5 front-matter'],
    [overview('x').replace('2026-01-15', '2026-02-30'), '6 front-matter'],
    [overview('x').replace('owners: [a]', 'owners: a'), '7 front-matter'],
    [overview('x').replace('title: T\n', ''), '1 front-matter'],
    [overview('x').replace('id: 00_overview', 'id: overview'), '2 front-matter'],
    [overview('x').replace('status: draft', 'status: [draft'), '5 front-matter'],
  ])('%#', (text, finding) => {
    expect(one(text)).toContain(finding)
  })
})

describe('structure', () => {
  test.each([
    ['a missing section', overview('x').replace('## Context\n\nx\n', ''), 'section-missing'],
    [
      'sections in the wrong order',
      `${head('00_overview')}${words}## Context\n\nx\n\n## Summary\n\nx\n\n## Terminology\n\nx\n`,
      'section-order',
    ],
    ['a second title', overview('# Again\n\nx'), 'title'],
    ['no title', overview('x').replace('# T\n', ''), 'title'],
    ['a skipped level', overview('#### Deep\n\nx'), 'heading-level'],
    ['an empty section', overview(''), 'section-empty'],
    ['a heading without text', overview('###\n\nx'), 'heading-empty'],
    ['the same heading twice', overview('### A\n\nx\n\n### A\n\nx'), 'heading-repeated'],
  ])('%s is found', (_, text, rule) => {
    expect(one(text).map((finding) => finding.split(' ')[1])).toContain(rule)
  })

  test('a body of a few words is a warning', () => {
    const [finding] = lintSuite([{ path: 'docs/other.md', text: `${head('x')}Short.\n` }], {
      expectWholeSuite: false,
      otherPaths: new Set(),
    })
    expect(finding).toMatchObject({ rule: 'short', severity: 'warning' })
  })
})

describe('milestones', () => {
  const milestones = (entries: string) => one(`${head('30_milestones')}${words}${entries}`, 'docs/30_milestones.md')
  const entry = (title: string) => `## ${title}\n\nx\n\n### Goal\n\nx\n\n### Criteria\n\nx\n\n### Artefacts\n\nx\n\n`

  test('in order pass', () => {
    expect(milestones(entry('M-001 — One') + entry('M-002 — Two'))).toEqual([])
  })

  test.each([
    ['a hyphen that is not ASCII', entry('M\u2011001 — One'), 'id-hyphen'],
    ['another form', entry('M-1: One'), 'id-form'],
    ['a number twice', entry('M-001 — One') + entry('M-001 — Two'), 'id-order'],
    ['no criteria', entry('M-001 — One').replace('### Criteria\n\nx\n\n', ''), 'section-missing'],
    ['no entry at all', 'x\n', 'section-missing'],
  ])('%s is found', (_, entries, rule) => {
    expect(milestones(entries).map((finding) => finding.split(' ')[1])).toContain(rule)
  })
})

describe('content', () => {
  test.each([
    ['a link to nothing', '[a](nowhere.md)', 'link'],
    ['a link to a heading that is not there', '[a](#nothing)', 'link'],
    ['a link out of the repository', '[a](../../x.md)', 'link'],
    ['an undefined reference', 'see [a][b]', 'link-undefined'],
    ['a placeholder', 'TBD', 'placeholder'],
    ['a bracketed placeholder', '[OWNER_NOT_PROVIDED]', 'placeholder'],
    ['a fence without a language', '```\nx\n```', 'fence-language'],
    ['a table row with too many cells', '| a | b |\n|---|---|\n| 1 | 2 | 3 |', 'table-cells'],
  ])('%s is found', (_, body, rule) => {
    expect(one(overview(body)).map((finding) => finding.split(' ')[1])).toEqual([rule])
  })

  test('an open fence is found', () => {
    expect(one(`${overview('x')}\n\`\`\`text\nnever closed\n`).map((finding) => finding.split(' ')[1])).toContain(
      'fence-open',
    )
  })

  test.each(['`TODO` in code', '> TODO in a quote', '[a](https://example.org/x)', '```text\nTODO\n```'])(
    '%j is fine',
    (body) => {
      expect(one(overview(body))).toEqual([])
    },
  )
})

test('the whole suite is asked for by name', () => {
  const missing = lintSuite([]).map((finding) => finding.path)
  expect(missing).toHaveLength(12)
  expect(missing).toContain('docs/ANCHOR.md')
})

test('findings are lines with place, rule and fix, and a last line sums up', () => {
  const lines = formatFindings(
    lintSuite([{ path: 'docs/00_overview.md', text: overview('TBD') }], {
      expectWholeSuite: false,
      otherPaths: new Set(),
    }),
  )
  expect(lines[0]).toMatch(/^docs\/00_overview\.md:15 {2}error {4}placeholder {2}.+ Fix: .+/)
  expect(lines.at(-1)).toBe('✗ 1 errors, 0 warnings')
})

test('no text makes it throw', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 400 }), (text) => Array.isArray(lintSuite([{ path: 'docs/ANCHOR.md', text }]))),
  )
})

test.each([
  ['brackets', '['.repeat(20_000)],
  ['headings', '# a\n'.repeat(20_000)],
  ['fences', '```\n'.repeat(20_001)],
  ['stars', '*a '.repeat(30_000)],
])('%s by the thousand do not stall it', (_, text) => {
  const startedAt = performance.now()
  lintSuite([{ path: 'docs/ANCHOR.md', text }])
  expect(performance.now() - startedAt).toBeLessThan(10_000)
})
