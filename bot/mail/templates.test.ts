import { describe, expect, test } from 'vitest'
import type { Post } from '../surface.ts'
import { kindOf, letterOf } from './templates.ts'

const base: Post = { lines: [], buttons: [], under: null, isLoud: true }
const context = { publicUrl: 'https://qp.example.org', isConfigured: false }

const posts = {
  started: {
    ...base,
    lines: [
      '✓ parcel-desk: run r7k2 started',
      '  https://github.com/acme/parcel-desk · branch main',
      '  estimate $0 · about 4 s',
    ],
  },
  decision: {
    ...base,
    lines: [
      '● parcel-desk: ANCHOR.md waits for you',
      '  ! the README names no owner of the data',
      '  Open questions 1',
      '   Q1 Who may delete a parcel? (README.md:31)',
      '  14 requirements, each cited · sha 9f2c11ab04de',
      '  decided by: approver or admin · closes 2026-11-25 14:05 UTC',
    ],
    buttons: [
      { label: 'Approve ANCHOR.md', data: 'a7Kd02', style: 'primary', confirm: null },
      { label: 'Reject ANCHOR.md', data: 'r/9=?', style: 'danger', confirm: 'Sure?' },
    ],
  },
  completed: { ...base, lines: ['✓ parcel-desk: run r7k2 is done', '  12 documents · $0 · 5.8 s'] },
  failed: { ...base, lines: ['✗ parcel-desk: run r7k2 failed', '  the README is empty', '  Next: /retry r7k2'] },
  notice: { ...base, lines: ['‖ parcel-desk: run r7k2 is paused', '  the budget is used up'] },
} satisfies Record<string, Post>

describe('each kind of mail reads as a person expects', () => {
  test.each(Object.entries(posts))('%s', async (kind, post) => {
    expect(kindOf(post)).toBe(kind)
    const { subject, text, html } = letterOf(post, context)
    await expect(`Subject: ${subject}\n\n${text}`).toMatchFileSnapshot(`golden/${kind}.txt`)
    await expect(html).toMatchFileSnapshot(`golden/${kind}.html`)
  })

  test('a decision, where no address leads to this server', async () => {
    const { subject, text } = letterOf(posts.decision, { publicUrl: null, isConfigured: true })
    await expect(`Subject: ${subject}\n\n${text}`).toMatchFileSnapshot('golden/decision-without-links.txt')
  })
})

test('what strangers wrote stays text: no markup, no second header, no hidden letters', () => {
  const post: Post = {
    ...base,
    lines: ['✓ shop\r\nBcc: all@example.org', '<img src=http://evil.example/x> & "\u202egnp.exe\u200b'],
    buttons: [{ label: '<b>Yes</b>\n', data: 'x"><script>', style: 'plain', confirm: null }],
  }
  const { subject, text, html } = letterOf(post, context)
  expect(subject).toBe('QuantaPilot: Decision required: shop Bcc: all@example.org')
  expect(subject + text + html).not.toMatch(/[\r\u202e\u200b]/)
  expect(html).toContain('&lt;img src=http://evil.example/x&gt; &amp; &quot; gnp.exe')
  expect(html).not.toMatch(/<(?:img|script|b)\b/)
  expect(html).toContain('href="https://qp.example.org/g/x%22%3E%3Cscript%3E"')
})

test('nothing in a mail is fetched when it is read', () => {
  for (const post of Object.values(posts)) {
    expect(letterOf(post, context).html).not.toMatch(/<(?:img|link|script|iframe|style)|url\(|src=/)
  }
})

test('a long title is cut where mail programs would cut it', () => {
  const { subject } = letterOf({ ...base, lines: ['💥'.repeat(30) + 'x'.repeat(300)] }, context)
  expect([...subject]).toHaveLength(120)
  expect(subject.endsWith('…')).toBe(true)
})
