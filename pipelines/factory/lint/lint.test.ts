import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { documentSuite } from '../../../core/model/document-suite.ts'
import { formatFindings, lintSuite } from './lint.ts'
import { lintRules } from './rules.ts'

const head = (id: string) =>
  `---\nid: ${id}\ntitle: T\nstatus: draft\nversion: 0.1.0\nupdated: 2026-01-15\nowners: [a]\n---\n# T\n\n`
const words =
  'A sentence that says enough for a body to be worth its place in a suite of documents, and then some more of it.\n\n'
/** Lines 1 to 12 are the head, “Summary” is line 13, the body starts on line 15. */
const overview = (body: string) =>
  `${head('00_overview')}${words}## Summary\n\n${body}\n\n## Terminology\n\nx\n\n## Context\n\nx\n`

const options = { expectWholeSuite: false, otherPaths: new Set(['README.md', 'src/main.ts']) }

const findingsIn = (text: string, path = 'docs/00_overview.md') => lintSuite([{ path, text }], options)

/** Line and rule of each finding. */
const one = (text: string, path = 'docs/00_overview.md') =>
  findingsIn(text, path).map(({ line, rule }) => `${line} ${rule}`)

/** What a finding says, and what to do. */
const said = (text: string, path = 'docs/00_overview.md') =>
  findingsIn(text, path).map(({ message, fix }) => `${message} ${fix}`)

test('a document in order has no findings', () => {
  expect(one(overview('Fine, see [the README](../README.md) and [below](#context).'))).toEqual([])
})

test('Windows line ends, a byte order mark and lone carriage returns change nothing', () => {
  const text = overview('TBD')
  expect(one(text)).toEqual(['15 placeholder'])
  expect(one(text.replaceAll('\n', '\r\n'))).toEqual(['15 placeholder'])
  expect(one(`\uFEFF${text}`)).toEqual(['15 placeholder'])
  expect(one(text.replaceAll('\n', '\r'))).toEqual(['15 placeholder'])
})

describe('front matter', () => {
  const changed = (from: string, to: string) => overview('x').replace(from, to)

  test.each([
    ['none at all', overview('x').replace(/^---[\s\S]*?---\n/, ''), '1 front-matter'],
    ['a block that is never closed', changed('---\n# T', '# T'), '1 front-matter'],
    ['a key that is missing', changed('title: T\n', ''), '1 front-matter'],
    ['an id of another document', changed('id: 00_overview', 'id: overview'), '2 front-matter'],
    ['an empty title', changed('title: T', 'title: ""'), '3 front-matter'],
    ['a status that does not exist', changed('status: draft', 'status: done'), '4 front-matter'],
    ['a version in words', changed('0.1.0', 'one'), '5 front-matter'],
    ['a version with leading zeros', changed('0.1.0', '01.2.3'), '5 front-matter'],
    ['a version that YAML takes for a number', changed('0.1.0', '1.2'), '5 front-matter'],
    ['a day that does not exist', changed('2026-01-15', '2026-02-30'), '6 front-matter'],
    ['a date of another form', changed('2026-01-15', '15.01.2026'), '6 front-matter'],
    ['owners that are no list', changed('owners: [a]', 'owners: a'), '7 front-matter'],
    ['an owner without a name', changed('owners: [a]', 'owners:\n  - a\n  - ""'), '9 front-matter'],
    ['a key that stands twice', changed('title: T', 'title: T\ntitle: U'), '4 front-matter'],
    ['YAML that is none', changed('status: draft', 'status: [draft'), '5 front-matter'],
    ['a list instead of keys', changed('---\nid', '---\n- a\n---\nid'), '1 front-matter'],
    ['an endless alias', changed('owners: [a]', 'owners: &a [*a]'), '7 front-matter'],
  ])('%s is found on its line', (_, text, finding) => {
    expect(one(text)).toContain(finding)
  })

  test.each([
    ['a prerelease', '0.1.0', '"1.0.0-rc.1+build.7"'],
    ['a leap day', '2026-01-15', '2028-02-29'],
    ['no owners yet', 'owners: [a]', 'owners: []'],
    ['further keys', 'title: T', 'title: T\nreviewers: { lead: b }'],
  ])('%s is fine', (_, from, to) => {
    expect(one(changed(from, to))).toEqual([])
  })

  test('says what to write', () => {
    expect(said(changed('id: 00_overview', 'id: overview'))).toEqual([
      'id is overview, but docs/00_overview.md is 00_overview. Write id: 00_overview',
    ])
    expect(said(changed('title: T\n', ''))).toEqual(['The front matter has no title. Add title: Overview'])
    expect(said(changed('owners: [a]', 'owners: [a, ""]'))).toEqual([
      'Entry 2 of owners must not be empty. Write owners: [team-a]',
    ])
  })
})

