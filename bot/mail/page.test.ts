import { expect, test } from 'vitest'
import type { Command } from '../../core/commands/command.ts'
import type { GateCard } from '../../core/model/card.ts'
import { accepted, refused } from '../../core/model/problem.ts'
import type { GatePageParts } from './page.ts'
import { createGatePages } from './page.ts'

const sha256 = '9f2c11ab04de'.padEnd(64, '0')

const open: GateCard = {
  gateId: 'g1',
  runId: 'r1',
  handle: 'r7k2',
  name: 'anchor',
  kind: 'plan',
  subject: {
    artifact: { name: 'docs/ANCHOR.md', sha256, sizeBytes: 10 },
    what: 'What the project is <script>alert(1)</script>',
    risks: ['no owner is named'],
    questions: [],
    changes: [],
    facts: ['14 requirements'],
  },
  roles: ['approver'],
  people: null,
  quorum: 1,
  escalated: null,
  votes: 0,
  openedAt: new Date(0),
  expiresAt: null,
  verdict: null,
  decidedBy: null,
  decidedInPlaceOf: null,
  decidedAt: null,
}

/** The pages of one link, and what was decided through them. */
function aPage(
  gate: GateCard = open,
  answer: Awaited<ReturnType<GatePageParts['decide']>> = accepted({
    kind: 'gates',
    gates: [],
    page: 1,
    hasMore: false,
  }),
) {
  const asked: { readonly token: string; readonly command: Command; readonly deliveryId: string }[] = []
  const pages = createGatePages({
    find: (token) => Promise.resolve(token === 'a7Kd02' ? { gate, project: 'parcel-desk' } : null),
    decide: (token, command, deliveryId) => {
      asked.push({ token, command, deliveryId })
      return Promise.resolve(answer)
    },
  })
  return { pages, asked }
}

test('opening a link shows what is to be decided and decides nothing', async () => {
  const { pages, asked } = aPage()
  const { status, body } = await pages.get('a7Kd02')
  expect(status).toBe(200)
  for (const shown of ['parcel-desk', 'ANCHOR.md', '! no owner is named', '9f2c11ab04de', 'approver']) {
    expect(body).toContain(shown)
  }
  for (const button of ['approve', 'changes', 'reject']) expect(body).toContain(`name="choice" value="${button}"`)
  expect(asked).toEqual([])
})

test('the page runs no script, loads nothing, tells nobody its address and cannot be framed', async () => {
  const { headers, body } = await aPage().pages.get('a7Kd02')
  expect(body).not.toMatch(/<script|src=|href=| on\w+=| style=/i)
  expect(body).toContain('&lt;script&gt;')
  expect(headers['Content-Security-Policy']).toMatch(
    /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'/,
  )
  expect(headers['Content-Security-Policy']).toContain("frame-ancestors 'none'")
  expect(headers).toMatchObject({ 'Referrer-Policy': 'no-referrer', 'Cache-Control': 'no-store' })
})

test('sending the form decides the exact bytes that were shown, as the recipient; the same form again is a repeat', async () => {
  const { pages, asked } = aPage()
  expect((await pages.post('a7Kd02', { choice: 'approve' })).status).toBe(200)
  await pages.post('a7Kd02', { choice: 'reject', reason: ' not this ' })
  await pages.post('a7Kd02', { choice: 'approve' })
  const gate = { run: 'r7k2', gate: 'g1', sha256 }
  expect(asked.map(({ command }) => command)).toEqual([
    { kind: 'approve', ...gate },
    { kind: 'reject', ...gate, reason: 'not this' },
    { kind: 'approve', ...gate },
  ])
  expect(asked[0]?.token).toBe('a7Kd02')
  const [first, other, again] = asked.map(({ deliveryId }) => deliveryId)
  expect(again).toBe(first)
  expect(other).not.toBe(first)
  expect(first).not.toContain('a7Kd02')
})

test.each([{ choice: 'reject' }, { choice: 'changes', reason: '  ' }, { choice: 'no' }, {}, null])(
  'the form %j lacks what it needs, and the page asks again',
  async (form) => {
    const { pages, asked } = aPage()
    const { status, body } = await pages.post('a7Kd02', form)
    expect(status).toBe(422)
    expect(body).toContain('Say why')
    expect(body).toContain('<form')
    expect(asked).toEqual([])
  },
)

test('who is too late or may not hears why', async () => {
  const late = refused('already_decided', 'Bob approved this at 14:05.', 'See /status r7k2.')
  const { status, body } = await aPage(open, late).pages.post('a7Kd02', { choice: 'approve' })
  expect(status).toBe(409)
  expect(body).toContain('Bob approved this at 14:05.')
})

test('a decided gate shows its decision and no buttons; an unknown link shows nothing', async () => {
  const decided: GateCard = { ...open, verdict: 'approved', decidedBy: 'Bob', decidedAt: new Date(0) }
  const { body } = await aPage(decided).pages.get('a7Kd02')
  expect(body).toContain('approved by Bob')
  expect(body).not.toContain('<form')
  const { pages, asked } = aPage()
  expect((await pages.get('other')).status).toBe(404)
  expect((await pages.post('other', { choice: 'approve' })).status).toBe(404)
  expect(asked).toEqual([])
})
