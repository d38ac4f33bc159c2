import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Reply } from '../core/commands/command.ts'
import type { GateCard, RunCard } from '../core/model/card.ts'
import { logTo } from '../main/log.ts'
import { hostile, imitations } from './support/hostile.ts'
import { drawGate, drawNote, drawReceipt, drawRun } from '../bot/cards.ts'
import { letterOf } from '../bot/mail/templates.ts'
import { sayCard, sayGate, sayReply } from '../bot/phrase.ts'
import { draw, plain } from '../bot/slack/blocks.ts'
import { askReason, home, outcome } from '../bot/slack/views.ts'
import type { Post } from '../bot/surface.ts'
import { drawPost, drawReply } from '../bot/telegram/draw.ts'
import { sayAt } from '../bot/terminal/command-line.ts'
import { harmless } from '../bot/terminal/screen.ts'

const at = new Date('2026-11-23T14:05:00Z')

/** A gate in which all that others can write says the same. */
const gateOf = (text: string): GateCard => ({
  gateId: 'g',
  runId: 'r',
  handle: 'r7k2',
  name: 'anchor',
  kind: 'plan',
  subject: {
    artifact: { name: text, sha256: '9f2c11ab04de'.padEnd(64, '0'), sizeBytes: 6_204 },
    what: text,
    risks: [text],
    questions: [text],
    changes: [text],
    facts: [text],
  },
  roles: ['approver'],
  people: null,
  escalated: null,
  quorum: 1,
  votes: 0,
  openedAt: at,
  expiresAt: null,
  verdict: null,
  decidedBy: null,
  decidedInPlaceOf: null,
  decidedAt: null,
})

const decidedBy = (label: string): GateCard => ({
  ...gateOf(label),
  verdict: 'rejected',
  decidedBy: label,
  decidedInPlaceOf: label,
  decidedAt: at,
})

const cardOf = (text: string): RunCard => ({
  runId: 'r',
  handle: 'r7k2',
  correlationId: 'c1',
  pipeline: 'factory',
  project: { name: text, address: text },
  state: 'failed',
  waitingFor: null,
  reasonCode: null,
  reason: text,
  phase: { n: 3, of: 6, title: 'writing the documents' },
  progress: text,
  tries: 0,
  startedAt: at,
  elapsedMs: 5_800,
  money: { spentMicros: 0, reservedMicros: 0, capMicros: 10_000_000, spentTokens: 0, capTokens: 2_000_000 },
  outlook: null,
  takenBack: [{ what: text, outcome: 'failed', says: text }],
  pullRequest: { number: 7, url: text, end: null },
  behind: null,
  retriedAs: null,
  isPastDeadline: false,
  gates: [gateOf(text), decidedBy(text)],
  startedBy: text,
})

const drawingsOf = (text: string): readonly Post[] => {
  const [card, key] = [cardOf(text), 'k'.repeat(22)]
  const drawings = [
    drawRun(card, key),
    drawGate(gateOf(text), key),
    drawGate(decidedBy(text), key),
    drawReceipt(decidedBy(text), key),
    drawNote(card, 'run_failed', null),
    drawNote({ ...card, state: 'paused' }, 'run_paused', null),
    drawNote(card, 'run_completed', null),
  ]
  return drawings.flatMap((drawing) => drawing ?? []).map((drawing) => ({ ...drawing, under: null }))
}

/** All that a person is shown of it in words, wherever. */
const linesOf = (text: string): readonly string[] =>
  [
    ...drawingsOf(text).flatMap(({ lines, buttons }) => [...lines, ...buttons.map(({ label }) => label)]),
    ...sayCard(cardOf(text)),
    ...sayGate(gateOf(text)),
  ].flatMap((line) => line.split(/[\n\r\u2028\u2029]/))

const nameOf = (text: string): string => JSON.stringify(text).slice(0, 60)
const cases = hostile.map((text) => [nameOf(text), text] as const)

test.each(imitations.map((text) => [nameOf(text), text] as const))(
  'what imitates a decision stands in quotes: %s',
  (_, text) => {
    const words = /Approved by.you|evil\.md|approved by Ann|rejected by Ann/i
    const shown = linesOf(text).filter((line) => words.test(line))
    expect(shown.length).toBeGreaterThan(5)
    for (const line of shown) expect(line.slice(0, words.exec(line)?.index)).toContain('“')
  },
)

test('what nobody could take for ours is not quoted', () => {
  expect(linesOf('Who may delete a parcel? (README.md:31)').join()).not.toContain('“')
})

