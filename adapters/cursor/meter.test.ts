import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import type { Amount } from '../../core/model/amount.ts'
import { Fault } from '../../core/model/problem.ts'
import type { ModelCall } from '../../core/ports.ts'
import { type CursorPlan, envelope, openCursor } from '../../test/support/cursor.ts'
import { createCursorMeter } from './meter.ts'

const patience = { totalMs: 10_000, idleMs: 10_000, aheadMs: 300 }

const turn = { micros: 1_500_000, tokens: 500_000 }

type Plan = CursorPlan & {
  readonly holds?: number
  readonly ourKey?: string
  readonly url?: string
  /** Waited for before money is set aside. */
  readonly reserving?: () => Promise<void>
}

/** The meter's line to a Cursor, and a ledger that holds so many turns. */
async function openLine({ holds = Infinity, ourKey, url, reserving, ...plan }: Plan = {}) {
  const server = await openCursor(plan)
  const held: Amount[] = []
  const settled: Amount[] = []
  const records: ModelCall[] = []
  const refused: string[] = []
  const [learned, ended] = [[] as string[], new AbortController()]
  const desk = {
    signal: ended.signal,
    reserve: async (amount: Amount) => {
      await reserving?.()
      if (held.length >= holds)
        throw new Fault({ code: 'BUDGET_EXCEEDED', message: 'The budget is used up.', retryable: false })
      held.push(amount)
      return {
        settle: async (used: Amount) => void settled.push(used),
        record: async (call: ModelCall) => void records.push(call),
      }
    },
    recall: () => Promise.resolve(null),
    progress: (text: string) => void learned.push(text),
  }
  const say = (what: string) => async () => void learned.push(what)
  const guards = {
    gate: { waitMs: () => Promise.resolve(0), close: async (ms: number) => void learned.push(`closed for ${ms}`) },
    circuit: {
      enter: () => Promise.resolve(0),
      waitMs: () => Promise.resolve(0),
      failed: say('failed'),
      passed: say('passed'),
    },
  }
  const settings = { model: 'composer-2', apiKey: ourKey ?? server.key, baseUrl: url ?? server.url, turn }
  const onRefused = (says: string): void => void refused.push(says)
  const meter = createCursorMeter({ settings, guards, tmpDir: tmpdir(), onRefused, patience })
  const line = await meter.open('cursor', desk, {
    prompt: { id: 'build', version: '1', sha256: 'f' },
    maxOutputTokens: null,
    temperature: null,
  })
  onTestFinished(() => line.close())
  return { meter, line, server, held, settled, records, refused, learned, ended }
}

type Given = { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: Buffer | string }

/** What an agent in the sandbox would send through the bridge. */
const ask = (socketPath: string, path: string, { method = 'POST', headers = {}, body = '{}' }: Given = {}) =>
  new Promise<{ status: number; text: string }>((resolve, reject) => {
    const request = httpRequest({ socketPath, path, method, headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const heard = { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }
        // An answer may come while the last of a long body is still being written.
        if (request.writableFinished) resolve(heard)
        else request.once('finish', () => resolve(heard))
      })
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(body)
  })

const exchangePath = '/auth/exchange_user_api_key'
const turnPath = '/agent.v1.AgentService/RunSSE'
const appendPath = '/aiserver.v1.BidiService/BidiAppend'
const stream = { headers: { 'content-type': 'application/connect+proto' }, body: envelope({ request: '1' }) }

/** A whole turn: the stream, and the question that it answers. */
async function turnOf(socket: string) {
  const whole = ask(socket, turnPath, stream)
  return { said: await ask(socket, appendPath, { body: '{"prompt":"Build it."}' }), whole: await whole }
}

test('the agent gets a session that is none, and Cursor gets ours and the real key', async () => {
  const { line, server } = await openLine()
  const given = await ask(line.socket, exchangePath, { headers: { authorization: 'Bearer sk-dummy' } })
  expect(given.status).toBe(200)
  const { accessToken, refreshToken } = JSON.parse(given.text) as { accessToken: string; refreshToken: string }
  expect(accessToken).toBe(refreshToken)
  const claims = JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString()) as { exp: number }
  expect(claims.exp).toBeGreaterThan(Date.now() / 1_000 + 3_600)
  await ask(line.socket, '/aiserver.v1.DashboardService/GetMe', {
    headers: {
      authorization: `Bearer ${accessToken}`,
      cookie: 'a=b',
      'x-cursor-client-version': 'cli-1',
      'x-forwarded-for': '10.0.0.1',
      'connect-protocol-version': '1',
      'connect-timeout-ms': '1',
    },
  })
  const [trade, asked] = server.calls
  expect(trade?.headers.authorization).toBe('Bearer crsr_the-real-key')
  expect(asked?.headers).toMatchObject({
    authorization: 'Bearer session-1',
    'x-cursor-client-version': 'cli-1',
    'connect-protocol-version': '1',
  })
  expect(asked?.headers).not.toHaveProperty('cookie')
  expect(asked?.headers).not.toHaveProperty('x-forwarded-for')
  expect(asked?.headers, 'how long a turn may take is ours to say').not.toHaveProperty('connect-timeout-ms')
  expect(JSON.stringify(server.calls)).not.toContain('sk-dummy')
})

