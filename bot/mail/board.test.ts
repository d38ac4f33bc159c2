import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { Fault } from '../../core/model/problem.ts'
import { hostile } from '../../test/support/hostile.ts'
import type { Sent } from '../../test/support/mail-server.ts'
import { aMailServer, headerOf } from '../../test/support/mail-server.ts'
import type { Post } from '../surface.ts'
import { MailBoard, transportOptions } from './board.ts'
import { mailFault } from './mail-fault.ts'
import { mailEnvironment, mailSettings, type MailSettings } from './settings.ts'

const post: Post = {
  lines: ['● shop: ANCHOR.md waits for you', 'Größe <b>1</b>'],
  buttons: [{ label: 'Approve ANCHOR.md', data: 'a7Kd02', style: 'primary', confirm: null }],
  under: null,
  isLoud: true,
}

const timeouts = { connectMs: 2_000, answerMs: 2_000 }

function aBoard(port: number, more: Partial<MailSettings> = {}): MailBoard {
  const from = { name: 'QuantaPilot', address: 'qp@example.org' }
  const settings = { host: '127.0.0.1', port, secure: false, login: null, from, to: null, publicUrl: null, ...more }
  const board = new MailBoard(settings, timeouts)
  onTestFinished(() => board.stop())
  return board
}

/** The names of a mail's headers, in their order. */
const namesIn = ({ raw }: Sent): readonly string[] =>
  raw
    .slice(0, raw.indexOf('\r\n\r\n'))
    .split(/\r\n(?![ \t])/)
    .map((header) => header.split(':', 1)[0] ?? '')

const faultOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => null,
    (error: unknown) => error,
  )

test('a post is one mail to one person, in text and in HTML, that no machine answers', async () => {
  const { sent, port } = await aMailServer()
  await aBoard(port, { publicUrl: 'https://qp.example.org' }).post('ann@example.com', post)
  expect(sent).toHaveLength(1)
  const [mail] = sent as [Sent]
  expect(mail.to).toEqual(['ann@example.com'])
  expect(headerOf(mail, 'Subject')).toBe('QuantaPilot: Decision required: shop: ANCHOR.md waits for you')
  expect(headerOf(mail, 'From')).toBe('QuantaPilot <qp@example.org>')
  expect(headerOf(mail, 'Auto-Submitted')).toBe('auto-generated')
  // There is nobody behind one: the foot of the mail says what ends it.
  expect(headerOf(mail, 'List-Unsubscribe')).toBeNull()
  expect(headerOf(mail, 'Precedence')).toBeNull()
  expect(mail.raw).toMatch(/Content-Type: text\/plain; charset=utf-8/)
  expect(mail.raw).toMatch(/Content-Type: text\/html; charset=utf-8/)
  expect(mail.raw.replaceAll('=\r\n', '')).toContain('https://qp.example.org/g/a7Kd02')
})

test('the same post again has the same message id, and another person’s has another', async () => {
  const { sent, port } = await aMailServer()
  const board = aBoard(port)
  const place = await board.post('ann@example.com', post)
  expect(await board.post('ann@example.com', post)).toEqual(place)
  await board.post('bob@example.com', post)
  const ids = sent.map((mail) => headerOf(mail, 'Message-ID'))
  expect(ids[0]).toMatch(/^<[0-9a-f]{40}@example\.org>$/)
  expect(ids[1]).toBe(ids[0])
  expect(ids[2]).not.toBe(ids[0])
})

test('progress sends nothing, and what matters follows in the same thread', async () => {
  const { sent, port } = await aMailServer()
  const board = aBoard(port)
  const first = await board.post('ann@example.com', post)
  expect(await board.edit('ann@example.com', first, { ...post, lines: ['▸ 3/6'], isLoud: false })).toEqual(first)
  expect(sent).toHaveLength(1)
  const second = await board.edit('ann@example.com', first, { ...post, lines: ['✓ shop: approved'], buttons: [] })
  await board.post('ann@example.com', { ...post, lines: ['✗ shop: failed'], buttons: [], under: second })
  const [one, two, three] = sent.map((mail) => headerOf(mail, 'Message-ID'))
  expect(headerOf(sent[1] as Sent, 'In-Reply-To')).toBe(one)
  expect(headerOf(sent[2] as Sent, 'In-Reply-To')).toBe(two)
  expect(headerOf(sent[2] as Sent, 'References')).toBe(`${one} ${two}`)
  expect(new Set([one, two, three]).size).toBe(3)
})

test.each(['ann@example.com, bob@example.com', 'ann@example.com\r\nBcc: all@example.org', 'Ann <ann@example.com>', ''])(
  'nothing goes to %j, which is not one address',
  async (address) => {
    const { sent, port } = await aMailServer()
    expect(await faultOf(aBoard(port).post(address, post))).toMatchObject({
      code: 'PRECONDITION_FAILED',
      retryable: false,
    })
    expect(sent).toEqual([])
  },
)