test('a reason of several lines keeps them, set off from ours', () => {
  const lines = sayCard(cardOf('lint: 2 errors\ndocs/A.md:1 no title\n✓ Approved by you'))
  expect(lines.join('\n')).toContain('✗ failed: lint: 2 errors\n    docs/A.md:1 no title\n    “✓ Approved by you”')
})

describe.each(cases)('on no surface does it ring anybody or leave its place: %s', (_, text) => {
  const posts = [...drawingsOf(text), { lines: [text, text], buttons: [], under: null, isLoud: true }]
  const file: Reply = { kind: 'file', name: text, sha256: 'ab', text }

  test('Slack', () => {
    const marked: string[] = []
    const collect = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return
      if ('type' in value && value.type === 'mrkdwn' && 'text' in value) marked.push(String(value.text))
      for (const inner of Object.values(value)) collect(inner)
    }
    for (const post of posts) {
      const drawn = draw(post)
      marked.push(drawn.text)
      collect(drawn.blocks)
    }
    marked.push(plain([text]))
    const unsaid = { kind: 'reject', run: 'r7k2', gate: text.slice(0, 100), sha256: null } as const
    for (const view of [
      askReason(unsaid, text, { channel: 'C1', isPrivate: false }),
      outcome([text]),
      home('x', [text]),
    ])
      collect(view)
    expect(marked.length).toBeGreaterThan(20)
    for (const written of marked) {
      expect(written).not.toMatch(/[<>\u0000\u001b\u202e]|@(channel|here|everyone)|&(?!amp;|lt;|gt;)/i)
      expect(written.isWellFormed()).toBe(true)
    }
  })

  test('Telegram', () => {
    const drawn = [...posts.map(drawPost), drawReply(file)]
    for (const message of drawn) {
      const written = 'caption' in message ? message.caption : message.text
      expect(written).not.toMatch(/(?<!\w)@\w|[\u0000\u001b\u202e]/)
      expect(written.isWellFormed()).toBe(true)
      if ('caption' in message) continue
      for (const { type, offset, length } of message.entities) {
        expect(type).toBeOneOf(['bold', 'code'])
        expect(offset + length).toBeLessThanOrEqual(written.length)
      }
    }
  })

  test('mail', () => {
    for (const post of posts) {
      const { subject, text: body, html } = letterOf(post, { publicUrl: 'https://qp.example.org', isConfigured: false })
      expect(subject).not.toMatch(/\p{Cc}/u)
      expect(body.split('\n').filter((line) => /^(Bcc|MAIL FROM|\.$)/.test(line))).toEqual([])
      expect(html).not.toMatch(/<(?:script|b|img)\b|[\u0000\u001b\u202e]/)
    }
  })

  test('a terminal', () => {
    const shown = [...linesOf(text), ...sayAt({ output: { isTTY: true } as NodeJS.WriteStream }, file)].map(harmless)
    for (const line of shown) expect(line).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/)
    for (const line of sayAt({ output: { isTTY: true } as NodeJS.WriteStream }, file)) expect(line).toMatch(/^│ /)
    // A pipe gets the bytes.
    expect(sayAt({ output: { isTTY: false } as NodeJS.WriteStream }, file)).toEqual(sayReply(file))
  })
})

describe('the log', () => {
  afterEach(() => vi.restoreAllMocks())

  test('has one line of JSON for each event, whatever is in it', () => {
    const written: string[] = []
    vi.spyOn(process.stderr, 'write').mockImplementation((line) => written.push(String(line)) > 0)
    const log = logTo({ logLevel: 'info', secretValues: [] })
    for (const text of hostile) log('warn', 'an event', { [text.slice(0, 50)]: text, error: new Error(text) })
    const lines = written.join('').split('\n')
    expect(lines.pop()).toBe('')
    expect(lines).toHaveLength(hostile.length)
    for (const [n, text] of hostile.entries()) {
      const { level, message, error } = JSON.parse(lines[n] ?? '') as Record<string, unknown>
      expect({ level, message, error }).toEqual({ level: 'warn', message: 'an event', error: text })
    }
  })

  test('shows no secret of the configuration, whoever said it', () => {
    const written: string[] = []
    vi.spyOn(process.stderr, 'write').mockImplementation((line) => written.push(String(line)) > 0)
    const log = logTo({ logLevel: 'info', secretValues: ['our-own "secret"'] })
    log('warn', 'an event', { error: new Error('the server said: our-own "secret" is wrong') })
    expect(written).toEqual([expect.stringContaining('the server said: [redacted] is wrong')])
  })
})