test('a turn is reserved before it begins, and booked at the operator’s price', async () => {
  const { line, server, held, settled, records, learned } = await openLine()
  const { said, whole } = await turnOf(line.socket)
  expect([said.status, whole.status]).toEqual([200, 200])
  expect(whole.text).toContain('All done.')
  expect(held).toEqual([turn])
  expect(settled).toEqual([turn])
  expect(line.total()).toEqual({ calls: 1, used: turn })
  expect(learned).toEqual(['1 turn of cursor/composer-2, 500,000 tokens', 'passed'])
  expect(records).toMatchObject([
    { model: 'cursor/composer-2', outcome: 'answered', costMicros: 1_500_000, tokens: null, prompt: { id: 'build' } },
  ])
  expect(records[0]?.question.text, 'only Cursor can read it').toBeNull()
  expect(server.calls.find(({ path }) => path === appendPath)?.text).toContain('Build it.')
})

test('money that is refused reaches nobody, and ends the agent', async () => {
  const { line, server, settled } = await openLine({ holds: 0 })
  expect(await ask(line.socket, turnPath, stream)).toMatchObject({ status: 402 })
  expect(line.refused.reason).toMatchObject({ code: 'BUDGET_EXCEEDED' })
  expect(settled).toEqual([])
  expect(server.calls).toEqual([])
})

test('a key that is not taken ends the agent with what to correct', async () => {
  const { line } = await openLine({ ourKey: 'crsr_of-yesterday' })
  expect(await ask(line.socket, exchangePath)).toMatchObject({ status: 401 })
  expect(line.refused.reason).toMatchObject({
    code: 'PRECONDITION_FAILED',
    message: 'Cursor does not accept its key: correct CURSOR_API_KEY and restart.',
  })
})

test('a session that has run out is made anew, once', async () => {
  const { line, server } = await openLine({ lasts: 2 })
  for (let n = 0; n < 5; n++)
    expect(await ask(line.socket, '/aiserver.v1.DashboardService/GetMe')).toMatchObject({ status: 200 })
  expect(server.calls.filter(({ path }) => path === exchangePath)).toHaveLength(3)
})

test('a session that is never taken is a key that is not taken', async () => {
  const { line, settled, server } = await openLine({ lasts: 0 })
  expect(await ask(line.socket, turnPath, stream)).toMatchObject({ status: 401 })
  expect(line.refused.reason).toMatchObject({ code: 'PRECONDITION_FAILED' })
  expect(settled, 'nothing was said').toEqual([{ micros: 0, tokens: 0 }])
  expect(server.calls.filter(({ path }) => path === exchangePath)).toHaveLength(2)
})

test('reports of its use go nowhere, without a word', async () => {
  const { line, server, refused } = await openLine()
  expect(await ask(line.socket, '/aiserver.v1.AnalyticsService/Batch')).toMatchObject({ status: 404 })
  expect([server.calls, refused]).toEqual([[], []])
})

test.each([
  ['/aiserver.v1.BackgroundComposerService/StartBackgroundComposerFromSnapshot', 'POST'],
  ['/aiserver.v1.RepositoryService/FastUpdateFileV2', 'POST'],
  ['/agent.v1.AgentService/Run', 'POST'],
  [`${turnPath}?of=another`, 'POST'],
  ['//agent.v1.AgentService/RunSSE', 'POST'],
  ['http://127.0.0.1/agent.v1.AgentService/RunSSE', 'POST'],
  [turnPath, 'GET'],
  ['/v1/chat/completions', 'POST'],
])('%s by %s is not served, and the operator is told once', async (path, method) => {
  const { line, server, held, refused } = await openLine()
  for (let n = 0; n < 2; n++)
    expect(await ask(line.socket, path, method === 'GET' ? { method, body: '' } : { method })).toMatchObject({
      status: 404,
      text: expect.stringContaining('"code":"unimplemented"') as string,
    })
  expect(server.calls).toEqual([])
  expect(held).toEqual([])
  expect(refused).toEqual([`cursor asked for ${JSON.stringify(path)}, which is not served`])
})

test('what is said outside of a turn goes nowhere', async () => {
  const { line, server } = await openLine()
  await turnOf(line.socket)
  const before = server.calls.length
  expect(await ask(line.socket, appendPath, { body: '{"prompt":"More."}' })).toMatchObject({
    status: 400,
    text: expect.stringContaining('No turn is open.') as string,
  })
  expect(server.calls).toHaveLength(before)
})