describe('headings', () => {
  test.each([
    ['a second title', overview('# Again\n\nx'), ['15 title-repeated']],
    ['no title', overview('x').replace('# T\n', ''), ['9 title-missing']],
    ['a skipped level', overview('#### Deep\n\nx'), ['15 heading-level']],
    ['a document that starts far down', `${head('a').replace('# T', '### T')}${words}`, ['9 heading-level']],
    ['an empty section', overview(''), ['13 section-empty']],
    ['a section with nothing but a comment', overview('<!-- later -->'), ['13 section-empty']],
    ['a heading without text', overview('###\n\nx'), ['15 heading-empty']],
    ['the same heading twice', overview('### A\n\nx\n\n### A\n\nx'), ['19 heading-repeated']],
  ])('%s is found', (_, text, expected) => {
    const found = one(text, text.includes('00_overview') ? undefined : 'docs/other.md')
    expect(found).toEqual(expect.arrayContaining(expected))
  })

  test.each([
    ['the same heading under different parents', overview('### A\n\nx').replace('ogy\n\nx', 'ogy\n\n### A\n\nx')],
    ['levels that go up again by more than one', overview('### A\n\n#### B\n\nx')],
    ['a heading with only deeper headings below', overview('### A\n\n#### B\n\nx')],
    ['headings in quotes', overview('> # Quoted')],
  ])('%s is fine', (_, text) => {
    expect(one(text)).toEqual([])
  })

  test('a missing title and a body of a few words are warnings', () => {
    const found = findingsIn('---\nid: x\n---\nShort.\n', 'docs/other.md').filter(({ rule }) => rule !== 'front-matter')
    expect(found.map(({ rule, severity }) => `${rule} ${severity}`)).toEqual([
      'body-short warning',
      'title-missing warning',
    ])
  })

  test('a body of 100 characters is too short and one of 101 is not', () => {
    const body = (length: number) => one(head('x').replace('# T\n\n', 'a'.repeat(length)), 'docs/other.md')
    expect(body(100)).toContain('9 body-short')
    expect(body(101)).not.toContain('9 body-short')
  })
})

describe('sections', () => {
  const without = overview('x').replace('## Terminology\n\nx\n\n', '')

  test('one that is missing is asked for where it belongs', () => {
    expect(said(without)).toEqual([
      'The section “Terminology” is missing. Add ## Terminology after “Summary”, with its text.',
    ])
    expect(one(without)).toEqual(['13 section-missing'])
  })

  test('one that is spelled differently is named', () => {
    expect(said(overview('x').replace('## Terminology', '## terminologie'))).toEqual([
      'The section “Terminology” is missing; “terminologie” is close to it. Write ## Terminology',
    ])
  })

  test('one of another level is named', () => {
    expect(said(overview('x').replace('## Context', '### Context'))).toEqual([
      'The section “Context” is missing: this heading is of level 3. Write ## Context',
    ])
  })

  test('one that stands too early is told where to go', () => {
    const text = `${head('00_overview')}${words}## Context\n\nx\n\n## Summary\n\nx\n\n## Terminology\n\nx\n`
    expect(one(text)).toEqual(['13 section-order'])
    expect(said(text)).toEqual([
      '“Context” stands before “Terminology”. Move it below; the order is Summary, Terminology, Context.',
    ])
  })

  test('others may stand between them', () => {
    expect(one(overview('x').replace('## Context', '## History\n\nx\n\n## Context'))).toEqual([])
  })
})

