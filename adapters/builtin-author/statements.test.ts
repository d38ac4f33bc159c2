import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readReadme } from './readme.ts'
import { baseId, passagesOf, type Statement, statementsOf } from './statements.ts'

function statementsIn(text: string): readonly Statement[] {
  return statementsOf(passagesOf(readReadme('README.md', new TextEncoder().encode(text))))
}

const kinds = (text: string) => statementsIn(text).map(({ kind, line, quote }) => [kind, line, quote])

describe('a normative sentence is a statement in any language', () => {
  test.each([
    ['en', 'The desk must open at eight.'],
    ['en', 'A parcel may not be opened.'],
    ['en', 'Every hand-over has to be signed.'],
    ['en', 'A pickup code is required.'],
    ['en', 'Clients MAY retry.'],
    ['ru', 'Заказ должен появиться за 5 секунд.'],
    ['ru', 'Телефон нельзя показывать.'],
    ['ru', 'Бот обязан предупредить гостя.'],
    ['de', 'Das Paket muss gescannt werden.'],
    ['de', 'Gäste dürfen nichts ändern.'],
    ['fr', 'Le service doit répondre.'],
    ['fr', 'Un mot de passe est obligatoire.'],
    ['es', 'El sistema debe guardar el pedido.'],
    ['es', 'No puede haber dos pedidos iguales.'],
    ['it', 'Il servizio deve rispondere.'],
    ['pl', 'System musi odpowiadać.'],
    ['uk', 'Система повинна відповідати.'],
    ['zh', '系统必须记录每个包裹。'],
    ['ja', 'ログインは必須です。'],
    ['ko', '모든 요청은 기록해야 한다.'],
    ['ar', 'يجب تسجيل كل طرد.'],
  ])('%s: %s', (_language, sentence) => {
    expect(statementsIn(sentence).map(({ quote }) => quote)).toEqual([sentence])
  })
})

