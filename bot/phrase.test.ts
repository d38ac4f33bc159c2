import { drawGate, drawNote, drawRun } from './cards.ts'
import { describe, expect, test } from 'vitest'
import type { GateCard, LedgerLine, RunCard } from '../core/model/card.ts'
import { card, gate } from './card.fixtures.ts'
import { diffLines } from './diff.ts'
import { sayMoney, table } from './layout.ts'
import { sayBudget, sayCard, sayDuration, sayGate, sayProgress, sayReply, sayRunLine } from './phrase.ts'
import { sayNext } from './say-next.ts'

test.each([
  [900, '0.9 s'],
  [185_000, '3 min 5 s'],
  [7_800_000, '2 h 10 min'],
  [356_400_000, '4 d 3 h'],
])('%i ms is said as %s', (ms, text) => {
  expect(sayDuration(ms)).toBe(text)
})

test('money is short where it is nothing and exact where it is not', () => {
  expect([sayMoney(0), sayMoney(1_500_000)]).toEqual(['$0', '$1.50'])
})

test('the bar fills as items end', () => {
  expect(sayProgress({ n: 3, of: 6, title: '' }, false)).toBe('██░░░░ 3/6')
  expect(sayProgress({ n: 6, of: 6, title: '' }, true)).toBe('██████ 6/6')
  expect(sayProgress({ n: 47, of: 92, title: '' }, false)).toBe('██████████░░░░░░░░░░ 47/92')
  expect(sayProgress({ n: 92, of: 92, title: '' }, true)).toBe('████████████████████ 92/92')
})

describe('a card', () => {
  test('reads in about ten lines and ends with the next step', () => {
    const lines = sayCard(card)
    expect(lines.length).toBeLessThanOrEqual(14)
    expect(lines[0]).toBe('Run r7k2  ██░░░░ 3/6  ● waiting for a decision · 5.8 s · $0')
    expect(lines.at(-1)).toBe('  Next: /approve r7k2, /changes r7k2 <what>, or /reject r7k2 <reason>')
    expect(lines.join('\n')).toContain('id c1, started by ada')
  })

  test('says the state in words, whatever the glyph', () => {
    expect(sayRunLine({ ...card, state: 'failed', waitingFor: null })).toContain('✗ failed')
  })

  test('leads to the pull request, where there is one', () => {
    const pullRequest = { number: 7, url: 'https://github.com/ada/shop/pull/7', end: null }
    expect(sayCard({ ...card, pullRequest })).toContain('  pull request #7  https://github.com/ada/shop/pull/7')
    const drawn = drawRun({ ...card, pullRequest }, 'key')
    expect(drawn.lines).toContain('pull request #7  https://github.com/ada/shop/pull/7')
    const merged = sayCard({ ...card, pullRequest: { ...pullRequest, end: 'merged' } })
    expect(merged).toContain('  pull request #7 (merged)  https://github.com/ada/shop/pull/7')
  })

  test('warns at 80 % of the budget', () => {
    const money = { ...card.money, spentMicros: 8_000_000 }
    expect(sayCard({ ...card, money }).join('\n')).toContain('! over 80 %')
  })
})

test('a gate shows risks and questions before everything else, then the digest and who may decide', () => {
  expect(sayGate(gate)).toEqual([
    '● WAITING FOR YOU: ANCHOR.md',
    '  ANCHOR.md of shop',
    '  ! text addressed to an agent',
    '  Open questions 1',
    '   Q1 Who may delete a parcel? (README.md:31)',
    '  14 requirements, each cited · sha 9f2c11ab04de',
    '  decided by: approver',
  ])
})

test('a table is as wide as its cells', () => {
  expect(table(['a', 'bb'], [['longer', 'x']])).toEqual(['a       bb', 'longer  x'])
})

test('a diff names what went and what came', () => {
  expect(diffLines('a\nb', 'a\nc')).toEqual(['- b', '+ c'])
  expect(diffLines(null, 'a')).toEqual(['+ a'])
})

