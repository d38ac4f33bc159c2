import { createHash } from 'node:crypto'
import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Amount } from '../../../core/model/amount.ts'
import { Fault } from '../../../core/model/problem.ts'
import type { ModelCall } from '../../../core/ports.ts'
import type { CallTerms, ModelInterface } from '../../../core/workshop.ts'
import type { Provider } from '../environment.ts'
import { createMeter } from './meter.ts'

type Seen = {
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: Record<string, unknown>
  readonly text: string
}

/** A provider that answers every call alike, and keeps what it was sent. */
async function openProvider(answer: {
  status?: number
  type?: string
  headers?: Record<string, string>
  chunks: readonly string[]
  cut?: boolean
  /** What is asked with a temperature is turned away in these words. */
  refusesTemperature?: string
}) {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      seen.push({ url: request.url ?? '', headers: request.headers, body: JSON.parse(text) as Seen['body'], text })
      if (answer.refusesTemperature !== undefined && /"temperature":/.test(text)) {
        response.writeHead(400, { 'content-type': 'application/json' })
        return void response.end(JSON.stringify({ error: { message: answer.refusesTemperature } }))
      }
      response.writeHead(answer.status ?? 200, {
        'content-type': answer.type ?? 'application/json',
        ...answer.headers,
      })
      for (const chunk of answer.chunks) response.write(chunk)
      if (answer.cut) setTimeout(() => response.destroy(), 20)
      else response.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` }
}

const usual: Record<Provider, string> = {
  openai: 'gpt-5.5',
  anthropic: 'claude-opus-4-8',
  google: 'gemini-2.5-pro',
  compatible: 'm',
}

type Bounds = {
  readonly holds?: number
  readonly mostTokens?: number
  readonly cap?: number
  readonly terms?: Partial<CallTerms>
}

/** A meter's line to that provider, and a ledger that holds so many reservations, each of so many tokens at most. */
async function openLine(
  provider: Provider,
  speaks: ModelInterface,
  url: string,
  { holds = Infinity, mostTokens = Infinity, cap = 1_000, terms = {} }: Bounds = {},
) {
  const open = new Set<number>()
  const settled: Amount[] = []
  const records: ModelCall[] = []
  const said: string[] = []
  let reserved: Amount = { micros: 0, tokens: 0 }
  let count = 0
  const desk = {
    signal: new AbortController().signal,
    reserve: async (amount: Amount) => {
      if (open.size + settled.length >= holds || amount.tokens > mostTokens)
        throw new Fault({ code: 'BUDGET_EXCEEDED', message: 'The budget is used up.', retryable: false })
      const id = count++
      open.add(id)
      reserved = amount
      return {
        settle: async (used: Amount) => {
          open.delete(id)
          settled.push(used)
        },
        record: async (call: ModelCall) => void records.push(call),
      }
    },
    recall: () => Promise.resolve(null),
    progress: (text: string) => void said.push(text),
  }
  const never = { waitMs: () => Promise.resolve(0), close: () => Promise.resolve() }
  const circuit = {
    enter: () => Promise.resolve(0),
    waitMs: () => Promise.resolve(0),
    failed: () => Promise.resolve(),
    passed: () => Promise.resolve(),
  }
  const model = usual[provider]
  const source = { name: `${provider}/${model}`, provider, model, apiKey: 'the-real-key', baseUrl: url }
  const meter = await createMeter({
    source,
    guards: { gate: never, circuit },
    tmpDir: tmpdir(),
    maxOutputTokens: cap,
  })
  const prompt = { id: 'build', version: '1', sha256: 'f' }
  const line = await meter.open(speaks, desk, { prompt, maxOutputTokens: null, temperature: null, ...terms })
  onTestFinished(() => line.close())
  return { line, open, settled, records, said, reserved: () => reserved }
}

/** What an agent in the sandbox would send through the bridge. */
const send = (socketPath: string, path: string, body: unknown, method = 'POST') =>
  new Promise<{ status: number; text: string }>((resolve, reject) => {
    const headers = {
      authorization: 'Bearer dummy',
      'x-api-key': 'dummy',
      cookie: 'a=b',
      'content-type': 'application/json',
    }
    const request = httpRequest({ socketPath, path, method, headers }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      response.on('error', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    request.on('error', reject)
    request.end(method === 'POST' ? JSON.stringify(body) : undefined)
  })

const events = (...data: readonly unknown[]): readonly string[] =>
  data.map((each) => `data: ${JSON.stringify(each)}\n\n`)

const interfaces: readonly (readonly [Provider, ModelInterface, string, object, readonly string[], object])[] = [
  [
    'openai',
    'openai-responses',
    '/v1/responses',
    { input: 'hi', max_output_tokens: 9_999 },
    events({ type: 'response.completed', response: { usage: { input_tokens: 100, output_tokens: 20 } } }),
    { usage: { input_tokens: 100, output_tokens: 20 } },
  ],
  [
    'openai',
    'openai-chat',
    '/v1/chat/completions',
    { messages: [], max_tokens: 9_999 },
    events({ choices: [] }, { usage: { prompt_tokens: 100, completion_tokens: 20 } }),
    { usage: { prompt_tokens: 100, completion_tokens: 20 } },
  ],
  [
    'anthropic',
    'anthropic-messages',
    '/v1/messages?beta=true',
    { messages: [], max_tokens: 9_999 },
    events(
      {
        type: 'message_start',
        message: { usage: { input_tokens: 60, cache_read_input_tokens: 40, output_tokens: 1 } },
      },
      { type: 'message_delta', usage: { output_tokens: 20 } },
    ),
    { type: 'message', usage: { input_tokens: 100, output_tokens: 20 } },
  ],
  [
    'google',
    'google-generate',
    '/v1beta/models/any:streamGenerateContent?alt=sse',
    { contents: [], generationConfig: { maxOutputTokens: 9_999 } },
    events(
      { usageMetadata: { promptTokenCount: 100, candidatesTokenCount: 5 } },
      {
        candidates: [{ finishReason: 'STOP' }],
        usageMetadata: { promptTokenCount: 100, candidatesTokenCount: 15, thoughtsTokenCount: 5 },
      },
    ),
    { candidates: [{ finishReason: 'STOP' }], usageMetadata: { promptTokenCount: 100, candidatesTokenCount: 20 } },
  ],
]

describe.each(interfaces)('%s, %s', (provider, speaks, path, body, stream, whole) => {
  test.each([
    ['in events', stream, 'text/event-stream; charset=utf-8'],
    ['as a whole', [JSON.stringify(whole)], 'application/json'],
  ] as const)('what it says it used %s is settled, and the key stays here', async (_, chunks, type) => {
    const upstream = await openProvider({ chunks, type })
    const { line, open, settled, records, said, reserved } = await openLine(provider, speaks, upstream.url)
    const answer = await send(line.socket, path, { ...body, stream: true, model: 'another' })
    expect([answer.status, answer.text]).toEqual([200, chunks.join('')])
    await expect.poll(() => settled.length).toBe(1)
    expect(settled[0]?.tokens).toBe(120)
    expect(settled[0]?.micros).toBeGreaterThan(0)
    expect(reserved().micros, 'the worst case was set aside before').toBeGreaterThan(settled[0]?.micros ?? 0)
    expect([open.size, line.total()]).toEqual([0, { calls: 1, used: settled[0] }])
    const [seen] = upstream.seen
    expect(JSON.stringify(seen?.headers)).toContain('the-real-key')
    expect(JSON.stringify(seen?.headers)).not.toMatch(/dummy|a=b/)
    expect(JSON.stringify(seen?.body)).not.toContain('9999')
    expect(JSON.stringify(seen?.body)).toMatch(/max\w+":1000/i)
    expect(JSON.stringify([seen?.body, seen?.url])).toContain(usual[provider])
    const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
    await expect.poll(() => records.length).toBe(1)
    expect(records[0]).toMatchObject({
      model: `${provider}/${usual[provider]}`,
      maxOutputTokens: 1_000,
      prompt: { id: 'build', version: '1', sha256: 'f' },
      question: { sha256: sha256(seen?.text ?? ''), text: seen?.text },
      answer: { sha256: sha256(chunks.join('')), text: null },
      tokens: { input: 100, output: 20 },
      costMicros: settled[0]?.micros,
      outcome: 'answered',
    })
    expect(said).toEqual([`1 call of ${provider}/${usual[provider]}, 120 tokens`])
  })
})

/** Where each interface has the two. */
const heldIn = (body: Record<string, unknown>): readonly unknown[] => {
  const { max_output_tokens, max_completion_tokens, max_tokens, generationConfig, temperature } = body
  const config = (generationConfig ?? {}) as Record<string, unknown>
  const cap = max_output_tokens ?? max_completion_tokens ?? max_tokens ?? config['maxOutputTokens']
  return [cap, temperature ?? config['temperature']]
}

describe.each(interfaces)('%s, %s', (provider, speaks, path, body, _, whole) => {
  const hot = { ...body, temperature: 0.9, generationConfig: { temperature: 0.9, maxOutputTokens: 9_999 } }
  const { generationConfig, ...plain } = hot
  const asked = speaks === 'google-generate' ? { contents: [], generationConfig } : plain

  test('each call is held to the length and the temperature of the project, and no more money is set aside', async () => {
    const upstream = await openProvider({ chunks: [JSON.stringify(whole)] })
    const terms = { maxOutputTokens: 100, temperature: 0.1 }
    const { line, reserved, records } = await openLine(provider, speaks, upstream.url, { cap: 32_000, terms })
    for (const each of [asked, speaks === 'google-generate' ? { contents: [] } : { messages: [], input: 'hi' }])
      expect((await send(line.socket, path, each)).status).toBe(200)
    expect(upstream.seen.map((seen) => heldIn(seen.body))).toEqual([
      [100, 0.1],
      [100, 0.1],
    ])
    expect(reserved().tokens).toBeLessThan(100 + 1_000)
    await expect.poll(() => records.length).toBe(2)
    expect(records[0]).toMatchObject({ maxOutputTokens: 100, temperature: 0.1 })
  })

  test('a project’s length above the meter’s own gets the meter’s, and an agent that asks for less gets that', async () => {
    const upstream = await openProvider({ chunks: [JSON.stringify(whole)] })
    const { line } = await openLine(provider, speaks, upstream.url, { cap: 1_000, terms: { maxOutputTokens: 5_000 } })
    await send(line.socket, path, asked)
    await send(line.socket, path, JSON.parse(JSON.stringify(asked).replaceAll('9999', '50')))
    expect(upstream.seen.map((seen) => heldIn(seen.body))).toEqual([
      [1_000, 0.9],
      [50, 0.9],
    ])
  })

  test('a model that refuses a temperature is asked without, once and from then on', async () => {
    const says = "Unsupported parameter: 'temperature' is not supported with this model."
    const upstream = await openProvider({ chunks: [JSON.stringify(whole)], refusesTemperature: says })
    const { line, open, settled, records } = await openLine(provider, speaks, upstream.url, {
      terms: { temperature: 0.1 },
    })
    for (const each of [asked, asked]) expect((await send(line.socket, path, each)).status).toBe(200)
    expect(upstream.seen.map((seen) => heldIn(seen.body))).toEqual([
      [1_000, 0.1],
      [1_000, undefined],
      [1_000, undefined],
    ])
    await expect.poll(() => settled.map(({ tokens }) => tokens)).toEqual([0, 120, 120])
    expect(open.size).toBe(0)
    await expect.poll(() => records.map(({ outcome }) => outcome)).toEqual(['VALIDATION_ERROR', 'answered', 'answered'])
  })

  test('what is refused for another reason, or by the agent’s own temperature, is the agent’s to hear', async () => {
    const other = await openProvider({ chunks: ['{"error":{"message":"no such tool"}}'], status: 400 })
    const first = await openLine(provider, speaks, other.url, { terms: { temperature: 0.1 } })
    expect(await send(first.line.socket, path, asked)).toMatchObject({
      status: 400,
      text: expect.stringMatching(/tool/),
    })
    const hotOnly = await openProvider({ chunks: [JSON.stringify(whole)], refusesTemperature: 'temperature: no' })
    const second = await openLine(provider, speaks, hotOnly.url)
    expect((await send(second.line.socket, path, asked)).status).toBe(400)
    expect([other.seen.length, hotOnly.seen.length]).toEqual([1, 1])
  })
})

test.each([
  [{ type: 'enabled', budget_tokens: 31_999 }, 4_000, { type: 'enabled', budget_tokens: 2_000 }],
  [{ type: 'enabled', budget_tokens: 1_024 }, 4_000, { type: 'enabled', budget_tokens: 1_024 }],
  [{ type: 'enabled', budget_tokens: 31_999 }, 1_500, undefined],
  [{ type: 'adaptive' }, 1_500, { type: 'adaptive' }],
])(
  'thinking %j of Anthropic fits an answer of %i tokens, and keeps its own temperature',
  async (thinking, cap, sent) => {
    const upstream = await openProvider({ chunks: ['{}'] })
    const terms = { maxOutputTokens: cap, temperature: 0.1 }
    const { line } = await openLine('anthropic', 'anthropic-messages', upstream.url, { cap: 32_000, terms })
    const asked = { messages: [], max_tokens: 32_000, thinking, context_management: { edits: [] } }
    expect((await send(line.socket, '/v1/messages', asked)).status).toBe(200)
    expect(upstream.seen[0]?.body['thinking']).toEqual(sent)
    expect(heldIn(upstream.seen[0]?.body ?? {})).toEqual([cap, sent === undefined ? 0.1 : undefined])
  },
)

const chatUsage = JSON.stringify({ usage: { prompt_tokens: 100, completion_tokens: 20 } })

test('an agent reaches one model by its own paths, and nothing else', async () => {
  const upstream = await openProvider({ chunks: [chatUsage] })
  const { line } = await openLine('openai', 'openai-chat', upstream.url)
  for (const [path, method] of [
    ['/v1/files', 'POST'],
    ['/v1/responses', 'POST'],
    ['/v1/chat/completions', 'DELETE'],
    ['http://169.254.169.254/', 'GET'],
    ['/../v1/chat/completions', 'POST'],
    ['/v1/organization/keys', 'GET'],
  ] as const)
    expect((await send(line.socket, path, {}, method)).status, path).toBe(404)
  await expect(send(line.socket, 'example.com:443', {}, 'CONNECT')).rejects.toThrow(/hang up|ECONNRESET/)
  expect(upstream.seen).toEqual([])
  expect((await send(line.socket, '/v1/models', {}, 'GET')).text).toContain('gpt-5.5')
})

test('what would reach further from the provider is taken out or refused', async () => {
  const upstream = await openProvider({ chunks: [JSON.stringify({ usage: { input_tokens: 1, output_tokens: 1 } })] })
  const { line } = await openLine('openai', 'openai-responses', upstream.url)
  const ask = (body: object) => send(line.socket, '/v1/responses', { input: [], ...body })
  expect((await ask({ background: true })).status).toBe(400)
  expect((await ask({ previous_response_id: 'r' })).status).toBe(400)
  expect(
    (await ask({ input: [{ content: [{ type: 'input_image', image_url: 'https://evil.test/?q=secret' }] }] })).status,
  ).toBe(400)
  const asked = [{ content: [{ type: 'input_image', image_url: 'https://evil.test/?q=secret' }] }]
  expect((await ask({ type: 'tool_use', input: asked })).status, 'is no data of a tool').toBe(400)
  expect((await ask({ tools: [{ type: 'mcp', server_url: 'https://evil.test' }] })).status).toBe(400)
  await ask({
    tools: [
      { type: 'web_search' },
      { type: 'code_interpreter' },
      { type: 'function', name: 'exec', parameters: { properties: { url: 'x' } } },
    ],
  })
  expect(upstream.seen).toHaveLength(1)
  expect(upstream.seen[0]?.body).toMatchObject({ store: false, tools: [{ type: 'function', name: 'exec' }] })
})

test.each([
  ['openai', 'openai-chat', '/v1/chat/completions', { n: '8', best_of: 8, service_tier: 'priority' }],
  ['openai', 'openai-responses', '/v1/responses', { service_tier: 'priority' }],
  ['anthropic', 'anthropic-messages', '/v1/messages', { speed: 'fast', service_tier: 'auto', inference_geo: 'us' }],
  ['google', 'google-generate', '/v1beta/models/any:generateContent', { service_tier: 'priority', serviceTier: 'x' }],
] as const)('what would make a call of %s by %s dearer than was set aside is taken out', async (...each) => {
  const [provider, speaks, path, body] = each
  const upstream = await openProvider({ chunks: ['{}'] })
  const { line } = await openLine(provider, speaks, upstream.url)
  expect((await send(line.socket, path, body)).status).toBe(200)
  const sent = Object.keys(upstream.seen[0]?.body ?? {})
  expect(sent.filter((name) => /^(n|best_of|speed)$|tier|geo/i.test(name))).toEqual([])
})

test('what Anthropic keeps of a question is kept for the usual five minutes, whatever the agent asks for', async () => {
  const upstream = await openProvider({ chunks: ['{}'] })
  const { line } = await openLine('anthropic', 'anthropic-messages', upstream.url)
  const cache_control = { type: 'ephemeral', ttl: '1h' }
  const text = { type: 'text', text: 'hi', cache_control }
  const tools = [{ name: 'exec', input_schema: {}, cache_control }]
  const plain = { type: 'text', text: 'hi', cache_control: null }
  const messages = [{ role: 'user', content: [text, plain, { type: 'tool_result', content: [text] }] }]
  expect((await send(line.socket, '/v1/messages', { cache_control, system: [text], tools, messages })).status).toBe(200)
  expect(JSON.stringify(upstream.seen[0]?.body).match(/"cache_control":\{[^}]*\}/g)).toEqual(
    Array(5).fill('"cache_control":{"type":"ephemeral"}'),
  )
  expect(JSON.stringify(upstream.seen[0]?.body)).toContain('"cache_control":null')
})

test('Google is asked in one of the two spellings that it takes, so that neither says more than was looked at', async () => {
  const upstream = await openProvider({ chunks: ['{}'] })
  const { line } = await openLine('google', 'google-generate', upstream.url)
  const ask = (body: object) => send(line.socket, '/v1beta/models/any:generateContent', body)
  expect((await ask({ generation_config: { candidate_count: 8 } })).status).toBe(400)
  expect((await ask({ generationConfig: { candidateCount: '8' } })).status).toBe(400)
  const tools = [{ google_search: {} }, { function_declarations: [{ name: 'exec' }] }]
  await ask({ generation_config: { max_output_tokens: 60_000 }, cached_content: 'cachedContents/1', tools })
  expect(upstream.seen.map(({ body }) => body)).toEqual([
    { generationConfig: { maxOutputTokens: 1_000 }, tools: [{ functionDeclarations: [{ name: 'exec' }] }] },
  ])
})

test('a question that Google refuses to answer is booked as what it was, and holds no money', async () => {
  const usageMetadata = { promptTokenCount: 100, totalTokenCount: 100 }
  const refused = JSON.stringify({ promptFeedback: { blockReason: 'PROHIBITED_CONTENT' }, usageMetadata })
  const upstream = await openProvider({ chunks: [refused] })
  const { line, open, settled } = await openLine('google', 'google-generate', upstream.url)
  expect((await send(line.socket, '/v1beta/models/any:generateContent', { contents: [] })).status).toBe(200)
  await expect.poll(() => settled).toMatchObject([{ tokens: 100 }])
  expect(open.size).toBe(0)
})

test('a call that money refuses is not made, and ends the agent', async () => {
  const upstream = await openProvider({ chunks: [chatUsage] })
  const { line } = await openLine('openai', 'openai-chat', upstream.url, { holds: 5 })
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => send(line.socket, '/v1/chat/completions', { messages: [] })),
  )
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(5)
  expect(answers.filter(({ status }) => status === 402)).toHaveLength(3)
  expect(upstream.seen).toHaveLength(5)
  expect(line.refused.reason).toMatchObject({ code: 'BUDGET_EXCEEDED' })
})

test('a call that the budget does not hold whole is made for a shorter answer where that fits, and else refused', async () => {
  const upstream = await openProvider({ chunks: [chatUsage] })
  const { line, reserved } = await openLine('openai', 'openai-chat', upstream.url, { mostTokens: 10_000, cap: 32_000 })
  expect(await send(line.socket, '/v1/chat/completions', { messages: [] })).toMatchObject({ status: 200 })
  expect(upstream.seen[0]?.body).toMatchObject({ max_completion_tokens: 8_000 })
  expect(reserved().tokens).toBeLessThan(10_000)
  const asked = { messages: [{ role: 'user', content: 'x'.repeat(5_000) }] }
  expect(await send(line.socket, '/v1/chat/completions', asked)).toMatchObject({ status: 402 })
  expect(upstream.seen).toHaveLength(1)
})

test('an answer that is cut before it says what it used stays reserved; one that is turned away costs nothing', async () => {
  const cut = await openProvider({
    chunks: events({ choices: [{ delta: { content: 'half' } }] }),
    type: 'text/event-stream',
    cut: true,
  })
  const first = await openLine('openai', 'openai-chat', cut.url)
  await send(first.line.socket, '/v1/chat/completions', { messages: [], stream: true }).catch(() => undefined)
  await expect.poll(() => cut.seen.length).toBe(1)
  expect([first.open.size, first.settled]).toEqual([1, []])
  await expect
    .poll(() => first.records)
    .toMatchObject([{ costMicros: null, tokens: null, outcome: 'TRANSIENT_NETWORK' }])
  const away = await openProvider({ chunks: ['{"error":{}}'], status: 429 })
  const second = await openLine('openai', 'openai-chat', away.url)
  expect((await send(second.line.socket, '/v1/chat/completions', { messages: [] })).status).toBe(429)
  expect(second.settled).toEqual([{ micros: 0, tokens: 0 }])
  expect(second.records).toMatchObject([{ costMicros: 0, answer: null, outcome: 'RATE_LIMIT' }])
  const closed = createServer()
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
  const { port } = closed.address() as AddressInfo
  await new Promise((resolve) => closed.close(resolve))
  const gone = await openLine('openai', 'openai-chat', `http://127.0.0.1:${port}/v1`)
  expect((await send(gone.line.socket, '/v1/chat/completions', { messages: [] })).status).toBe(502)
  expect(gone.settled).toEqual([{ micros: 0, tokens: 0 }])
  expect(gone.records).toMatchObject([{ costMicros: 0, outcome: 'TRANSIENT_NETWORK' }])
})

test('a model without a price is capped by its tokens', async () => {
  const upstream = await openProvider({ chunks: [chatUsage] })
  const { line, settled, reserved } = await openLine('compatible', 'openai-chat', upstream.url)
  await send(line.socket, '/v1/chat/completions', { messages: [] })
  expect(settled).toEqual([{ micros: 0, tokens: 120 }])
  expect(reserved().tokens).toBeGreaterThan(1_000)
})

test('a provider that wants no calls for longer than agents wait says so on the line; a shorter while is the agent’s to wait', async () => {
  for (const [seconds, isLimited] of [
    ['20', false],
    ['3600', true],
  ] as const) {
    const busy = await openProvider({ chunks: ['{"error":{}}'], status: 429, headers: { 'retry-after': seconds } })
    const { line } = await openLine('openai', 'openai-chat', busy.url)
    expect((await send(line.socket, '/v1/chat/completions', { messages: [] })).status).toBe(429)
    expect(line.limited.aborted, seconds).toBe(isLimited)
    expect(line.refused.aborted).toBe(false)
  }
})