describe('what is and what is not a statement', () => {
  test.each<[string, string, (string | number)[][]]>([
    ['plain prose states nothing', 'Parcels arrive by van.', []],
    ['a word in code does not oblige', 'Call `must()` first.', []],
    ['a hyphenated word does not oblige', 'A must-have for teams.', []],
    ['a question is not a statement', 'Must a guest sign in?', []],
    ['a heading is not a statement', '# You must read this\n', []],
    ['code is not a statement', '```\nit must run\n```\n\n    it must run\n', []],
    ['an HTML comment is not a statement', '<!-- it must run -->', []],
    ['front matter is not a statement', '---\ntitle: it must run\n---\n\nText.', []],
    ['text in HTML is prose', '<p>It must run.</p>', [['must', 1, 'It must run.']]],
    ['a quote is prose', '> It must run.', [['must', 1, 'It must run.']]],
    ['a footnote is prose', 'See[^1].\n\n[^1]: It must run.', [['must', 3, 'It must run.']]],
    ['a cell of a table counts', '| a | b |\n| - | - |\n| x | it must run |', [['must', 3, 'it must run']]],
    [
      'a row of a table of requirements is one, ranked by the words beside it',
      '| ID | Requirement | Priority | Acceptance |\n|-|-|-|-|\n| R1 | Users can sign in | Must | it works |\n| R2 | A list opens in 200 ms | Could | |\n| R3 | Payment | Won’t have | |',
      [
        ['must', 3, 'Users can sign in'],
        ['should', 4, 'A list opens in 200 ms'],
        ['non-goal', 5, 'Payment'],
      ],
    ],
    [
      'other priorities leave it a feature, and its own words oblige',
      '| Requirement | Prio |\n|-|-|\n| Users sign in | High |\n| It must stop | Low |',
      [
        ['feature', 3, 'Users sign in'],
        ['must', 4, 'It must stop'],
      ],
    ],
    [
      'a column of ranks is enough, whatever the others are called',
      '| # | Text | Level |\n|-|-|-|\n| 1 | Users can sign in | **must** |',
      [['must', 3, 'Users can sign in']],
    ],
    [
      'a table of features counts below such a heading, by what is said of each',
      '## Features\n\n| Feature | Description |\n|-|-|\n| Search | Finds notes by word |',
      [['feature', 5, 'Finds notes by word']],
    ],
    [
      'and by its names where nothing is said',
      '## Features\n\n| Feature | Free |\n|-|-|\n| Search | yes |',
      [['feature', 5, 'Search']],
    ],
    ['a comparison elsewhere lists no features', '## Alternatives\n\n| Feature | Ours |\n|-|-|\n| Search | yes |', []],
    ['a table of options ranks nothing', '| Option | Needed |\n|-|-|\n| a | optional |', []],
    ['a row that asks is a question', '| Requirement |\n|-|\n| Which currencies? |', []],
    [
      'each sentence counts once, where it starts',
      'It must log in. It runs\nand it must stop. Fine.',
      [
        ['must', 1, 'It must log in.'],
        ['must', 1, 'It runs\nand it must stop.'],
      ],
    ],
    [
      'an abbreviation does not end a sentence',
      'It must send e.g. a text. Ok.',
      [['must', 1, 'It must send e.g. a text.']],
    ],
    ['a hard break ends a sentence', 'It must run  \nand so on', [['must', 1, 'It must run']]],
    ['markup belongs to the quote', 'Yes. **It must run.** Ok.', [['must', 1, '**It must run.**']]],
    ['"should" is a recommendation', 'It should run.', [['should', 1, 'It should run.']]],
    ['a feature is a bullet under such a heading', '## Features\n\n- Fast', [['feature', 3, 'Fast']]],
    [
      'nested bullets count',
      '## Features\n\n- Fast\n  - Really',
      [
        ['feature', 3, 'Fast'],
        ['feature', 4, 'Really'],
      ],
    ],
    ['so does a Russian heading', '## Возможности\n\n- Быстро', [['feature', 3, 'Быстро']]],
    ['and a Chinese one', '## 功能\n\n- 高速', [['feature', 3, '高速']]],
    ['a bullet that is a clause counts anywhere', '- takes parcels in\n', [['feature', 1, 'takes parcels in']]],
    ['a bullet of two words does not', '- two words\n', []],
    ['a list of links is none', '## More\n\n- [A long link text](https://example.org)', []],
    ['an entry of a table of contents is none, whatever its words', '- [Required option](#required-option)', []],
    ['a link with a description is a list of links', '## More\n\n- [A](https://example.org) explains it all', []],
    ['a table of contents is none', '## Contents\n\n- What this is about', []],
    ['contributors are none', '## Contributors\n\n- Ada wrote the parser', []],
    [
      'an obligation counts under any heading',
      '## License\n\n- You must keep this notice',
      [['must', 3, 'You must keep this notice']],
    ],
    ['a task list counts without its box', '- [x] takes parcels in', [['feature', 1, 'takes parcels in']]],
    ['"Not:" is a non-goal', '- Not: routes', [['non-goal', 1, 'Not: routes']]],
    ['so is a bullet below such a heading', '## Out of scope\n\n- Payment', [['non-goal', 3, 'Payment']]],
    ['however it is hyphenated', '## Non Goals\n\n- Payment', [['non-goal', 3, 'Payment']]],
    ['in either of the two', '## Out-of-scope\n\n- Payment', [['non-goal', 3, 'Payment']]],
    ['and below others that mean it', '## Not included\n\n- Payment', [['non-goal', 3, 'Payment']]],
    [
      'what is left out of a list is a feature',
      '## Excluded files\n\n- Drafts must be skipped.',
      [['must', 3, 'Drafts must be skipped.']],
    ],
    ['so is what it does not do', 'It does not send parcels.', [['non-goal', 1, 'It does not send parcels.']]],
    ['a condition is no non-goal', 'If it does not start, wait.', []],
    ['carriage returns count lines', 'One.\r\n\r\nIt must run.\r\n', [['must', 3, 'It must run.']]],
    ['a byte order mark is no text', '\uFEFF# T\n\nIt must run.', [['must', 3, 'It must run.']]],
    ['underlined headings are headings', 'Features\n--------\n\n- Fast', [['feature', 4, 'Fast']]],
  ])('%s', (_name, text, expected) => {
    expect(kinds(text)).toEqual(expected)
  })
})

