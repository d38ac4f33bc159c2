import { describe, expect, test } from 'vitest'
import type { Reply } from '../../core/commands/command.ts'
import type { Button } from '../surface.ts'
import { cut, drawButtons, drawConfirm, drawLines, drawReply } from './draw.ts'

const button = (more: Partial<Button> = {}): Button => ({
  label: 'Approve',
  data: 'g_8f3k',
  style: 'plain',
  confirm: null,
  ...more,
})

test.each([
  ['65 bytes', 'a'.repeat(65), null],
  ['33 letters of two bytes', 'ä'.repeat(33), null],
  ['64 bytes and a mark of ours', 'a'.repeat(64), 'Sure?'],
  ['nothing', '', null],
])('a button that carries %s fails loudly, before Telegram sees it', (_, data, confirm) => {
  expect(() => drawButtons([button({ data, confirm })])).toThrow(/bytes: Telegram allows 1 to 64/)
})

test('a button may carry 64 bytes', () => {
  expect(drawButtons([button({ data: 'a'.repeat(64) })]).inline_keyboard).toHaveLength(1)
})

test.each(['?x', '!x', '×'])('a button that carries %s fails loudly: it would be taken for one of ours', (data) => {
  expect(() => drawButtons([button({ data })])).toThrow('mark of ours')
})

test('more than eight buttons fail loudly', () => {
  expect(() => drawButtons(Array.from({ length: 9 }, () => button()))).toThrow('at most 8')
})

test('rows are about as wide as a phone', () => {
  const labels = ['Approve ANCHOR.md', 'Reject', 'Changes', 'Show the difference', 'A', 'B', 'C', 'D']
  const rows = drawButtons(labels.map((label) => button({ label }))).inline_keyboard
  expect(rows.map((row) => row.map(({ text }) => text))).toEqual([
    ['Approve ANCHOR.md', 'Reject', 'Changes'],
    ['Show the difference', 'A', 'B'],
    ['C', 'D'],
  ])
})

test('what cannot be undone is asked again, with Cancel on its own row', () => {
  const rows = drawConfirm('Cancel run r7k2', 'g_8f3k').inline_keyboard
  expect(rows.map((row) => row.map(({ text }) => text))).toEqual([['Cancel run r7k2'], ['Cancel']])
})

test('the title is bold; handles, digests and offered commands can be copied; nothing is escaped', () => {
  const { text, entities } = drawLines([
    '● Gate *plan*_!',
    'Run r7k2, reject nothing. (sha 0123456789ab)',
    'Did you mean /status r7k2?',
  ])
  expect(text).toBe('● Gate *plan*_!\nRun r7k2, reject nothing. (sha 0123456789ab)\nDid you mean /status r7k2?')
  expect(entities.map(({ type, offset, length }) => [type, text.slice(offset, offset + length)])).toEqual([
    ['bold', '● Gate *plan*_!'],
    ['code', 'r7k2'],
    ['code', '0123456789ab'],
    ['code', '/status r7k2'],
  ])
})

test.each([
  ['x'.repeat(4096), 4096],
  ['x'.repeat(4097), 4096],
  [`${'x'.repeat(4094)}😀😀`, 4095],
])('text is cut to what one message holds, never inside a letter', (text, length) => {
  const { text: drawn, entities } = drawLines([text])
  expect(drawn).toHaveLength(length)
  expect(drawn.isWellFormed()).toBe(true)
  for (const { offset, length } of entities) expect(offset + length).toBeLessThanOrEqual(drawn.length)
  expect(cut(text, 10)).toMatch(/…$/)
})

describe('a reply', () => {
  const long = Array.from({ length: 900 }, (_, i) => `line ${i}`).join('\n')
  test.each([
    ['a file', { kind: 'file', name: 'docs/ANCHOR.md', sha256: 'a'.repeat(64), text: '# Anchor' }, 'ANCHOR.md'],
    ['a file without an ending', { kind: 'file', name: 'NOTES', sha256: 'a'.repeat(64), text: 'x' }, 'NOTES.md'],
    ['a diff', { kind: 'diff', handle: 'r7k2', files: [{ name: 'a', before: null, after: 'b' }] }, 'r7k2.diff'],
    [
      'a file whose name would end a header',
      { kind: 'file', name: 'a;b"\r\nX: y.md', sha256: 'a'.repeat(64), text: 'x' },
      'a_b___X__y.md',
    ],
    [
      'a log',
      {
        kind: 'logs',
        handle: 'r7k2',
        lines: [{ at: new Date(0), kind: 'run_started', detail: {} }],
        page: 1,
        hasMore: false,
      },
      'r7k2-logs.txt',
    ],
    ['a long name and text', { kind: 'file', name: 'n'.repeat(2_000), sha256: 'a'.repeat(64), text: long }, /^n+\.md$/],
  ])('%s comes as a document', (_, reply, name) => {
    const drawn = drawReply(reply as Reply)
    expect('caption' in drawn && drawn.name).toMatch(name)
    expect('caption' in drawn && drawn.caption.length).toBeLessThanOrEqual(1024)
  })

  test('that is longer than a message comes whole, as a document', () => {
    const line = { handle: 'r7k2', name: 'x'.repeat(3_000), sizeBytes: 1, sha256: 'a'.repeat(64), step: 's' }
    const drawn = drawReply({ kind: 'artifacts', handle: 'r7k2', artifacts: [line, line] })
    expect('caption' in drawn && drawn.text.length).toBeGreaterThan(6_000)
  })

  test('with nothing in it says so', () => {
    expect(drawReply({ kind: 'diff', handle: 'r7k2', files: [] })).toMatchObject({ text: 'Nothing yet.' })
  })
})
