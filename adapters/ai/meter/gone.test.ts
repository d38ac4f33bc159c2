import { once } from 'node:events'
import { createServer, type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import type { Amount } from '../../../core/model/amount.ts'
import type { ModelCall } from '../../../core/ports.ts'
import { createMeter } from './meter.ts'

/** A provider that answers as `answer` does; told of each call. */
async function openProvider(answer: (response: ServerResponse) => void) {
  const arrived = { calls: 0 }
  const server = createServer((request, response) => {
    arrived.calls++
    request.resume().on('end', () => answer(response))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { arrived, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` }
}

/** A meter's line; `reserving` is waited for before money is set aside. */
async function openLine(baseUrl: string, reserving: () => Promise<unknown> = () => Promise.resolve()) {
  const [settled, records, learned] = [[] as Amount[], [] as ModelCall[], [] as string[]]
  const asked = Promise.withResolvers<void>()
  const desk = {
    signal: new AbortController().signal,
    reserve: async () => {
      asked.resolve()
      await reserving()
      return {
        settle: async (used: Amount) => void settled.push(used),
        record: async (call: ModelCall) => void records.push(call),
      }
    },
    recall: () => Promise.resolve(null),
    progress: () => undefined,
  }
  const guards = {
    gate: { waitMs: () => Promise.resolve(0), close: () => Promise.resolve() },
    circuit: {
      enter: () => Promise.resolve(0),
      waitMs: () => Promise.resolve(0),
      failed: async () => void learned.push('failed'),
      passed: async () => void learned.push('passed'),
    },
  }
  const source = { name: 'openai/gpt-5.5', provider: 'openai', model: 'gpt-5.5', apiKey: 'k', baseUrl } as const
  const meter = await createMeter({ source, guards, tmpDir: tmpdir() })
  const line = await meter.open('openai-chat', desk, { prompt: null, maxOutputTokens: null, temperature: null })
  return { line, asked: asked.promise, settled, records, learned }
}

/** A call of an agent, whose connection the test may break. */
function call(socketPath: string, body = '{"messages":[]}') {
  const request = httpRequest({ socketPath, path: '/v1/chat/completions', method: 'POST' })
  request.on('error', () => undefined).end(body)
  return request
}

/** Makes it and waits for its answer. */
async function statusOf(socketPath: string, body?: string): Promise<number | undefined> {
  const [answer] = (await once(call(socketPath, body), 'response')) as [IncomingMessage]
  await once(answer.resume(), 'end')
  return answer.statusCode
}

const usage = JSON.stringify({ usage: { prompt_tokens: 100, completion_tokens: 20 } })

test('an agent that hangs up while money is set aside for it spends none, and is not waited for', async () => {
  const provider = await openProvider((response) => void response.end(usage))
  const gone = Promise.withResolvers<void>()
  const { line, asked, settled, records, learned } = await openLine(provider.url, () => gone.promise)
  const request = call(line.socket)
  await asked
  request.destroy()
  await delay(50)
  gone.resolve()
  await delay(200)
  expect(await Promise.race([line.close().then(() => 'closed'), delay(2_000, 'still open')])).toBe('closed')
  expect(settled).toEqual([{ micros: 0, tokens: 0 }])
  expect(provider.arrived.calls).toBe(0)
  expect(records).toMatchObject([{ costMicros: 0 }])
  expect(learned).toEqual([])
})

test('an agent that hangs up before the answer says nothing about the provider', async () => {
  const provider = await openProvider(() => undefined)
  const { line, settled, records, learned } = await openLine(provider.url)
  const request = call(line.socket)
  await expect.poll(() => provider.arrived.calls).toBe(1)
  request.destroy()
  await expect.poll(() => records).toMatchObject([{ costMicros: null }])
  await line.close()
  expect([settled, learned]).toEqual([[], []])
})

test('a call that is called off with its step says nothing about the provider', async () => {
  const provider = await openProvider(() => undefined)
  const { line, learned } = await openLine(provider.url)
  call(line.socket)
  await expect.poll(() => provider.arrived.calls).toBe(1)
  await line.close()
  expect(learned).toEqual([])
})

test('an agent that reads slowly gets all of a long answer, and leaves nobody listening for it', async () => {
  const text = 'x'.repeat(20_000_000)
  const provider = await openProvider((response) => void response.end(text))
  const { line } = await openLine(provider.url)
  const warned: Error[] = []
  const onWarning = (warning: Error): void => void warned.push(warning)
  process.on('warning', onWarning)
  onTestFinished(() => void process.off('warning', onWarning))
  const length = await new Promise((resolve) =>
    call(line.socket).on('response', (response) => {
      let read = 0
      response.on('data', (chunk: Buffer) => {
        read += chunk.length
        response.pause()
        setTimeout(() => response.resume(), 1)
      })
      response.on('end', () => resolve(read))
    }),
  )
  await line.close()
  expect([length, warned.map(({ name }) => name)]).toEqual([text.length, []])
})

test('an agent has so many calls under way at once and no more, over however few connections it asks', async () => {
  const provider = await openProvider(() => undefined)
  const { line } = await openLine(provider.url)
  let turnedAway = 0
  for (let n = 0; n < 40; n++) call(line.socket).on('error', () => turnedAway++)
  await expect.poll(() => [provider.arrived.calls, turnedAway]).toEqual([32, 8])
  const asked = 'POST /v1/chat/completions HTTP/1.1\r\nhost: m\r\ncontent-length: 15\r\n\r\n{"messages":[]}'
  const connection = connect({ path: line.socket }).on('error', () => undefined)
  onTestFinished(() => void connection.destroy())
  connection.write(asked.repeat(40))
  await once(connection, 'close')
  expect(provider.arrived.calls).toBe(32)
  await line.close()
})

test('an agent has so many connections and no more', async () => {
  const { line } = await openLine('http://127.0.0.1:1')
  const open = Array.from({ length: 300 }, () => connect({ path: line.socket }).on('error', () => undefined))
  onTestFinished(() => open.forEach((each) => each.destroy()))
  await expect.poll(() => open.filter(({ closed }) => closed).length).toBe(300 - 256)
  await line.close()
})

test('a body of millions of values is not read, and one of as many letters is', async () => {
  const provider = await openProvider((response) => void response.end(usage))
  const { line, settled } = await openLine(provider.url)
  const values = `{"messages":[${'{},'.repeat(2_600_000)}{}]}`
  expect(await statusOf(line.socket, values)).toBe(413)
  expect(provider.arrived.calls).toBe(0)
  const code = 'f({ a: [1, 2], b: "\\\\" })\n'.repeat(200_000)
  expect(await statusOf(line.socket, JSON.stringify({ messages: [{ role: 'user', content: code }] }))).toBe(200)
  expect(settled).toHaveLength(1)
  await line.close()
})

test('the calls that an agent has under way hold so many bytes together, and there is room again when one has ended', async () => {
  const waiting: ServerResponse[] = []
  const provider = await openProvider((response) => void waiting.push(response))
  const { line } = await openLine(provider.url)
  const long = JSON.stringify({ messages: [{ role: 'user', content: 'x'.repeat(7_000_000) }] })
  const calls = Array.from({ length: 4 }, () => statusOf(line.socket, long))
  await expect.poll(() => waiting.length, { timeout: 10_000 }).toBe(4)
  expect(await statusOf(line.socket, long)).toBe(429)
  waiting[0]?.end(usage)
  expect(await Promise.race(calls)).toBe(200)
  calls.push(statusOf(line.socket, long))
  await expect.poll(() => waiting.length, { timeout: 10_000 }).toBe(5)
  for (const response of waiting) response.end(usage)
  expect(await Promise.all(calls)).toEqual(Array(5).fill(200))
  await line.close()
})

test('an agent whose calls make its provider fail stays away itself, and does not turn the others away', async () => {
  let status = 500
  const provider = await openProvider((response) => void response.writeHead(status).end(usage))
  const { line, learned } = await openLine(provider.url)
  const heard: unknown[] = []
  for (let n = 0; n < 4; n++) heard.push(await statusOf(line.socket))
  status = 200
  heard.push(await statusOf(line.socket))
  status = 500
  for (let n = 0; n < 7; n++) heard.push(await statusOf(line.socket))
  expect(heard).toEqual([500, 500, 500, 500, 200, 500, 500, 500, 500, 500, 429, 429])
  const failed = Array<string>(3).fill('failed')
  expect(learned).toEqual([...failed, 'passed', ...failed])
  expect(line.limited.aborted, 'another model may go on').toBe(true)
  await line.close()
})