test('what strangers wrote can add no header and no recipient, and every mail arrives', async () => {
  const { sent, port } = await aMailServer()
  const board = aBoard(port)
  const first = await board.post('ann@example.com', post)
  const usual = namesIn(sent[0] as Sent)
  for (const text of hostile) await board.post('ann@example.com', { ...post, lines: [text, text] })
  await board.post('ann@example.com', { ...post, lines: ['x\r\n.\r\nMAIL FROM:<x@y.z>'], under: first })
  expect(sent).toHaveLength(hostile.length + 2)
  for (const mail of sent.slice(1, -1)) {
    expect(mail.to).toEqual(['ann@example.com'])
    expect(namesIn(mail)).toEqual(usual)
  }
})

test('a server that asks for patience once is asked again, and a mailbox that is not there never', async () => {
  const answers = [451, null, 550]
  const { sent, port } = await aMailServer({ refuse: () => answers.shift() ?? null })
  const board = aBoard(port)
  const busy = await faultOf(board.post('ann@example.com', post))
  expect(busy).toMatchObject({ code: 'TRANSIENT_NETWORK', retryable: true, retryAfterMs: 60_000 })
  await board.post('ann@example.com', post)
  expect(sent).toHaveLength(1)
  const gone = await faultOf(board.post('ann@example.com', post))
  expect(gone).toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false })
  expect((gone as Fault).message).not.toContain('ann@')
})

test('a mail larger than the server takes is refused for good, and its address is not', async () => {
  const { port } = await aMailServer({ sizeLimit: 100 })
  const refused = { code: 'VALIDATION_ERROR', retryable: false }
  expect(await faultOf(aBoard(port).post('ann@example.com', post))).toMatchObject(refused)
})

test('a wrong login names SMTP_URL and never the password', async () => {
  const { sent, port } = await aMailServer({ password: 'right' })
  const wrong = aBoard(port, { login: { user: 'qp', password: 'canary-9d1' } })
  const fault = (await faultOf(wrong.post('ann@example.com', post))) as Fault
  expect(fault).toMatchObject({ code: 'FATAL', retryable: false })
  expect(fault.message).toContain('SMTP_URL')
  expect(JSON.stringify([fault.message, fault.stack, fault.cause ?? null])).not.toMatch(/canary|Y2FuYXJ5/)
  await aBoard(port, { login: { user: 'qp', password: 'right' } }).post('ann@example.com', post)
  expect(sent).toHaveLength(1)
})

test('a server that is away, or says nothing, is tried again', async () => {
  const sockets: Socket[] = []
  const silent = createServer((socket) => void sockets.push(socket.on('error', () => undefined)))
  await new Promise<void>((ready) => silent.listen(0, '127.0.0.1', () => ready()))
  const { port } = silent.address() as AddressInfo
  const board = new MailBoard(
    {
      host: '127.0.0.1',
      port,
      secure: false,
      login: null,
      from: { name: 'Q', address: 'q@example.org' },
      to: null,
      publicUrl: null,
    },
    { connectMs: 200, answerMs: 200 },
  )
  expect(await faultOf(board.post('ann@example.com', post))).toMatchObject({
    code: 'UPSTREAM_TIMEOUT',
    retryable: true,
  })
  board.stop()
  for (const socket of sockets) socket.destroy()
  await new Promise<void>((closed) => silent.close(() => closed()))
  const away = await faultOf(aBoard(port).post('ann@example.com', post))
  expect(away).toMatchObject({ code: 'TRANSIENT_NETWORK', retryable: true })
})

test('credentials cross no network in the clear', () => {
  const settings = {
    port: 587,
    secure: false,
    login: null,
    from: { name: '', address: 'q@example.org' },
    to: null,
    publicUrl: null,
  }
  expect(transportOptions({ ...settings, host: 'mail.example.org' }, timeouts).requireTLS).toBe(true)
  expect(transportOptions({ ...settings, host: '127.0.0.1' }, timeouts).requireTLS).toBe(false)
  expect(mailFault({ code: 'ETLS' })).toMatchObject({ code: 'FATAL', retryable: false })
})

test('SMTP_URL says where mail goes; a wrong one is refused without being repeated', () => {
  const { SMTP_URL, SMTP_FROM, QP_PUBLIC_URL } = mailEnvironment
  expect(
    mailSettings({
      SMTP_URL: SMTP_URL.parse('smtps://qp:p%40ss@mail.example.org'),
      SMTP_FROM: SMTP_FROM.parse('Parcel Desk <qp@example.org>'),
      QP_PUBLIC_URL: QP_PUBLIC_URL.parse('https://qp.example.org/'),
    }),
  ).toEqual({
    host: 'mail.example.org',
    port: 465,
    secure: true,
    login: { user: 'qp', password: 'p@ss' },
    from: { name: 'Parcel Desk', address: 'qp@example.org' },
    to: null,
    publicUrl: 'https://qp.example.org',
  })
  expect(SMTP_URL.parse('smtp://127.0.0.1:2525')).toMatchObject({ port: 2525, secure: false, login: null })
  for (const wrong of ['http://u:canary@host', 'canary', 'smtp://%zz:canary@host']) {
    const parsed = SMTP_URL.safeParse(wrong)
    expect(parsed.success).toBe(false)
    expect(parsed.error?.message).not.toContain('canary')
  }
  expect(SMTP_FROM.safeParse('nobody').success).toBe(false)
  expect(SMTP_FROM.parse('qp@example.org')).toEqual({ name: 'QuantaPilot', address: 'qp@example.org' })
  expect(mailSettings({})).toBeNull()
})