describe.each([
  ['milestones', '30_milestones', 'M-', 3, ['Goal', 'Criteria', 'Artefacts']],
  ['decisions', '80_adrs', 'ADR-', 4, ['Context', 'Decision', 'Consequences']],
] as const)('%s', (_, id, prefix, width, names) => {
  const entry = (title: string) => `## ${title}\n\nx\n\n${names.map((name) => `### ${name}\n\nx\n\n`).join('')}`
  const page = (entries: string) => `${head(id)}${words}${entries}`
  const path = `docs/${id}.md`
  const numbered = (number: number) => `${prefix}${String(number).padStart(width, '0')}`

  test('in order pass, with gaps and with other sections between', () => {
    expect(
      one(page(`${entry(`${numbered(1)} — One`)}## Notes\n\nx\n\n${entry(`${numbered(3)} — Three`)}`), path),
    ).toEqual([])
  })

  test('a hyphen that is not ASCII is named, with the heading to write', () => {
    const title = `${numbered(1).replace('-', '\u2011')} — One`
    expect(one(page(entry(title)), path)).toEqual(['13 id-hyphen'])
    expect(said(page(entry(title)), path)).toEqual([
      `The hyphen in “${title}” is U+2011, not the ASCII one. Write ## ${numbered(1)} — One`,
    ])
  })

  test.each([
    `${prefix}1: One`,
    `${prefix.replace('-', ' ')}1 - One`,
    `${prefix.toLowerCase()}${'1'.padStart(width, '0')} — One`,
    `${prefix}${'1'.padStart(width, '0')} - One`,
  ])('%j is told its form', (title) => {
    expect(one(page(entry(title)), path)).toEqual(['13 id-form'])
    expect(said(page(entry(title)), path)[0]).toMatch(new RegExp(`Write ## ${numbered(1)} — One$`))
  })

  test('a number twice, and a lower one after a higher one, are found', () => {
    const titles = [2, 1, 2].map((number) => entry(`${numbered(number)} — Some`))
    expect(said(page(titles.join('')), path).filter((text) => text.startsWith(prefix))).toEqual([
      `${numbered(1)} stands after a higher number. Sort the entries by their numbers.`,
      `${numbered(2)} is used a second time; the first is on line 13. Use a free number.`,
    ])
  })

  test('what each must say is asked for, in order', () => {
    const title = `${numbered(1)} — One`
    const missing = entry(title).replace(`### ${names[1]}\n\nx\n\n`, '')
    expect(said(page(missing), path)).toEqual([
      `“${title}” has no “${names[1]}”. Add ### ${names[1]} after “${names[0]}”, with its text.`,
    ])
    const swapped = `## ${title}\n\nx\n\n${[names[1], names[0], names[2]].map((name) => `### ${name}\n\nx\n\n`).join('')}`
    expect(one(page(swapped), path)).toEqual(['17 section-order'])
  })

  test('none at all, or one of another level, is found', () => {
    expect(one(page('x\n'), path)).toEqual(['9 section-missing'])
    expect(one(page(`## Plan\n\nx\n\n### ${numbered(1)} — One\n\nx\n`), path)).toEqual(['17 section-missing'])
  })
})

describe('links', () => {
  test.each([
    ['to no file', '[a](nowhere.md)', 'link'],
    ['of an image to no file', '![a](nowhere.png)', 'link'],
    ['of a definition to no file', '[a]\n\n[a]: nowhere.md', 'link'],
    ['to no heading', '[a](#nothing)', 'link'],
    ['to a heading in other letters, which GitHub does not find', '[a](#Context)', 'link'],
    ['out of the repository', '[a](../../x.md)', 'link'],
    ['without an address', '[a]()', 'link'],
    ['to a reference that nothing defines', 'see [a][b]', 'link-undefined'],
    ['to a footnote that nothing defines', 'see[^1] this', 'link-undefined'],
  ])('%s are found', (_, body, rule) => {
    expect(one(overview(body))).toEqual([expect.stringMatching(new RegExp(`^1[57] ${rule}$`))])
  })

  test.each([
    '[a](https://example.org/x), <mailto:a@b.c>, [b](//example.org)',
    '[a](../README.md#whatever), [b](/src/main.ts?plain=1#L3), [c](../src/), [d](./00_overview.md)',
    '[a](#context), [b](#t), [c](#), [d](#top), [e](00_overview.md#summary)',
    'see [a][b] and [c][]\n\n[b]: ../README.md\n[c]: #context',
    'see[^1] this\n\n[^1]: A note.',
    'an index m[i][j], an escaped \\[a\\]\\[b\\], and `[a][b]`',
    '<a id="here"></a> and [there](#here)',
    '[a](%2e%2e/README.md)',
  ])('%j is fine', (body) => {
    expect(one(overview(body))).toEqual([])
  })

  test('headings have the addresses that GitHub gives them', () => {
    const headings = ['Same', 'Same', 'Same-1', 'Ünï & `code` — *it*!', 'a_b  c'].map((text) => `### ${text}\n\nx`)
    const links = ['same', 'same-1', 'same-1-1', '%C3%BCn%C3%AF--code--it', 'a_b--c'].map((slug) => `[x](#${slug})`)
    expect(one(overview([...links, ...headings].join('\n\n'))).filter((finding) => finding.endsWith(' link'))).toEqual(
      [],
    )
    expect(one(overview(['[x](#same-2)', ...headings].join('\n\n')))).toContain('15 link')
  })

  test('the file or heading that was probably meant is named', () => {
    expect(said(overview('[a](00_overveiw.md) [b](#contxt)'))).toEqual([
      'The link “#contxt” leads to a heading that docs/00_overview.md does not have. Write #context',
      'The link “00_overveiw.md” leads to docs/00_overveiw.md, which does not exist. Link to docs/00_overview.md, or remove the link.',
    ])
  })

  test('links between documents resolve both ways', () => {
    const linked = (text: string) => ({ path: 'docs/00_overview.md', text: overview(text) })
    const other = { path: 'docs/x.md', text: `${head('x')}${words}## Deep *down*\n\n[up](00_overview.md#summary)\n` }
    expect(lintSuite([linked('[a](x.md#deep-down)'), other], options)).toEqual([])
    expect(lintSuite([linked('[a](x.md#deep)'), other], options)).toHaveLength(1)
  })
})

