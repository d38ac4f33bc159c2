import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { loadConfig } from '../config.ts'
import { openCursor } from '../test/support/cursor.ts'
import { checkAgent, checkModels } from './checks.ts'

function configured(environment: Readonly<Record<string, string>>) {
  const result = loadConfig(environment)
  if (!result.ok) throw new Error(result.refusal.message)
  return result.value
}

/** A provider that answers a look at its models. */
async function openProvider(answers: Readonly<Record<string, readonly [number, unknown]>>) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const { url = '', headers } = request
    const key = headers.authorization ?? headers['x-api-key'] ?? headers['x-goog-api-key']
    asked.push(`${url} ${String(key)}`)
    const [status, body] = answers[url] ?? [404, {}]
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

test('without models or an agent nothing is asked, and both lines say what that means', async () => {
  expect(await checkModels(configured({}))).toEqual({
    status: 'pass',
    message: 'none: the built-in author writes the documents (docs/models.md)',
  })
  expect(await checkAgent(configured({}))).toEqual({
    status: 'pass',
    message: 'none: runs end after the documents (docs/agents.md)',
  })
})

test('each provider is asked in its own way, with its key', async () => {
  const { url, asked } = await openProvider({
    '/models/gpt-5.5': [200, {}],
    '/models/claude-opus-4-8': [200, {}],
    '/models/gemini-2.5-pro': [200, {}],
    '/models': [200, { data: [{ id: 'llama3:latest' }] }],
  })
  const config = configured({
    QP_MODEL: 'openai/gpt-5.5,anthropic/claude-opus-4-8,google/gemini-2.5-pro,compatible/llama3',
    OPENAI_API_KEY: 'o',
    OPENAI_BASE_URL: `${url}/`,
    ANTHROPIC_API_KEY: 'a',
    ANTHROPIC_BASE_URL: url,
    GOOGLE_GENERATIVE_AI_API_KEY: 'g',
    GOOGLE_BASE_URL: url,
    QP_MODEL_BASE_URL: url,
    QP_MODEL_API_KEY: 'c',
  })
  expect(await checkModels(config)).toEqual({
    status: 'pass',
    message:
      'openai/gpt-5.5 is there; anthropic/claude-opus-4-8 is there; google/gemini-2.5-pro is there; compatible/llama3 is there',
  })
  expect(asked.toSorted()).toEqual([
    '/models Bearer c',
    '/models/claude-opus-4-8 a',
    '/models/gemini-2.5-pro g',
    '/models/gpt-5.5 Bearer o',
  ])
})

test.each([
  ['a key that is not taken', 401, 'fail', 'openai/m does not accept its key: correct OPENAI_API_KEY'],
  ['a model that is not known', 404, 'fail', 'its provider knows no model m: correct QP_MODEL'],
  ['a provider that is not well', 503, 'warn', 'openai/m cannot be asked now (HTTP 503)'],
])('%s is said', async (_, status, verdict, message) => {
  const { url } = await openProvider({ '/models/m': [status, {}] })
  const config = configured({ QP_MODEL: 'openai/m', OPENAI_API_KEY: 'k', OPENAI_BASE_URL: url })
  expect(await checkModels(config)).toEqual({ status: verdict, message })
})

test.each([
  ['does not list it', { data: [{ id: 'other' }] }],
  ['lists nothing that can be read', '<html>'],
])('an endpoint that answers and %s is a warning', async (_, body) => {
  const { url } = await openProvider({ '/models': [200, body] })
  expect(await checkModels(configured({ QP_MODEL: 'compatible/m', QP_MODEL_BASE_URL: url }))).toEqual({
    status: 'warn',
    message: 'compatible/m answers, and does not list the model: its first call will tell',
  })
})

test('nobody there is a warning, and only what is wrong is named', async () => {
  const { url } = await openProvider({ '/models/gpt-5.5': [200, {}] })
  const config = configured({
    QP_MODEL: 'openai/gpt-5.5,compatible/m',
    OPENAI_API_KEY: 'k',
    OPENAI_BASE_URL: url,
    QP_MODEL_BASE_URL: 'http://127.0.0.1:1',
  })
  expect(await checkModels(config)).toEqual({ status: 'warn', message: 'compatible/m cannot be reached now' })
})

test('an agent that is not installed fails with what to install, and one that is says with which models it works', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'qp-agents-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const models = { QP_MODEL: 'anthropic/a,openai/o', ANTHROPIC_API_KEY: 'k', OPENAI_API_KEY: 'k' }
  const config = configured({ ...models, QP_AGENT: 'codex', QP_AGENTS_DIR: dir, PATH: '/nowhere' })
  expect(await checkAgent(config)).toEqual({
    status: 'fail',
    message: 'codex is not installed: npm install --prefix <folder of QP_AGENTS_DIR> @openai/codex',
  })
  await writeFile(join(dir, 'codex'), '')
  await chmod(join(dir, 'codex'), 0o755)
  expect(await checkAgent(config)).toEqual({ status: 'pass', message: 'codex is installed, and works with openai/o' })
  const other = configured({ QP_MODEL: 'anthropic/a', ANTHROPIC_API_KEY: 'k', QP_AGENT: 'codex', QP_AGENTS_DIR: dir })
  expect(await checkAgent(other)).toEqual({
    status: 'fail',
    message: 'codex cannot speak to the provider of any model in QP_MODEL: name another one (docs/agents.md)',
  })
})

test('Cursor is asked for a session, and says whether it takes the key', async () => {
  const server = await openCursor()
  const cursor = { QP_AGENT: 'cursor', QP_CURSOR_TURN_USD: '1', CURSOR_API_ENDPOINT: server.url }
  expect(await checkModels(configured({ ...cursor, CURSOR_API_KEY: server.key }))).toEqual({
    status: 'pass',
    message: 'cursor/auto: Cursor takes the key',
  })
  expect(await checkModels(configured({ ...cursor, CURSOR_API_KEY: 'of-yesterday' }))).toEqual({
    status: 'fail',
    message: 'Cursor does not accept its key: correct CURSOR_API_KEY',
  })
  const away = { ...cursor, CURSOR_API_KEY: server.key, CURSOR_API_ENDPOINT: 'http://127.0.0.1:1' }
  expect(await checkModels(configured(away))).toMatchObject({ status: 'warn' })
})
