import { createServer } from 'node:http'
import { rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { LLMock } from '@copilotkit/aimock'
import { expect, onTestFinished, test } from 'vitest'
import { createLanguageModel } from '../../adapters/ai/language-model.ts'
import { createBuiltinAuthor } from '../../adapters/builtin-author/author.ts'
import { createModelAuthor } from '../../adapters/model-author/author.ts'
import type { AuthorDesk, AuthorRequest, WrittenDocument } from '../../core/ports.ts'
import { makeScratch } from '../support/scratch.ts'

const request: AuthorRequest = {
  project: { name: 'shop', address: 'https://example.org/shop.git', branch: 'main', commit: '0'.repeat(40) },
  readme: { path: 'README.md', bytes: new TextEncoder().encode('# Shop\n\n- Customers must pay by card.\n') },
  updated: '2026-11-24',
  owners: [],
  comments: [],
  decisions: [],
  repair: [],
  previous: [],
  tuning: { model: null, temperature: 0, maxOutputTokens: null, mayChange: true },
}

const desk: AuthorDesk = {
  signal: new AbortController().signal,
  reserve: async () => ({ settle: () => Promise.resolve(), record: () => Promise.resolve() }),
  recall: () => Promise.resolve(null),
  progress: () => undefined,
}

/** A provider that never answers the same twice, so that what comes again was recorded. */
async function openUpstream() {
  let calls = 0
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const asked = JSON.parse(Buffer.concat(chunks).toString()) as { messages: { content: string }[] }
      const draft = /<<< draft of \S+ (\w+)\n([\s\S]*?)\n>>> \1/.exec(asked.messages.at(-1)?.content ?? '')?.[2] ?? ''
      const said = (event: object): string => `data: ${JSON.stringify({ id: `chatcmpl-${calls}`, ...event })}\n\n`
      const base = { object: 'chat.completion.chunk', created: 1, model: 'm' }
      const content = `${draft}\n\nAnswer ${++calls} of the provider: “näher”, 10 €.`
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(
        said({ ...base, choices: [{ index: 0, delta: { role: 'assistant', content: content.slice(0, 9) } }] }),
      )
      response.write(said({ ...base, choices: [{ index: 0, delta: { content: content.slice(9) } }] }))
      response.write(said({ ...base, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }))
      const usage = { prompt_tokens: 100, completion_tokens: 50, total_tokens: 150 }
      response.end(`${said({ ...base, choices: [], usage })}data: [DONE]\n\n`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  onTestFinished(close)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls: () => calls, close }
}

/** All twelve documents, by a model at this address. */
async function writtenAt(url: string): Promise<readonly WrittenDocument[]> {
  const source = {
    name: 'compatible/m',
    provider: 'compatible',
    model: 'm',
    apiKey: 'k',
    baseUrl: `${url}/v1`,
  } as const
  const author = createModelAuthor({ models: [await createLanguageModel(source)], draft: createBuiltinAuthor() })
  const [anchor, suite] = [await author.writeAnchor(request, desk), await author.writeSuite(request, desk)]
  return [...anchor.documents, ...suite.documents]
}

async function openMock(prepare: (mock: LLMock) => void): Promise<LLMock> {
  const mock = new LLMock({ port: 0, logLevel: 'silent' })
  prepare(mock)
  await mock.start()
  onTestFinished(() => mock.stop())
  return mock
}

test('what a model wrote once is written again from the recording, byte for byte, with the provider away', async () => {
  const upstream = await openUpstream()
  const fixturePath = await makeScratch('qp-recorded-')
  onTestFinished(() => rm(fixturePath, { recursive: true, force: true }))
  const recorder = await openMock((mock) => mock.enableRecording({ providers: { openai: upstream.url }, fixturePath }))
  const first = await writtenAt(recorder.url)
  expect([first.length, upstream.calls()]).toEqual([12, 12])
  expect(first.every(({ text }) => text.includes('of the provider: “näher”, 10 €.'))).toBe(true)
  await upstream.close()
  const player = await openMock((mock) => mock.loadFixtureDir(fixturePath))
  expect(await writtenAt(player.url)).toEqual(first)
  expect(upstream.calls(), 'nobody else was asked').toBe(12)
})
