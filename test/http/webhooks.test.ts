import { createHash, randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { expect, test } from 'vitest'
import { administer } from '../support/administer.ts'
import type { TestHouse } from '../support/house.ts'
import { openTestHouse } from '../support/house.ts'
import type { Served } from '../support/http.ts'
import { serve, signed } from '../support/http.ts'
import { freezeClock } from '../support/postgres.ts'
import { until } from '../support/program.ts'

type Told = { readonly delivery?: string; readonly event?: string; readonly signature?: string; readonly type?: string }

const send = (served: Served, raw: string, told: Told = {}) =>
  served.call('/webhooks/github', {
    body: raw,
    headers: {
      'content-type': told.type ?? 'application/json',
      'x-github-event': told.event ?? 'pull_request',
      'x-github-delivery': told.delivery ?? randomUUID(),
      'x-hub-signature-256': told.signature ?? signed(raw),
    },
  })

const rows = ({ database }: TestHouse) =>
  administer(database.connection, 'select * from app.intake order by received_at')

test('an event is kept before it is answered, handed on once, and its body is let go', async () => {
  const house = await openTestHouse()
  const served = await serve(house)
  const heard = await send(served, '{"action":"closed","text":"a\\u0000b"}')
  expect(heard).toMatchObject({ status: 202, body: { status: 'accepted' } })
  await until(() => served.handled.length > 0, 'the event is handed on')
  expect(served.handled).toMatchObject([{ topic: 'pull_request', body: { action: 'closed' } }])
  await until(async () => (await rows(house))[0]?.['done_at'] !== null, 'the event is done')
  expect(await rows(house)).toMatchObject([{ body: null, failures: 0 }])
})

test('an event whose text was cut within a letter is kept without that half', async () => {
  const house = await openTestHouse()
  const served = await serve(house)
  expect(await send(served, '{"text":"a\\ud83d"}')).toMatchObject({ status: 202, body: { status: 'accepted' } })
  await until(() => served.handled.length > 0, 'the event is handed on')
  expect(served.handled).toMatchObject([{ body: { text: 'a\ufffd' } }])
})

test('an event that is nested without end is refused, and the next one is taken', async () => {
  const house = await openTestHouse()
  const served = await serve(house)
  for (const depth of [10_000, 400_000])
    expect(await send(served, '['.repeat(depth) + ']'.repeat(depth))).toMatchObject({
      status: 400,
      body: { code: 'VALIDATION_ERROR' },
    })
  expect(await send(served, '{"a":1}')).toMatchObject({ status: 202 })
})

test('what an event said cannot be guessed from what is kept of it', async () => {
  const house = await openTestHouse()
  const served = await serve(house)
  const raw = '{"phone":"+49 30 1234567"}'
  await send(served, raw)
  const kept = JSON.stringify(await rows(house))
  expect(kept).toContain('pull_request')
  expect(kept).not.toContain(createHash('sha256').update(raw).digest('hex'))
})

test('an event that is sent again, under its own id or a new one, is the same event', async () => {
  const house = await openTestHouse()
  const served = await serve(house)
  const raw = '{"action":"opened","number":1}'
  const delivery = randomUUID()
  expect((await send(served, raw, { delivery })).body).toEqual({ status: 'accepted' })
  expect((await send(served, raw, { delivery })).body).toEqual({ status: 'known' })
  expect((await send(served, raw)).body).toEqual({ status: 'known' })
  expect((await send(served, raw, { event: 'issues' })).body).toEqual({ status: 'accepted' })
  expect(await rows(house)).toHaveLength(2)
})

test('one delivery that comes two hundred times at once is one event, and each hears so', async () => {
  const house = await openTestHouse()
  const served = await serve(house)
  const raw = '{"action":"opened","number":1}'
  const delivery = randomUUID()
  const start = performance.now()
  const answers = await Promise.all(Array.from({ length: 200 }, () => send(served, raw, { delivery })))
  const slowestMs = performance.now() - start
  expect(slowestMs, 'the last of them has heard').toBeLessThan(3_000)
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]))
  expect(answers.filter(({ body }) => body['status'] === 'accepted')).toHaveLength(1)
  expect(await rows(house)).toHaveLength(1)
  await until(async () => (await rows(house))[0]?.['done_at'] !== null, 'the event is done')
  expect(served.handled).toHaveLength(1)
})