test('a message that is too long is refused, and nothing of it goes on', async () => {
  const { line, server, held } = await openLine()
  const body = Buffer.alloc(8_000_001)
  await expect(ask(line.socket, turnPath, { ...stream, body })).resolves.toMatchObject({ status: 413 })
  expect(server.calls).toEqual([])
  expect(held).toEqual([])
})

test('a turn that Cursor refuses at once costs nothing, and nobody asks for a while', async () => {
  const { line, settled, records, learned } = await openLine({ refuses: { code: 'resource_exhausted', when: 'first' } })
  const whole = await ask(line.socket, turnPath, stream)
  expect(whole.text).toContain('resource_exhausted')
  expect(settled).toEqual([{ micros: 0, tokens: 0 }])
  expect(records).toMatchObject([{ outcome: 'RATE_LIMIT', costMicros: 0 }])
  expect(learned).toContain('closed for 60000')
  expect(line.limited.aborted).toBe(true)
})

test('a turn that fails in the middle costs what a turn costs', async () => {
  const { line, settled, records, learned } = await openLine({ refuses: { code: 'unavailable', when: 'last' } })
  await turnOf(line.socket)
  expect(settled).toEqual([turn])
  expect(records).toMatchObject([{ outcome: 'TRANSIENT_NETWORK', costMicros: 1_500_000 }])
  expect(learned).toContain('failed')
})

test('a stream that breaks off costs what a turn costs', async () => {
  const { line, settled, records } = await openLine({ breaks: true })
  await expect(turnOf(line.socket)).rejects.toThrow('aborted')
  await expect.poll(() => settled).toEqual([turn])
  expect(records).toMatchObject([{ outcome: 'TRANSIENT_NETWORK', costMicros: 1_500_000 }])
})

/** Where somebody has listened and nobody does. */
async function addressOfNobody(): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return `http://127.0.0.1:${port}`
}

test('a Cursor that is not there costs nothing', async () => {
  const { line, settled, learned } = await openLine({ url: await addressOfNobody() })
  expect(await ask(line.socket, turnPath, stream)).toMatchObject({ status: 502 })
  expect(settled).toEqual([{ micros: 0, tokens: 0 }])
  expect(learned).toContain('failed')
})

test('a turn for which Cursor gives no session is not begun, and costs nothing', async () => {
  const { line, settled, records, learned, server } = await openLine({ sessions: 0 })
  expect(await ask(line.socket, turnPath, stream)).toMatchObject({ status: 502 })
  expect(settled).toEqual([{ micros: 0, tokens: 0 }])
  expect(records).toMatchObject([{ outcome: 'TRANSIENT_NETWORK', costMicros: 0 }])
  expect(learned).toContain('failed')
  expect(line.refused.aborted, 'it may try again').toBe(false)
  expect(server.calls.filter(({ path }) => path === turnPath)).toEqual([])
})

test('a database that is away for a moment does not end the agent', async () => {
  const away = new Fault({ code: 'TRANSIENT_NETWORK', message: 'The database did not answer.', retryable: true })
  const { line, server } = await openLine({ reserving: () => Promise.reject(away) })
  expect(await ask(line.socket, turnPath, stream)).toMatchObject({ status: 502 })
  expect(line.refused.aborted).toBe(false)
  expect(server.calls).toEqual([])
})

test('an agent that hangs up while a turn is set aside for it begins none', async () => {
  const [asked, gone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const reserving = (): Promise<void> => {
    asked.resolve()
    return gone.promise
  }
  const { line, server, settled, learned } = await openLine({ reserving })
  const request = httpRequest({ socketPath: line.socket, path: turnPath, method: 'POST', headers: stream.headers })
  request.on('error', () => undefined).end(stream.body)
  await asked.promise
  request.destroy()
  await delay(50)
  gone.resolve()
  await expect.poll(() => settled).toEqual([{ micros: 0, tokens: 0 }])
  await line.close()
  expect(server.calls.filter(({ path }) => path === turnPath)).toEqual([])
  expect(learned).not.toContain('failed')
})

test('a turn under way ends with its step within a second, and is booked', async () => {
  const { line, settled, records, ended, server } = await openLine({ commands: ['sleep 60'] })
  const whole = turnOf(line.socket)
  whole.catch(() => undefined)
  await expect.poll(() => server.calls.some(({ path }) => path === appendPath)).toBe(true)
  const before = performance.now()
  ended.abort()
  await line.close()
  await expect(whole).rejects.toThrow('aborted')
  expect(performance.now() - before).toBeLessThan(1_000)
  expect(settled).toEqual([turn])
  expect(records).toMatchObject([{ outcome: 'stopped' }])
})