describe('where a run’s money went', () => {
  const money = { spentMicros: 400_000, spentTokens: 90_000, reservedMicros: 0, capMicros: 1e7, capTokens: 2e6 }
  const say = (...ledger: readonly LedgerLine[]) =>
    sayReply({ kind: 'budget', handle: 'r7k2', money, ledger, held: [], asked: null }).slice(1)
  const line = (step: string, spentMicros: number, spentTokens: number): LedgerLine => ({
    step,
    purpose: 'agent with m',
    calls: 2,
    spentMicros,
    spentTokens,
    reservedMicros: 0,
  })

  test('is shown as shares, by dollars', () => {
    expect(say(line('implement M-001', 300_000, 10_000), { ...line('anchor', 100_000, 80_000), calls: 1 })).toEqual([
      '  ████░ 75 % · implement M-001 · agent with m · 2 calls · $0.30 · 10,000 tokens',
      '  █░░░░ 25 % · anchor · agent with m · 1 call · $0.10 · 80,000 tokens',
    ])
  })

  test('has the rounds of a step and the documents of a model in one line each', () => {
    const writing = (step: string, name: string): LedgerLine => ({
      ...line(step, 20_000, 1_000),
      purpose: `writing docs/${name}.md with m`,
      calls: 1,
    })
    const documents = ['00_overview', '10_architecture', '20_requirements'].map((name) => writing('suite', name))
    const again = [writing('suite#2', '00_overview'), line('m-001-implement', 40_000, 500)]
    expect(say(writing('anchor', 'ANCHOR'), ...documents, ...again, line('m-001-implement#2', 60_000, 700))).toEqual([
      '  ███░░ 50 % · m-001-implement · agent with m · 4 calls · $0.10 · 1,200 tokens',
      '  ██░░░ 40 % · suite · writing 3 documents with m · 4 calls · $0.08 · 4,000 tokens',
      '  █░░░░ 10 % · anchor · writing docs/ANCHOR.md with m · 1 call · $0.02 · 1,000 tokens',
    ])
  })

  test('with what stays set aside because nobody knows better, and what to do', () => {
    const held = [
      { id: '018f-00a9160113', step: 'anchor', purpose: 'writing a.md', reservedMicros: 300_000, reservedTokens: 9 },
    ]
    expect(sayReply({ kind: 'budget', handle: 'r7k2', money, ledger: [], held, asked: null }).slice(1)).toEqual([
      '  Nobody knows what these calls cost, so this stays set aside, the oldest first:',
      '  a9160113 · anchor · writing a.md · $0.30',
      '  Once you know from its bill: /budget r7k2 a9160113 <dollars>',
    ])
  })

  test('by tokens where nothing costs dollars, and without shares where nothing was used', () => {
    expect(say(line('a', 0, 9_000), line('b', 0, 1_000)).map((text) => text.slice(0, 14))).toEqual([
      '  █████ 90 % ·',
      '  █░░░░ 10 % ·',
    ])
    expect(say({ ...line('a', 0, 0), reservedMicros: 50_000 })).toEqual([
      '  a · agent with m · 2 calls · $0 ($0.05 reserved) · 0 tokens',
    ])
  })
})

test('a run that has nothing to spend is not measured against a cap of nothing', () => {
  expect(sayBudget({ spentMicros: 0, reservedMicros: 0, capMicros: 0, spentTokens: 0, capTokens: 0 })).toBe('spent $0')
})

const money: GateCard = {
  ...gate,
  gateId: 'm',
  name: 'budget',
  kind: 'budget',
  subject: {
    artifact: { name: 'budget', sha256: '', sizeBytes: 0 },
    what: 'Raise the budget of run r7k2 by $5.00',
    risks: [],
    questions: [],
    changes: [],
    facts: ['spent $9.90, reserved $0.00'],
    micros: 5_000_000,
  },
}