describe('ids', () => {
  test('are made of the words and not of their spacing', () => {
    expect(baseId('It must  run.\r\n')).toBe(baseId('It must run.'))
    expect(baseId('It must run.')).toMatch(/^R-[0-9a-f]{6}$/)
  })

  test('of the second identical statement end in -2', () => {
    const [first, second] = statementsIn('It must run.\n\nIt must run.')
    expect(second?.id).toBe(`${first?.id}-2`)
  })

  const block = fc.constantFrom(
    'Plain words only.',
    'It must run at night. It should stop.',
    '- takes parcels in\n- hands them out\n  - against a code',
    '1. one two three\n2. it must be four',
    '## Features',
    'Usage\n-----',
    '```sh\nit must not count\n```',
    '| a | b |\n| - | - |\n| x | it must run |',
    '| Id | Requirement | Priority |\n| - | - | - |\n| F1 | Notes are found | Must |',
    '<details>\n<summary>It must open</summary>',
    '> A quote must count.\n> It goes on.',
    '**Bold**: и это должно быть.',
    '必须记录。必须保存。',
    '[ref]: https://example.org\n',
  )

  test('stay when a statement is inserted: one more, none renamed', () => {
    fc.assert(
      fc.property(fc.array(block, { maxLength: 12 }), fc.nat(), fc.constantFrom('\n', '\r\n'), (blocks, at, end) => {
        const place = blocks.length === 0 ? 0 : at % (blocks.length + 1)
        const inserted = [...blocks.slice(0, place), 'A probe must be found.', ...blocks.slice(place)]
        const idsOf = (parts: readonly string[]) =>
          statementsIn(parts.join('\n\n').replaceAll('\n', end)).map(({ id }) => id)
        expect(idsOf(inserted).toSorted()).toEqual([...idsOf(blocks), baseId('A probe must be found.')].toSorted())
      }),
      { seed: 7, numRuns: 200 },
    )
  })

  test('any text at all is read, and every quote is in it on its line', () => {
    const any = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.array(fc.oneof(block, fc.string()), { maxLength: 8 }).map((parts) => parts.join('\n')),
    )
    fc.assert(
      fc.property(any, (text) => {
        const readme = readReadme('README.md', new TextEncoder().encode(text))
        for (const { quote, start, line } of statementsOf(passagesOf(readme))) {
          expect(readme.text.slice(start, start + quote.length)).toBe(quote)
          expect(readme.text.slice(0, start).split(/\r\n?|\n/).length).toBe(line)
        }
      }),
      { seed: 11, numRuns: 300 },
    )
  })
})

describe('long texts', () => {
  const words = 'Words that fill a page and state nothing at all.\n\n'

  test('are read in pieces with the same statements on the same lines', () => {
    const readme =
      '## Features\n\n- Fast [link][ref]\n\n```md\nfoo\n\nit must not count\n```\n\nIt must run.\n\n[ref]: https://example.org\n'
    const short = statementsIn(readme).map(({ quote, line }) => [quote, line])
    const pages = 1_000
    const long = statementsIn(words.repeat(pages) + readme).map(({ quote, line }) => [quote, line - 2 * pages])
    expect(long).toEqual(short)
  })

  test.each([
    ['emphasis', '**a '],
    ['brackets', '['],
    ['quotes', '> '],
    ['lists', '- '],
    ['comments', '<!--'],
    ['addresses', 'a.a@'],
    ['columns', '|a'],
    ['stops', '.'],
    ['digits', '1'],
    ['spaces', ' '],
    ['underlines', 'a\n===\n'],
    ['definitions', '[a]: b\n'],
    ['questions', '? '],
  ])('made of %s take no more than a moment', (_name, unit) => {
    const before = process.threadCpuUsage()
    statementsIn(unit.repeat(Math.floor(50_000 / unit.length)))
    expect(process.threadCpuUsage(before).user / 1_000).toBeLessThan(10_000)
  })
})