test('names of headers are read in any case; a signature that comes twice or is endless is none', async () => {
  const house = await openTestHouse()
  const { port } = await serve(house)
  const raw = '{"action":"opened"}'
  const status = (signature: string | string[]) =>
    new Promise<number | undefined>((resolve, reject) => {
      const headers = {
        'CONTENT-TYPE': 'application/json',
        'X-GITHUB-EVENT': 'pull_request',
        'x-GitHub-DELIVERY': randomUUID(),
        'X-HUB-signature-256': signature,
      }
      const sent = request({ host: '127.0.0.1', port, path: '/webhooks/github', method: 'POST', headers }, (heard) => {
        resolve(heard.resume().statusCode)
      })
      sent.on('error', reject).end(raw)
    })
  expect(await status([signed(raw), signed(raw)])).toBe(401)
  expect(await status([signed(raw), 'sha256=0'])).toBe(401)
  expect(await status(`${signed(raw)}${'0'.repeat(20_000)}`)).toBe(431)
  expect(await rows(house)).toEqual([])
  expect(await status(signed(raw))).toBe(202)
})

test('what is not signed, or not as it was signed, leaves no trace', async () => {
  const house = await openTestHouse()
  const served = await serve(house)
  const raw = '{"action":"opened"}'
  const statuses: number[] = []
  for (const signature of [
    '',
    'sha1=00',
    'sha256=',
    signed(raw, 'another'),
    signed(`${raw} `),
    signed(raw).slice(0, -1),
    signed(raw).toUpperCase(),
  ])
    statuses.push((await send(served, raw, { signature })).status)
  expect(new Set(statuses)).toEqual(new Set([401]))
  expect(await rows(house)).toEqual([])
})

test('a source of many unsigned deliveries hears that they are too many, while its genuine ones are taken', async () => {
  const house = await openTestHouse()
  const served = await serve(house)
  const forged = await Promise.all(
    Array.from({ length: 150 }, (_, n) => send(served, `{"n":${n}}`, { signature: 'sha256=0' })),
  )
  expect(forged.filter(({ status }) => status === 401)).toHaveLength(100)
  const spent = forged.filter(({ status }) => status === 429)
  expect(spent).toHaveLength(50)
  expect(spent[0]?.headers.get('retry-after')).toBe('60')
  expect((await send(served, '{"action":"opened"}')).status).toBe(202)
  expect(await rows(house)).toHaveLength(1)
})

test('a ping is answered and not kept; a form, no JSON, or no event is refused with what to do', async () => {
  const house = await openTestHouse()
  const served = await serve(house)
  expect(await send(served, '{"zen":"."}', { event: 'ping' })).toMatchObject({ status: 200 })
  const form = await send(served, 'payload=%7B%7D', { type: 'application/x-www-form-urlencoded' })
  expect(form).toMatchObject({ status: 415 })
  expect(form.body['next']).toContain('application/json')
  expect((await send(served, '{')).status).toBe(400)
  expect((await send(served, '{}', { event: 'a b' })).status).toBe(400)
  expect(await rows(house)).toEqual([])
})

test('an event that fails ten times is put aside, loudly, and those behind it are dealt with', async () => {
  const house = await openTestHouse()
  const served = await serve(house, { fail: ({ topic }) => topic === 'poison' })
  await send(served, '{"n":1}', { event: 'poison' })
  await send(served, '{"n":2}')
  await until(() => served.handled.length === 1, 'the good event is handed on')
  for (let tries = 1; tries <= 10; tries++) {
    await until(
      async () => (await rows(house)).some(({ topic, failures }) => topic === 'poison' && failures === tries),
      `try ${tries} has failed`,
    )
    await freezeClock(house.database, new Date(Date.now() + tries * 3_600_000))
  }
  const [poison] = (await rows(house)).filter(({ topic }) => topic === 'poison')
  expect(poison).toMatchObject({ why: 'it cannot be read', done_at: null, body: { n: 1 } })
  expect(poison?.['quarantined_at']).not.toBeNull()
  expect(served.logged.filter((line) => line.includes('put aside'))).toHaveLength(1)
})

test('a body over the limit is refused by its announced length, before any of it is sent', async () => {
  const house = await openTestHouse()
  const served = await serve(house)
  const { connect } = await import('node:net')
  const socket = connect(served.port, '127.0.0.1')
  const heard = new Promise<string>((resolve, reject) => {
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString()
      if (text.includes('}')) resolve(text)
    })
    socket.on('error', reject)
  })
  socket.write(
    'POST /webhooks/github HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 25000001\r\n\r\n',
  )
  expect(await heard).toContain('HTTP/1.1 413')
  socket.destroy()
})
