import { createHmac } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { sendWebhook } from '../../adapters/webhook/send.ts'
import type { Outgoing } from '../../bot/webhook-sender.ts'
import { WebhookSender } from '../../bot/webhook-sender.ts'
import { sayReply } from '../../bot/phrase.ts'
import type { Command, Reply } from '../../core/commands/command.ts'
import { execute } from '../../core/commands/execute.ts'
import { takeMessages } from '../../core/store/outbox.ts'
import { fanOut, takeDeliveries } from '../../core/store/webhook.ts'
import { administer } from '../support/administer.ts'
import type { TestHouse } from '../support/house.ts'
import {
  agreed,
  cardWhen,
  denied,
  isAtEnd,
  isAtGate,
  makeRepository,
  openTestHouse,
  startFactory,
} from '../support/house.ts'
import { freezeClock } from '../support/postgres.ts'

type Heard = { readonly headers: IncomingHttpHeaders; readonly body: string }
type Told = {
  readonly event: string
  readonly delivery_id: string
  readonly sequence: number
  readonly data: Readonly<Record<string, unknown>>
}

const toldIn = ({ body }: Heard): Told => JSON.parse(body) as Told

type Answer = { readonly status: number; readonly headers?: Readonly<Record<string, string>> }

/** A real endpoint on this machine that keeps what it is sent. */
async function anEndpoint(answer: (nth: number) => Answer | Promise<Answer> = () => ({ status: 204 })) {
  const heard: Heard[] = []
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      heard.push({ headers: request.headers, body: Buffer.concat(parts).toString() })
      void Promise.resolve(answer(heard.length)).then(({ status, headers = {} }) =>
        response.writeHead(status, headers).end(),
      )
    })
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', () => ready()))
  onTestFinished(() => {
    server.closeAllConnections()
    return new Promise<void>((closed) => server.close(() => closed()))
  })
  return { heard, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` }
}

async function aHouse(): Promise<TestHouse> {
  const house = await openTestHouse()
  return { ...house, desk: { ...house.desk, webhooks: { ...house.desk.webhooks, allowedHosts: ['127.0.0.1'] } } }
}

const ask = async (house: TestHouse, command: Command): Promise<Extract<Reply, { kind: 'webhooks' }>> => {
  const reply = agreed(await execute(house.desk, house.actor, command, crypto.randomUUID()))
  if (reply.kind !== 'webhooks') throw new Error(reply.kind)
  return reply
}

const add = (house: TestHouse, address: string, events: Extract<Command, { act: 'add' }>['events'] = []) =>
  ask(house, { kind: 'webhook', act: 'add', address, events })

const list = async (house: TestHouse) => (await ask(house, { kind: 'webhook', act: 'list' })).webhooks

function aSender(house: TestHouse) {
  const faults: unknown[] = []
  const options = { allowedHosts: ['127.0.0.1'], timeoutMs: 2_000 }
  const send = (delivery: Outgoing) =>
    sendWebhook({ ...delivery, secret: house.desk.webhooks.secretOf(delivery.webhookId), sentAt: new Date() }, options)
  const sender = new WebhookSender({
    db: house.db,
    send,
    onFault: (_, error) => faults.push(error),
    random: () => 1,
  })
  onTestFinished(() => sender.stop())
  return { sender, faults }
}

/** A run that has been started and waits at its gate; what it told is in the outbox. */
async function aRunAtItsGate(house: TestHouse): Promise<string> {
  const folder = await makeRepository(house, 'shop', { 'README.md': '# Shop\n\n- It must sell.\n' })
  await house.work()
  const handle = await startFactory(house, folder)
  await cardWhen(house, handle, isAtGate)
  return handle
}

/** What a relay does with what it takes. */
async function relayAll(house: TestHouse): Promise<number> {
  const rows = await house.db.run(takeMessages, { most: 50, forMs: 0 })
  return house.db.transaction((tx) => fanOut(tx, rows))
}

test('an endpoint hears of a run, event by event, in bytes that it can verify', async () => {
  const house = await aHouse()
  const { heard, address } = await anEndpoint()
  const { secret } = await add(house, address)
  const handle = await aRunAtItsGate(house)
  agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  const card = await cardWhen(house, handle, isAtEnd)
  await relayAll(house)
  await aSender(house).sender.drain()
  const inOrder = heard.map(toldIn).toSorted((a, b) => a.sequence - b.sequence)
  expect(inOrder.map(({ event }) => event)).toEqual([
    'run_started',
    'gate_requested',
    'gate_decision',
    'documentation_generated',
    'run_completed',
  ])
  expect(inOrder[0]).toMatchObject({ run_id: card.runId, correlation_id: card.correlationId, sequence: 1 })
  expect(inOrder[2]?.data).toMatchObject({ gate: 'anchor', verdict: 'approved', approved: true })
  for (const one of heard) {
    const { headers, body } = one
    const hmac = createHmac('sha256', secret ?? '')
      .update(body)
      .digest('hex')
    expect(headers['x-quantapilot-signature']).toBe(`sha256=${hmac}`)
    expect(headers['x-quantapilot-event']).toBe(toldIn(one).event)
    expect(headers['x-quantapilot-delivery']).toBe(toldIn(one).delivery_id)
    expect(Math.abs(Number(headers['x-quantapilot-timestamp']) * 1000 - Date.now())).toBeLessThan(60_000)
  }
  expect(await list(house)).toMatchObject([{ handle: 'w1', waiting: 0, dead: 0, lastError: null }])
})

test('only what was asked for is sent, and turning a message into deliveries twice adds nothing', async () => {
  const house = await aHouse()
  const { heard, address } = await anEndpoint()
  await add(house, address, ['gate_requested'])
  await aRunAtItsGate(house)
  expect(await relayAll(house)).toBe(1)
  expect(await relayAll(house)).toBe(0)
  await aSender(house).sender.drain()
  expect(heard.map(({ headers }) => headers['x-quantapilot-event'])).toEqual(['gate_requested'])
})

test('what failed comes again under the same delivery id, with the same bytes, not before its time', async () => {
  const house = await aHouse()
  const { heard, address } = await anEndpoint((nth) =>
    nth === 1 ? { status: 503, headers: { 'Retry-After': '120' } } : { status: 200 },
  )
  await add(house, address, ['run_started'])
  await aRunAtItsGate(house)
  await relayAll(house)
  const start = Date.now()
  await freezeClock(house.database, new Date(start + 1_000))
  const { sender } = aSender(house)
  await sender.drain()
  expect(await list(house)).toMatchObject([{ waiting: 1, lastError: 'answered 503' }])
  await freezeClock(house.database, new Date(start + 120_000))
  await sender.drain()
  expect(heard).toHaveLength(1)
  await freezeClock(house.database, new Date(start + 122_000))
  await sender.drain()
  expect(heard).toHaveLength(2)
  expect(heard[1]?.body).toBe(heard[0]?.body)
  expect(heard[1]?.headers['x-quantapilot-delivery']).toBe(heard[0]?.headers['x-quantapilot-delivery'])
  expect(await list(house)).toMatchObject([{ waiting: 0, lastError: null }])
})

test('an endpoint that fails for a day is given up, visibly, and keeps nobody else waiting', async () => {
  const house = await aHouse()
  const broken = await anEndpoint(() => ({ status: 500 }))
  const held = Promise.withResolvers<Answer>()
  const slow = await anEndpoint(() => held.promise)
  const fine = await anEndpoint()
  for (const { address } of [broken, slow, fine]) await add(house, address, ['run_started', 'gate_requested'])
  await aRunAtItsGate(house)
  await relayAll(house)
  const { sender, faults } = aSender(house)
  const draining = sender.drain()
  await expect.poll(() => fine.heard.length).toBe(2)
  expect(slow.heard).toHaveLength(1)
  held.resolve({ status: 200 })
  await draining
  for (let hours = 30; hours < 12 * 30; hours += 30) {
    await freezeClock(house.database, new Date(Date.now() + hours * 3_600_000))
    await sender.drain()
  }
  expect(broken.heard).toHaveLength(24)
  expect(faults).toEqual([])
  const lines = await list(house)
  expect(lines).toMatchObject([
    { waiting: 0, dead: 2, lastError: 'answered 500' },
    { waiting: 0, dead: 0 },
    { waiting: 0, dead: 0 },
  ])
  const said = sayReply({ kind: 'webhooks', did: 'list', webhooks: lines, secret: null }).join('\n')
  expect(said).toContain('0 waiting, 2 given up')
})

test('an endpoint that says it is gone is not asked again', async () => {
  const house = await aHouse()
  const { heard, address } = await anEndpoint(() => ({ status: 410 }))
  await add(house, address)
  await aRunAtItsGate(house)
  await relayAll(house)
  await aSender(house).sender.drain()
  expect(heard).toHaveLength(1)
  expect(await list(house)).toMatchObject([{ state: 'gone', waiting: 0, dead: 2 }])
  await add(house, address)
})

test('a sender that dies with a delivery under way loses nothing and repeats that one, under the same id', async () => {
  const house = await aHouse()
  const { heard, address } = await anEndpoint()
  await add(house, address)
  await aRunAtItsGate(house)
  await relayAll(house)
  // Sent, and dead before it could say so: the row stays as the taking left it.
  const [dying] = await house.db.run(takeDeliveries, { busy: [], forMs: 60_000 })
  if (!dying) throw new Error('nothing was due')
  const options = { allowedHosts: ['127.0.0.1'], timeoutMs: 2_000 }
  await sendWebhook({ ...dying, deliveryId: dying.id, secret: 'x', sentAt: new Date() }, options)
  await aSender(house).sender.drain()
  expect(heard).toHaveLength(2)
  await freezeClock(house.database, new Date(Date.now() + 61_000))
  await aSender(house).sender.drain()
  expect(heard).toHaveLength(3)
  expect(heard[2]?.headers['x-quantapilot-delivery']).toBe(heard[0]?.headers['x-quantapilot-delivery'])
  expect(heard[2]?.body).toBe(heard[0]?.body)
  expect(await list(house)).toMatchObject([{ waiting: 0, dead: 0 }])
})

test('a removed endpoint hears nothing more', async () => {
  const house = await aHouse()
  const { heard, address } = await anEndpoint()
  await add(house, address)
  await aRunAtItsGate(house)
  await relayAll(house)
  await ask(house, { kind: 'webhook', act: 'remove', webhook: 'w1' })
  await aSender(house).sender.drain()
  expect(heard).toEqual([])
  expect(await list(house)).toEqual([])
})

test('an admin can try an endpoint before anything happens', async () => {
  const house = await aHouse()
  const { heard, address } = await anEndpoint()
  await add(house, address)
  await ask(house, { kind: 'webhook', act: 'test', webhook: 'w1' })
  await aSender(house).sender.drain()
  expect(heard.map(({ headers }) => headers['x-quantapilot-event'])).toEqual(['ping'])
})

test('the signing secret is shown once, differs for each endpoint, and is stored nowhere', async () => {
  const house = await aHouse()
  const one = await add(house, 'http://127.0.0.1:1/one')
  const two = await add(house, 'http://127.0.0.1:1/two')
  expect(one.secret).not.toBe(two.secret)
  expect(sayReply(one).join('\n')).toContain(one.secret)
  expect((await ask(house, { kind: 'webhook', act: 'list' })).secret).toBeNull()
  const tables = ['app.webhooks', 'app.deliveries', 'app.inbox', 'audit.entries']
  for (const table of tables) {
    const rows = await administer(house.database.connection, `select t::text as row from ${table} t`)
    expect(JSON.stringify(rows)).not.toContain('secret of')
  }
})

test('only an admin at the command line adds a webhook, and only where it may go', async () => {
  const house = await openTestHouse()
  const command = (address: string): Command => ({ kind: 'webhook', act: 'add', address, events: [] })
  const operator = { ...house.actor, roles: ['operator', 'approver'] as const }
  expect(denied(await house.ask(command('https://example.org/a'), operator)).code).toBe('not_allowed')
  const inChat = { ...house.actor, surface: 'telegram' }
  expect(denied(await house.ask(command('https://example.org/a'), inChat)).message).toContain('command line')
  for (const wrong of ['http://example.org/a', 'ftp://example.org', 'example.org', 'https://u:p@example.org/a']) {
    expect(denied(await house.ask(command(wrong))).code).toBe('invalid_input')
  }
  const inside =
    '127.0.0.1 127.1 10.1.2.3 192.168.0.1 172.16.0.1 169.254.169.254 0.0.0.0 [::1] [fe80::1] [fd00::1] [::ffff:10.0.0.1]'
  for (const host of [...inside.split(' '), 'localhost', 'LOCALHOST.', 'qp.localhost']) {
    const why = denied(await house.ask(command(`https://${host}/a`)))
    expect(why, host).toMatchObject({
      code: 'invalid_input',
      next: expect.stringContaining('QP_WEBHOOK_HOSTS') as string,
    })
  }
  agreed(await house.ask(command('https://93.184.216.34/a')))
  agreed(await house.ask(command('https://example.org/a')))
  expect(denied(await house.ask(command('https://example.org/a'))).message).toContain('already')
  expect(denied(await house.ask({ kind: 'webhook', act: 'test', webhook: 'w99' })).code).toBe('not_found')
})
