import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { LLMock } from '@copilotkit/aimock'
import { expect, onTestFinished, test } from 'vitest'
import { Fault } from '../../core/model/problem.ts'
import type { ModelRequest } from '../../core/ports.ts'
import { type ModelSource, type Provider, readModels } from './environment.ts'
import { createLanguageModel } from './language-model.ts'

const question: ModelRequest = {
  system: 'Be brief.',
  prompt: 'Say hello.',
  maxOutputTokens: 50,
  temperature: 0,
  answer: null,
}
const never = new AbortController().signal

const sourceOf = (provider: Provider, model: string, baseUrl: string): ModelSource => ({
  name: `${provider}/${model}`,
  provider,
  model,
  apiKey: 'key-that-nobody-may-see',
  baseUrl,
})

const providers = [
  ['openai', 'gpt-5.5', '/v1'],
  ['anthropic', 'claude-opus-4-8', '/v1'],
  ['google', 'gemini-2.5-pro', '/v1beta'],
  ['compatible', 'llama', '/v1'],
] as const

test.each(providers)(
  '%s answers a question as it comes, with what it used and how it knows the call',
  async (provider, model, path) => {
    const mock = new LLMock({ port: 0 })
    const usage = { prompt_tokens: 12, completion_tokens: 7, input_tokens: 12, output_tokens: 7 }
    mock.onMessage(/hello/, {
      content: 'Hello to all of you out there.',
      finishReason: 'stop',
      usage: { ...usage, promptTokenCount: 12, candidatesTokenCount: 7, totalTokenCount: 19, total_tokens: 19 },
    })
    await mock.start()
    onTestFinished(() => mock.stop())
    const asked = await createLanguageModel(sourceOf(provider, model, `${mock.url}${path}`))
    const heard: number[] = []
    const answer = await asked.ask(question, never, (characters) => heard.push(characters))
    expect(answer).toMatchObject({
      text: 'Hello to all of you out there.',
      isCut: false,
      inputTokens: 12,
      outputTokens: 7,
    })
    expect(answer.requestId).toEqual(expect.any(String))
    expect(heard.at(-1)).toBe(answer.text.length)
    expect(answer.used.tokens).toBe(19)
    expect(answer.used.micros > 0, 'only the endpoint of our own has no price').toBe(provider !== 'compatible')
    expect(answer.used.micros).toBeLessThanOrEqual(asked.worstCase(question).micros)
    expect(answer.used.tokens).toBeLessThanOrEqual(asked.worstCase(question).tokens)
  },
)

