import { describe, expect, test } from 'vitest'
import { proveAgainst, sharedLines } from './against.ts'
import { baseId } from './statements.ts'

const readme = new TextEncoder().encode('# Shop\n\nA parcel must be scanned.\n\n- takes parcels in\n')

function entry(quote: string, line: number, id = baseId(quote)): string {
  return `#### ${id}\n\n> ${quote}\n\nSource: \`README.md:${line}\`\n`
}

const prove = (...entries: readonly string[]) =>
  proveAgainst(readme, [{ path: 'docs/20_requirements.md', text: entries.join('\n') }]).map(({ rule, line }) => [
    rule,
    line,
  ])

const scanned = entry('A parcel must be scanned.', 3)
const takes = entry('takes parcels in', 5)

describe('requirements against a README', () => {
  test('hold when each statement has one entry with its bytes and line', () => {
    expect(prove(scanned, takes)).toEqual([])
  })

  test.each<[string, string[], (string | number)[][]]>([
    ['a lost statement', [scanned], [['against/requirement-lost', 5]]],
    ['a doubled statement', [scanned, takes, takes], [['against/requirement-doubled', 13]]],
    ['a wrong line', [entry('A parcel must be scanned.', 4), takes], [['against/wrong-line', 1]]],
    [
      'a quote that was changed',
      [scanned, entry('takes parcels out', 5, baseId('takes parcels in'))],
      [['against/not-in-readme', 7]],
    ],
    ['an id of other words', [scanned, takes, entry('Shop', 1, 'R-000000')], [['against/wrong-id', 13]]],
    ['a quote that asks for nothing', [scanned, takes, entry('Shop', 1)], [['against/not-a-statement', 13]]],
    ['no quote at all', [scanned, takes, '#### R-000000\n\nWords.\n'], [['against/no-quote', 13]]],
  ])('%s is found', (_name, entries, expected) => {
    expect(prove(...entries)).toEqual(expected)
  })

  test('a quote in a fenced block is read as it is', () => {
    const fenced = `#### ${baseId('takes parcels in')}\n\n\`\`\`text\ntakes parcels in\n\`\`\`\n\nSource: \`README.md:5\`\n`
    expect(prove(scanned, fenced)).toEqual([])
  })

  test('without a document of requirements there is one finding', () => {
    expect(proveAgainst(readme, []).map(({ rule }) => rule)).toEqual(['against/no-requirements'])
  })
})

describe('shared lines', () => {
  const document = (path: string, lines: readonly string[]) => ({
    path,
    text: `---\nid: ${path}\n---\n\n# T\n\n${lines.join('\n')}\n`,
  })

  test('one line of five may be the same', () => {
    expect(sharedLines([document('a', ['1', '2', '3', '4', 'x']), document('b', ['5', '6', '7', '8', 'x'])])).toEqual(
      [],
    )
  })

  test('two of five may not', () => {
    const [finding] = sharedLines([document('a', ['1', '2', '3', 'y', 'x']), document('b', ['5', '6', '7', 'y', 'x'])])
    expect(finding).toMatchObject({ path: 'b', rule: 'suite/shared-lines', message: 'a and b share 2 of 5 lines.' })
  })
})