test('what is said to do about open gates can be done: each by its name, and nobody writes money again', () => {
  expect(sayNext(card)).toBe('/approve r7k2, /changes r7k2 <what>, or /reject r7k2 <reason>')
  expect(sayNext({ ...card, state: 'running', gates: [money] })).toBe('/approve r7k2, or /reject r7k2 <reason>')
  expect(sayNext({ ...card, gates: [gate, money] })).toBe(
    '/approve r7k2 anchor or /approve r7k2 budget; to say no, /reject r7k2 --gate anchor <reason>',
  )
})

test('a message of its own says what to do next', () => {
  expect(drawNote(card, 'gate_reminder', null)?.lines.at(-1)).toBe(`Next: ${sayNext(card)}`)
  const paused: RunCard = {
    ...card,
    state: 'paused',
    reasonCode: 'operator',
    reason: 'Paused by an operator.',
    gates: [],
  }
  expect(drawNote(paused, 'run_paused', null)?.lines).toEqual([
    '‖ Run r7k2 is paused: Paused by an operator.',
    'Next: /resume r7k2',
  ])
  const failed: RunCard = { ...card, state: 'failed', reasonCode: 'FATAL', reason: 'No.', gates: [] }
  expect(drawNote(failed, 'run_failed', null)?.lines.at(-1)).toBe('Next: /retry r7k2 once the cause is mended')
  expect(drawNote({ ...failed, state: 'running' }, 'run_failed', null)?.lines, 'it was tried again since').toHaveLength(
    1,
  )
})

test('however much there is to say, a card says what to do, whose bytes they are and who decides', () => {
  const long = 'why 😀 '.repeat(1_500)
  const failed = drawRun({ ...card, state: 'failed', reasonCode: 'FATAL', reason: long, gates: [] }, 'k')
  expect(failed.lines.at(-1)).toBe('Next: /retry r7k2 once the cause is mended')
  expect(failed.lines.join()).toContain('spent $0 of $10.00')
  const changes = Array.from({ length: 12 }, () => `+ ${long}`)
  const facts = [...gate.subject.facts, long]
  const shown = drawGate({ ...gate, subject: { ...gate.subject, changes, what: long, facts } }, 'k')
  expect(shown.lines.at(-2)).toMatch(/^14 requirements, each cited · why .* sha 9f2c11ab04de$/)
  expect(shown.lines.at(-1)).toBe('decided by: approver')
  for (const { lines } of [failed, shown]) {
    expect(lines.join('\n').length).toBeLessThanOrEqual(1_500)
    expect(lines.every((line) => line.isWellFormed())).toBe(true)
  }
})

test('what comes of a decision about money is said as that', () => {
  const voted = { kind: 'voted', gate: 'budget', sha256: null, votes: 1, quorum: 1 } as const
  const decided = (verdict: 'approved' | 'rejected', more: Partial<RunCard>) =>
    sayReply({ ...voted, verdict, card: { ...card, ...more, gates: [{ ...money, verdict }] } })
  expect(decided('approved', { state: 'running' })).toEqual([
    '✓ Approved by you: Raise the budget of run r7k2 by $5.00',
  ])
  expect(decided('rejected', { state: 'paused', reasonCode: 'budget' })).toEqual([
    '✓ Refused: run r7k2 gets no more money by this.',
    '  Next: /budget r7k2 +5, or /cancel r7k2',
  ])
})

test('a card leads to the pull request of its run, and its gate to the one it is about', () => {
  const url = 'https://github.com/ada/shop/pull/7'
  expect(drawRun({ ...card, pullRequest: { number: 7, url, end: null } }, 'k').links).toEqual([url])
  const facts = ['https:/evil.example/x, a.ts', 'opens 1 issue: “https://evil.example/x”', url]
  expect(drawGate({ ...gate, subject: { ...gate.subject, facts } }, 'k').links).toEqual([url])
})