/** An endpoint that answers every question like this. */
async function openEndpoint(respond: (response: ServerResponse) => void) {
  let calls = 0
  const server = createServer((request, response) => {
    calls++
    request.resume().on('end', () => respond(response))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const patience = { totalMs: 1_500, idleMs: 300 }
  const model = await createLanguageModel(sourceOf('compatible', 'llama', `http://127.0.0.1:${port}/v1`), patience)
  return { model, port, calls: () => calls }
}

/** Where something listened a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const faultOf = (asked: Promise<unknown>): Promise<Fault> =>
  asked.then(
    () => Promise.reject(new Error('it answered')),
    (error: unknown) => {
      if (error instanceof Fault) return error
      throw error
    },
  )

const statuses: readonly [number, Record<string, string>, object][] = [
  [401, {}, { code: 'PRECONDITION_FAILED', retryable: false }],
  [403, {}, { code: 'PRECONDITION_FAILED', retryable: false }],
  [402, {}, { code: 'PRECONDITION_FAILED', retryable: false }],
  [400, {}, { code: 'VALIDATION_ERROR', retryable: false }],
  [404, {}, { code: 'VALIDATION_ERROR', retryable: false }],
  [413, {}, { code: 'VALIDATION_ERROR', retryable: false }],
  [408, {}, { code: 'UPSTREAM_TIMEOUT', retryable: true }],
  [429, { 'retry-after': '7' }, { code: 'RATE_LIMIT', retryable: true, retryAfterMs: 7_000 }],
  [429, { 'retry-after-ms': '1500' }, { code: 'RATE_LIMIT', retryable: true, retryAfterMs: 1_500 }],
  [429, {}, { code: 'RATE_LIMIT', retryable: true, retryAfterMs: 10_000 }],
  [500, {}, { code: 'TRANSIENT_NETWORK', retryable: true }],
  [503, {}, { code: 'TRANSIENT_NETWORK', retryable: true }],
]

test.each(statuses)(
  'an answer of %i %j is told apart, asked once, and shows no key',
  async (status, headers, expected) => {
    const { model, calls } = await openEndpoint((response) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers })
      response.end(JSON.stringify({ error: { message: 'no: key-that-nobody-may-see' } }))
    })
    const fault = await faultOf(model.ask(question, never))
    expect(fault).toMatchObject(expected)
    expect(fault.message).toMatch(/^The model compatible\/llama .*\.$/)
    expect(fault.message).not.toContain('key-that')
    expect(calls(), 'the engine repeats, not the client').toBe(1)
  },
)

const chunk = (text: string): string =>
  `data: ${JSON.stringify({ id: 'c1', choices: [{ index: 0, delta: { content: text } }] })}\n\n`

const streaming = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(chunk('Hel'))
}

test('a model that falls silent in the middle is left after its idle time, one that drips for ever after its whole time', async () => {
  const silent = await openEndpoint(streaming)
  let began = performance.now()
  expect(await faultOf(silent.model.ask(question, never))).toMatchObject({ code: 'UPSTREAM_TIMEOUT', retryable: true })
  expect(performance.now() - began).toBeLessThan(1_400)
  const dripping = await openEndpoint((response) => {
    streaming(response)
    const timer = setInterval(() => response.write(chunk('lo')), 50)
    response.on('close', () => clearInterval(timer))
  })
  began = performance.now()
  expect(await faultOf(dripping.model.ask(question, never))).toMatchObject({ code: 'UPSTREAM_TIMEOUT' })
  expect(performance.now() - began).toBeGreaterThan(1_400)
})

test('a stream that is cut, a server that is gone, and an answer that is no JSON are faults that may pass', async () => {
  const cut = await openEndpoint((response) => {
    streaming(response)
    setTimeout(() => response.destroy(), 20)
  })
  const paidPerhaps = { code: 'TRANSIENT_NETWORK', retryable: true, isUnsent: false }
  expect(await faultOf(cut.model.ask(question, never))).toMatchObject(paidPerhaps)
  const gone = await createLanguageModel(sourceOf('compatible', 'llama', `http://127.0.0.1:${await closedPort()}/v1`))
  const unsent = { code: 'TRANSIENT_NETWORK', retryable: true, isUnsent: true }
  expect(await faultOf(gone.ask(question, never))).toMatchObject(unsent)
  const nowhere = await createLanguageModel(sourceOf('compatible', 'llama', 'http://nobody.invalid/v1'))
  expect(await faultOf(nowhere.ask(question, never))).toMatchObject(unsent)
  const broken = await openEndpoint((response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end('data: {"choices": [\n\n')
  })
  expect((await faultOf(broken.model.ask(question, never))).retryable).toBe(true)
})

test('whoever calls it off is heard at once, with the reason given', async () => {
  const { model } = await openEndpoint(streaming)
  const stop = new AbortController()
  const asked = model.ask(question, stop.signal)
  const began = performance.now()
  setTimeout(() => stop.abort(new Error('called off')), 50)
  await expect(asked).rejects.toThrow('called off')
  expect(performance.now() - began).toBeLessThan(1_000)
})

test('the most a call may cost counts every byte, grows into dearer tiers, and is nothing where no price is known', async () => {
  const gpt = await createLanguageModel(sourceOf('openai', 'gpt-5.5', 'http://127.0.0.1:1/v1'))
  const most = (bytes: number) => gpt.worstCase({ ...question, prompt: 'x'.repeat(bytes) })
  expect(most(1_000).tokens).toBeGreaterThanOrEqual(1_000 + 50)
  expect(most(400_000).micros / 400_000, 'each token of a long prompt').toBeGreaterThan(
    1.8 * (most(100_000).micros / 100_000),
  )
  const unknown = await createLanguageModel(sourceOf('openai', 'gpt-of-tomorrow-99x', 'http://127.0.0.1:1/v1'))
  expect(unknown.worstCase(question)).toMatchObject({ micros: 0, tokens: expect.any(Number) })
  expect(unknown.worstCase(question).tokens).toBeGreaterThan(50)
})

test('a price of the operator’s own holds for models that no table knows, and is held to their model', async () => {
  const values = { QP_MODEL: 'compatible/llama3', QP_MODEL_BASE_URL: 'http://127.0.0.1:1/v1' }
  const read = readModels({ ...values, QP_MODEL_PRICES: 'compatible/llama3=0.20/0.60' })
  const [source] = read.ok ? read.value : []
  if (!source) throw new Error('no model')
  const model = await createLanguageModel(source)
  const { micros, tokens } = model.worstCase({ ...question, prompt: 'x'.repeat(10_000), maxOutputTokens: 1_000 })
  expect(micros).toBe(Math.ceil((tokens - 1_000) * 0.2 + 1_000 * 0.6))
  expect(readModels({ ...values, QP_MODEL_PRICES: 'compatible/llama=1/2' })).toMatchObject({
    ok: false,
    refusal: { message: expect.stringContaining('compatible/llama, which QP_MODEL does not name') },
  })
})