describe('placeholders', () => {
  test.each([
    ['TBD', '15'],
    ['Some text\nand then TODO later', '16'],
    ['[OWNER_NOT_PROVIDED]', '15'],
    ['Lorem ipsum dolor', '15'],
    ['See me@example.org about the FIXME.', '15'],
    ['<!-- a\nTODO -->\n\nx', '16'],
    ['| a |\n|---|\n| XXX |', '17'],
    ['- one\n- two TBD', '16'],
  ])('%j is found on its line', (body, line) => {
    expect(one(overview(body))).toEqual([`${line} placeholder`])
  })

  test('each is found', () => {
    expect(one(overview('TODO and TBD\nand FIXME'))).toEqual(['15 placeholder', '15 placeholder', '16 placeholder'])
  })

  test.each([
    '`TODO` in code',
    '> TODO in a quote',
    '```text\nTODO\n```',
    'a todo list, todos, TODOS',
    '[A_B](#context)',
  ])('%j is fine', (body) => {
    expect(one(overview(body))).toEqual([])
  })
})

describe('code fences', () => {
  test.each([
    ['without a language', '```\nx\n```', '15 fence-language'],
    ['of tildes without a language', '~~~\nx\n~~~', '15 fence-language'],
    ['in a list, without a language', '- a\n\n  ```\n  x\n  ```', '17 fence-language'],
    ['closed by too few marks', '````text\nx\n```', '15 fence-open'],
    ['closed by marks behind text', '```text\nx ```', '15 fence-open'],
    ['closed by a line that opens one', '```text\nx\n```text', '15 fence-open'],
  ])('%s are found', (_, body, finding) => {
    expect(one(overview(body))).toContain(finding)
  })

  test('one that runs to the end of the file is found', () => {
    expect(one(`${overview('x')}\n\`\`\`text\nnever closed`)).toEqual(['25 fence-open'])
  })

  test.each([
    '```ts\nx\n```',
    '~~~~text\n```\n~~~~~',
    '> ```text\n> x\n> ```',
    '- a\n\n  ```text\n  x\n  ```',
    '1. a\n\n   > ```text\n   > x\n   > ```',
    '```text\n```',
    '    indented code',
  ])('%j is fine', (body) => {
    expect(one(overview(body))).toEqual([])
  })
})

describe('tables', () => {
  test.each([
    ['with a cell too many', '| a | b |\n|---|---|\n| 1 | 2 | 3 |', '17 table-cells'],
    ['with a cell too few', '| a | b |\n|---|---|\n| 1 | 2 |\n| 1 |', '18 table-cells'],
    ['that text runs into', '| a | b |\n|---|---|\n| 1 | 2 |\nThen text.', '18 table-cells'],
    ['whose second line is too short', '| a | b |\n|---|\n| 1 | 2 |', '16 table-head'],
  ])('%s are found', (_, body, finding) => {
    expect(one(overview(body))).toEqual([finding])
  })

  test.each([
    '| a | b |\n|:--|--:|\n| 1 \\| 2 | `x` |',
    'a | b\n- | -\n1 | 2',
    'a | b\nc | d',
    '| a |\n|---|\n\nText.',
  ])('%j is fine', (body) => {
    expect(one(overview(body))).toEqual([])
  })
})

