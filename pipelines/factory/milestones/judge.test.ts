import { expect, test } from 'vitest'
import { withReview } from './judge.ts'
import { sayBugs, sayReview } from './review-report.ts'
import type { Judgement, Milestone, Reviewed } from './shapes.ts'

const milestone: Milestone = {
  id: 'M-001',
  title: 'Paying',
  goal: 'Customers pay.',
  criteria: [
    { id: 'R-1', text: 'R-1: Customers must pay by card.' },
    { id: 'R-2', text: 'R-2: A receipt is sent.' },
    { id: null, text: 'It is fast.' },
  ],
}

const checked: Judgement = { patch: 'p', passed: true, report: '', facts: ['tests passed in 1.0 s'], risks: ['a risk'] }

type Verdict = Reviewed['criteria'][number]['verdict']

const held = (
  verdicts: readonly Verdict[],
  why: (index: number) => string,
  more: Partial<Reviewed> = {},
): Reviewed => ({
  by: 'acme/one',
  criteria: verdicts.map((verdict, index) => ({ verdict, why: why(index) })),
  bugs: [],
  leftOut: [],
  ...more,
})

const each = (index: number): string => `Reason ${index + 1}.`
const same = (): string => 'It could not be read.'

test.each([
  ['all are met', held(['met', 'met', 'met'], each), true, '3 of 3', []],
  [
    'some cannot be told',
    held(['met', 'cannot_tell', 'cannot_tell'], each),
    true,
    '1 of 3',
    [
      'acme/one cannot tell whether this is met: R-2: Reason 2.',
      'acme/one cannot tell whether this is met: “It is fast.”: Reason 3.',
    ],
  ],
  [
    'none can be told, for one reason',
    held(['cannot_tell', 'cannot_tell', 'cannot_tell'], same),
    true,
    '0 of 3',
    ['acme/one cannot tell whether this is met: R-1, R-2, “It is fast.”: It could not be read.'],
  ],
  ['one is not met', held(['met', 'not_met', 'met'], each), false, '2 of 3', []],
  [
    'it was not shown all',
    held(['met', 'met', 'met'], each, { leftOut: ['a: x', 'b: x', 'c: x', 'd: x', 'e: x'] }),
    true,
    '3 of 3',
    ['acme/one was not shown all: a: x; b: x; c: x; and 2 more.'],
  ],
  ['it says less than it was asked', held(['met'], each), true, '1 of 3', []],
])('%s', (_, reviewed, passed, count, risks) => {
  const output = withReview(milestone, checked, reviewed)
  expect(output).toMatchObject({ patch: 'p', passed, reviewed })
  expect(output.facts).toEqual(['tests passed in 1.0 s', `${count} criteria judged met by acme/one`])
  expect(output.risks).toEqual(['a risk', ...risks])
})

test('what goes back names each criterion that is not met in its first line, and why in the others', () => {
  const { report } = withReview(milestone, checked, held(['not_met', 'met', 'not_met'], each))
  expect(report.split('\n')).toEqual([
    'Not met, as acme/one judges: R-1, “It is fast.”.',
    '- R-1: Customers must pay by card.',
    '  Reason 1.',
    '- It is fast.',
    '  Reason 3.',
  ])
})

test('a change that failed before is not passed by a reviewer', () => {
  expect(
    withReview(milestone, { ...checked, passed: false, report: 'no' }, held(['met', 'met', 'met'], each)),
  ).toMatchObject({ passed: false, report: 'no' })
})

test('what is kept for people is a table and a list in which words of others stay words', () => {
  const bugs = [{ title: '# Approved | @ann', body: 'one\n</td>\n## two', path: 'a`.ts' }]
  const reviewed = held(['met', 'not_met', 'cannot_tell'], (index) => `a | b ${index}`, {
    bugs,
    leftOut: ['c.png: a *'],
  })
  const rows = sayReview(milestone, 2, reviewed).split('\n')
  expect(rows).toContain('| R-2: A receipt is sent. | **not met** | a \\| b 1 |')
  expect(rows).toContain('- c.png: a \\*')
  expect(rows[0]).toBe('# Review of M-001, round 2')
  const list = sayBugs(milestone, reviewed).split('\n')
  expect(list).toContain('## 1. \\# Approved \\| @\u2060ann')
  expect(list).toContain('> \\</td\\>')
  expect(list).toContain('> \\## two')
  expect(sayBugs(milestone, { ...reviewed, bugs: [] })).toContain('None.')
})
