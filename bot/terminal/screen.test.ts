import { expect, test } from 'vitest'
import { Screen } from './screen.ts'
import { wrap } from './wrap.ts'

/** What a terminal of so many columns is written; null columns: a pipe. */
function written(columns: number | null, ...lines: readonly string[]): string {
  let out = ''
  const terminal = { isTTY: columns !== null, columns: columns ?? undefined, write: (text: string) => (out += text) }
  const streams = { out: terminal, input: {} } as unknown as { out: NodeJS.WriteStream; input: NodeJS.ReadStream }
  new Screen({ ...streams, colour: false }).print(...lines)
  return out
}

test('on a terminal a line is cut between words, and what goes on stands below where it began', () => {
  expect(written(40, '   Q2 How would a test tell “when needed” in this?')).toBe(
    '   Q2 How would a test tell “when\n     needed” in this?\n',
  )
  expect(written(40, '✗ failed: this is not valid:\n    quantapilot.yml:1 Unknown key `budget`')).toBe(
    '✗ failed: this is not valid:\n    quantapilot.yml:1 Unknown key\n      `budget`\n',
  )
})

test('the text of a file stays behind its bar, and a list keeps its columns', () => {
  expect(wrap('│ Records are numbered, and never edited once accepted.', 31)).toEqual([
    '│ Records are numbered, and',
    '│   never edited once accepted.',
  ])
  expect(wrap('  status [run]    one run with its open gates', 36)).toEqual([
    '  status [run]    one run with its',
    '                  open gates',
  ])
  expect(wrap('            what a run has spent so far', 24)).toEqual([
    '            what a run',
    '            has spent so',
    '            far',
  ])
})

test('a word that is wider than the terminal stays whole, and wide letters count twice', () => {
  const address = `https://example.org/${'a'.repeat(60)}`
  expect(wrap(`  see ${address} now`, 40)).toEqual(['  see', `    ${address}`, '    now'])
  expect(wrap('注文は 確認 する', 9)).toEqual(['注文は', '  確認', '  する'])
})

test('on a pipe a line stays a line', () => {
  const line = 'a line that is a good deal longer than forty columns'
  expect(written(null, line)).toBe(`${line}\n`)
})