describe('the suite', () => {
  test('is asked for document by document', () => {
    const missing = lintSuite([])
    expect(missing.map(({ path, line, rule }) => `${path}:${line} ${rule}`)).toEqual(
      documentSuite.map(({ path }) => `${path}:1 document-missing`).toSorted(),
    )
    expect(missing.find(({ path }) => path === 'docs/99_glossary.md')?.fix).toBe(
      'Write it, with the sections Terms, Abbreviations.',
    )
  })

  test('comes in the same order whatever the order of the files', () => {
    const files = ['b', 'a', 'c'].map((name) => ({ path: `docs/${name}.md`, text: 'TODO [x](y)' }))
    expect(lintSuite(files.toReversed())).toEqual(lintSuite(files))
  })
})

test('findings are lines in columns, and a last line sums up', () => {
  const findings = findingsIn(overview('TBD\n\n### A\n\nx\n\n### A\n\nx'))
  expect(formatFindings(findings)).toEqual([
    'docs/00_overview.md:15  error    placeholder       “TBD” stands for text that is not written.  fix: Write the text, or say that it is not known and name the open question.',
    'docs/00_overview.md:21  warning  heading-repeated  “A” stands here again; the first is on line 17.  fix: Merge the two, or give them different texts.',
    '✗ 1 error, 1 warning',
  ])
  expect(formatFindings([])).toEqual(['✓ 0 errors, 0 warnings'])
})

test('text of a document cannot break a line of the report or hide in it', () => {
  const [finding] = findingsIn(overview(`### ${'x\u202E\u0007'.repeat(200)}`))
  expect(finding?.message).toMatch(/^Nothing stands under “[x ]{59}…”\.$/)
})

test('every rule has an id of its own and a sentence', () => {
  expect(new Set(lintRules.map(({ id }) => id)).size).toBe(lintRules.length)
  for (const { says } of lintRules) expect(says).toMatch(/^[A-Z].+\.$/)
})

describe('whatever the text', () => {
  const pieces = ['---\n', '# ', '## ', '\n', '\n\n', '```', '~~~', '| a ', '|---|', '[a]', '(#b)', '[a]: ', '> ', '- ']
  const others = ['1. ', '*', '_', '`', '<!--', '-->', '&a;', 'id: ', '&x ', '*x', '[', '{', '\t', '\r', '\0', '\uD800']
  const piece = fc.constantFrom(...pieces, ...others, 'M\u2011001 — ', 'TODO', '![', '\\', 'www.a.b ', '[^1]', 'x')
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.array(piece, { maxLength: 80 }).map((all) => all.join('')),
  )

  test('it never throws, and every finding is on a line of the document', () => {
    fc.assert(
      fc.property(text, fc.constantFrom(...documentSuite), fc.boolean(), (body, { id, path }, hasHead) => {
        const whole = hasHead ? head(id) + body : body
        const last = whole.split(/\r\n|\r|\n/).length
        for (const { line, message, fix } of lintSuite([{ path, text: whole }], options)) {
          expect(line).toBeGreaterThanOrEqual(1)
          expect(line).toBeLessThanOrEqual(last)
          expect(`${message}${fix}`).not.toMatch(/undefined|NaN|\[object|\n/)
        }
      }),
      { numRuns: 300 },
    )
  })

  test.each([
    ['brackets', '['.repeat(200_000)],
    ['links that never end', '[a]('.repeat(50_000)],
    ['stars', '*a**b'.repeat(40_000)],
    ['nested stars', `${'*'.repeat(100_000)}a${'*'.repeat(100_000)}`],
    ['stars on lines of their own', '*a\n'.repeat(40_000)],
    ['stars in short paragraphs', '*a*\n\n'.repeat(24_000)],
    ['stars behind numbers that are no items', `text\n${'2. [a *b\n'.repeat(20_000)}`],
    ['stars behind indents that are no items', `text\n${'        - [a *b\n'.repeat(20_000)}`],
    ['stars behind bars that are no rows', `text\n${'| [a *b\n'.repeat(20_000)}`],
    ['backticks of all lengths', Array.from({ length: 600 }, (_, length) => '`'.repeat(length)).join(' ')],
    ['quotes in quotes', '> '.repeat(50_000)],
    ['lists in lists', '- '.repeat(50_000)],
    ['cells', `${'| a '.repeat(300)}|\n${'|---'.repeat(300)}|\n${`${'| a '.repeat(300)}|\n`.repeat(400)}`],
    ['definitions', '[a]: b\n'.repeat(20_000)],
    ['keys of front matter', `---\n${'a:\n'.repeat(40_000)}---\n`],
    ['brackets of front matter', `---\na: ${'['.repeat(100_000)}\n---\n`],
    ['placeholders', `${'TODO '.repeat(100)}\n`.repeat(400)],
    [
      'links that lead nowhere',
      `${'## A heading of some length\n\n'.repeat(4_000)}${'[a](#a-heading-of-any-length)\n\n'.repeat(4_000)}`,
    ],
    ['underlined headings', 'a\n-\n'.repeat(20_000)],
    ['quotes with lists in them', '> - a\n>\n> > b\n\n'.repeat(10_000)],
    ['lists far to the right', Array.from({ length: 600 }, (_, depth) => `${' '.repeat(depth * 2)}- a`).join('\n')],
    ['lines', '\n'.repeat(100_000)],
    ['spaces', `${' '.repeat(200_000)}x`],
    ['dashes', '- '.repeat(10) + '-'.repeat(200_000)],
    ['bars and dashes', '|-'.repeat(100_000)],
  ])('%s by the ten thousand do not keep it busy', (_, body) => {
    const before = process.threadCpuUsage()
    lintSuite([{ path: 'docs/ANCHOR.md', text: body }], options)
    const { user, system } = process.threadCpuUsage(before)
    expect((user + system) / 1_000).toBeLessThan(6_000)
  })

  test('what a link meant is looked for twenty times a page, and not among thousands of headings', () => {
    const meant = (headings: number) => {
      const names = Array.from({ length: headings }, (_, index) => `## Heading ${index}\n\nx\n\n`)
      return said(`${head('x')}${words}${names.join('')}${'[a](#heding-1)\n\n'.repeat(30)}`, 'docs/x.md')
    }
    expect(meant(10).filter((text) => text.endsWith('Write #heading-1'))).toHaveLength(20)
    expect(meant(600).filter((text) => text.endsWith('Write #heading-1'))).toEqual([])
  })

  test('a number that another heading has as its text is passed over', () => {
    const headings = ['More-1', 'More', 'More'].map((text) => `### ${text}\n\nx`).join('\n\n')
    expect(one(overview(`[a](#more-1) [b](#more) [c](#more-2)\n\n${headings}`))).toEqual(['25 heading-repeated'])
  })

  test('4,000 requirements, each with its quote, are read in a moment', () => {
    const entries = Array.from(
      { length: 4_000 },
      (_, index) => `### R-${index}\n\n> It must.\n\nSource: \`README.md:1\``,
    )
    const before = process.threadCpuUsage()
    expect(one(`${head('x')}${words}## All\n\n${entries.join('\n\n')}\n\nTBD\n`, 'docs/x.md')).toEqual([
      '24015 placeholder',
    ])
    expect(process.threadCpuUsage(before).user / 1_000).toBeLessThan(8_000)
  })

  test('200 kB of ordinary text, tables, lists and code are read, not refused', () => {
    const unit = `## Part\n\n${words.repeat(4)}| a | \`b\` |\n|---|---|\n${'| *1* | [2](../README.md) |\n'.repeat(20)}\n${'1. **one** of _many_\n'.repeat(30)}\n\`\`\`json\n${'[[1], [2], ["***"]]\n'.repeat(20)}\`\`\`\n\n`
    const text = `${head('x')}${unit.repeat(Math.ceil(200_000 / unit.length))}`
    const before = process.threadCpuUsage()
    const rules = new Set(findingsIn(text, 'docs/x.md').map(({ rule }) => rule))
    expect([...rules]).toEqual(['heading-repeated'])
    expect(process.threadCpuUsage(before).user / 1_000).toBeLessThan(10_000)
  })
})
