import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { createBuiltinAuthor } from '../../adapters/builtin-author/author.ts'
import { createModelAuthor } from '../../adapters/model-author/author.ts'
import { readPrompt } from '../../adapters/asking/prompt.ts'
import { startProcess } from '../../adapters/process/run.ts'
import { sayReply } from '../../bot/phrase.ts'
import { CallBook } from '../../core/engine/call-book.ts'
import type { RunCard } from '../../core/model/card.ts'
import { redacted, redactor } from '../../core/model/redact.ts'
import { Fault } from '../../core/model/problem.ts'
import type { LanguageModel, ModelRequest } from '../../core/ports.ts'
import { uuidv7 } from '../../core/store/uuid.ts'
import { administer } from '../support/administer.ts'
import {
  agreed,
  cardWhen,
  isAtEnd,
  isAtGate,
  makeRepository,
  openTestHouse,
  startFactory,
  testSettings,
} from '../support/house.ts'
import type { TestHouse } from '../support/house.ts'
import { openState, program, until } from '../support/program.ts'

const readme = '# Shop\n\nA shop for parts.\n\n- Customers must pay by card.\n- A clerk can refund an order.\n'

const draftIn = ({ prompt }: ModelRequest): string =>
  /<<< draft of \S+ (\w+)\n([\s\S]*?)\n>>> \1/.exec(prompt)?.[2] ?? ''

const subjectOf = ({ prompt }: ModelRequest): string => /Write (docs\/\S+)\.$/.exec(prompt)?.[1] ?? ''

/** A model that answers with the draft; `before` may fail the call that has this number, counted from one. */
function countingModel(before: (nth: number) => Promise<void>) {
  const asked: string[] = []
  const model: LanguageModel = {
    name: 'acme/one',
    worstCase: () => ({ micros: 90_000, tokens: 20_000 }),
    ask: async (request) => {
      asked.push(subjectOf(request))
      await before(asked.length)
      const used = { micros: 20_000, tokens: 1_500 }
      const tokens = { inputTokens: 1_000, cachedTokens: 200, outputTokens: 500 }
      return { text: draftIn(request), used, ...tokens, requestId: `call-${asked.length}`, isCut: false, durationMs: 7 }
    },
  }
  return { model, asked }
}

const openWith = (model: LanguageModel): Promise<TestHouse> =>
  openTestHouse({}, null, {
    codeHost: null,
    git: {},
    author: createModelAuthor({ models: [model], draft: createBuiltinAuthor() }),
  })

const sha256Of = (text: unknown): string => createHash('sha256').update(String(text)).digest('hex')

const callsOf = ({ database }: TestHouse) =>
  administer(
    database.connection,
    `select c.*, v.purpose, q.text as question, a.text as answer, q.is_redacted
     from app.model_calls c join app.reservations v on v.run_id = c.run_id and v.id = c.id
     left join app.model_texts q on q.run_id = c.run_id and q.sha256 = c.question_sha256
     left join app.model_texts a on a.run_id = c.run_id and a.sha256 = c.answer_sha256
     order by c.made_at, c.id`,
  )

test('every call leaves a record: of what was asked, by which prompt, what came, what it used and what it cost', async () => {
  const { model } = countingModel(() => Promise.resolve())
  const house = await openWith(model)
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  await house.work()
  const handle = await startFactory(house, folder)
  await cardWhen(house, handle, isAtGate)
  agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  await cardWhen(house, handle, isAtEnd)
  const calls = await callsOf(house)
  expect(calls).toHaveLength(12)
  const { fingerprint, version } = readPrompt(
    join(import.meta.dirname, '../../adapters/model-author/prompts'),
    'revise',
  )
  expect(calls[0]).toMatchObject({
    step_id: 'anchor',
    model: 'acme/one',
    purpose: 'writing docs/ANCHOR.md with acme/one',
    request_id: 'call-1',
    prompt_id: 'revise',
    prompt_version: String(version),
    prompt_sha256: fingerprint,
    max_output_tokens: 8_000,
    temperature: null,
    input_tokens: 1_000,
    cached_tokens: 200,
    output_tokens: 500,
    outcome: 'answered',
    is_redacted: false,
  })
  for (const call of calls) {
    expect(sha256Of(call['question'])).toBe(call['question_sha256'])
    expect(sha256Of(call['answer'])).toBe(call['answer_sha256'])
    expect(Number(call['cost_micros'])).toBe(20_000)
  }
  const shown = agreed(await house.ask({ kind: 'calls', run: handle, page: 1 }))
  expect(shown.kind === 'calls' && shown.calls.map(({ id }) => id)).toEqual(calls.map(({ id }) => id).toReversed())
  expect(sayReply(shown).at(-1)).toMatch(
    /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +[0-9a-f]{8} +anchor +acme\/one +revise@1 +1,000 +500 +\$0\.02 +\d+\.\d s +answered +call-1$/,
  )
  expect(sayReply(agreed(await house.ask({ kind: 'calls', run: handle, page: 2 })))).toEqual(['No more calls.'])
})

test('a call that failed leaves a record as well, with the code of what went wrong and what nobody knows left open', async () => {
  const { model } = countingModel(async (nth) => {
    if (nth === 1) throw new Fault({ code: 'UPSTREAM_TIMEOUT', message: 'too slow', retryable: true })
    if (nth === 2) throw new Fault({ code: 'RATE_LIMIT', message: 'no more', retryable: true, retryAfterMs: 1 })
  })
  const house = await openWith(model)
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  await house.work()
  await cardWhen(house, await startFactory(house, folder), isAtGate)
  const calls = await callsOf(house)
  expect(calls.map(({ outcome, cost_micros: cost }) => [outcome, cost === null ? null : Number(cost)])).toEqual([
    ['UPSTREAM_TIMEOUT', null],
    ['RATE_LIMIT', 0],
    ['answered', 20_000],
  ])
})

test('a step that is tried again asks for what it has no answer to: seven of twelve documents after a fault in the sixth', async () => {
  // The anchor and four of the suite are answered; the four beside each other after that find nobody.
  const { model, asked } = countingModel(async (nth) => {
    if (nth > 5 && nth <= 9) throw new Fault({ code: 'TRANSIENT_NETWORK', message: 'gone', retryable: true })
  })
  const house = await openWith(model)
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  await house.work()
  const handle = await startFactory(house, folder)
  await cardWhen(house, handle, isAtGate)
  agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  const card = await cardWhen(house, handle, isAtEnd)
  expect(card).toMatchObject({ state: 'succeeded', money: { spentMicros: 12 * 20_000 } })
  expect(asked.slice(9), 'only what was not answered').toHaveLength(7)
  expect(new Set([...asked.slice(0, 5), ...asked.slice(9)]).size, 'each document is paid for once').toBe(12)
  const ledger = await administer(
    house.database.connection,
    `select count(*)::integer as held, count(settled_at)::integer as settled from app.reservations`,
  )
  expect(ledger, 'nothing is set aside for an answer that is there').toEqual([{ held: 16, settled: 12 }])
})

/** A provider that answers the first five questions, and then nobody until it is let go. */
async function openStallingProvider() {
  const asked: string[] = []
  let isStalling = true
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const { messages } = JSON.parse(Buffer.concat(chunks).toString()) as { messages: { content: string }[] }
      const prompt = messages.at(-1)?.content ?? ''
      asked.push(/Write (docs\/\S+)\.$/.exec(prompt)?.[1] ?? '')
      if (isStalling && asked.length > 5) return
      const draft = /<<< draft of \S+ (\w+)\n([\s\S]*?)\n>>> \1/.exec(prompt)?.[2] ?? ''
      const said = (event: object): string => `data: ${JSON.stringify({ id: 'call', ...event })}\n\n`
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(said({ choices: [{ index: 0, delta: { content: draft } }] }))
      response.write(said({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }))
      const usage = { prompt_tokens: 1_000, completion_tokens: 500, total_tokens: 1_500 }
      response.end(`${said({ choices: [], usage })}data: [DONE]\n\n`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  return { asked, url, letGo: () => (isStalling = false) }
}

test('a worker that is killed after five of twelve documents leaves seven calls for the one that comes after', {
  timeout: 120_000,
}, async () => {
  const state = await openState()
  const provider = await openStallingProvider()
  const folder = await makeRepository(state, 'shop', { 'README.md': readme })
  const begin = async () => {
    const { env, ...rest } = program(state, 'start')
    const models = { QP_MODEL: 'compatible/m', QP_MODEL_BASE_URL: provider.url }
    const process = await startProcess({ ...rest, env: { ...env, ...models } })
    onTestFinished(async () => void (await process.kill({ signal: 'SIGKILL' })))
    return process
  }
  const first = await begin()
  const handle = await startFactory(state, folder)
  const isSo = (wanted: (card: RunCard) => boolean) => async () => wanted(await cardWhen(state, handle, () => true))
  await until(isSo(isAtGate), 'the first gate')
  agreed(await state.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  await until(() => provider.asked.length === 9, 'four answers that do not come')
  await first.kill({ signal: 'SIGKILL' })
  provider.letGo()
  const last = await begin()
  await until(isSo(isAtEnd), 'the end of the run')
  expect(await cardWhen(state, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  expect(provider.asked.slice(9), 'seven, not eleven and not twelve').toHaveLength(7)
  const answered = [...provider.asked.slice(0, 5), ...provider.asked.slice(9)]
  expect(new Set(answered).size, 'each document is paid for once').toBe(12)
  await last.kill({ graceMs: 15_000 })
})

test('an answer counts for the same question in any round of its step; a comment, other parameters or another step ask anew', async () => {
  const { model, asked } = countingModel(() => Promise.resolve())
  const house = await openWith(model)
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  await house.work()
  const handle = await startFactory(house, folder)
  await cardWhen(house, handle, isAtGate)
  agreed(await house.ask({ kind: 'changes', run: handle, gate: null, sha256: null, reason: 'Say more about refunds.' }))
  await cardWhen(house, handle, (card) => isAtGate(card) && card.gates.length === 2)
  expect(asked, 'a comment is another question').toEqual(['docs/ANCHOR.md', 'docs/ANCHOR.md'])
  const [call] = await callsOf(house)
  const run = String(call?.['run_id'])
  const book = new CallBook(house.db, { texts: testSettings.texts, log: () => undefined })
  const same = {
    models: ['acme/other', 'acme/one'],
    temperature: null,
    maxOutputTokens: 8_000,
    questionSha256: String(call?.['question_sha256']),
  }
  expect((await book.recall(run, 'anchor', same))?.text).toBe(call?.['answer'])
  expect((await book.recall(run, 'anchor#7', same))?.text).toBe(call?.['answer'])
  expect(await book.recall(run, 'suite', same)).toBeNull()
  expect(await book.recall(uuidv7(), 'anchor', same)).toBeNull()
  for (const other of [{ models: ['acme/other'] }, { temperature: 0.2 }, { maxOutputTokens: 8_001 }])
    expect(await book.recall(run, 'anchor', { ...same, ...other })).toBeNull()
})

test('a text with a secret in it is kept without, and what is not the answer any more is not used for it', async () => {
  const secret = 'this-is-our-own-secret'
  let isFailing = true
  const asked: string[] = []
  const model: LanguageModel = {
    ...countingModel(() => Promise.resolve()).model,
    ask: async (request) => {
      asked.push(subjectOf(request))
      const isLast = subjectOf(request) === 'docs/99_glossary.md'
      if (isLast && isFailing) {
        isFailing = false
        throw new Fault({ code: 'TRANSIENT_NETWORK', message: 'gone', retryable: true })
      }
      const used = { micros: 1, tokens: 2 }
      const text = draftIn(request).replace('A shop for parts.', `A shop for parts. The word is ${secret}.`)
      return {
        text,
        used,
        inputTokens: 1,
        cachedTokens: 0,
        outputTokens: 1,
        requestId: 'r',
        isCut: false,
        durationMs: 1,
      }
    },
  }
  const house = await openWith(model)
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  await house.work({ texts: { areKept: true, redact: redactor([secret]) } })
  const handle = await startFactory(house, folder)
  await cardWhen(house, handle, isAtGate)
  agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  await cardWhen(house, handle, isAtEnd)
  const texts = await administer(house.database.connection, 'select text, is_redacted from app.model_texts')
  expect(JSON.stringify(texts)).not.toContain(secret)
  const altered = texts.filter(({ is_redacted: isRedacted }) => isRedacted)
  expect(altered.length).toBeGreaterThan(0)
  expect(altered.every(({ text }) => String(text).includes(redacted))).toBe(true)
  const counts = (path: string): number => asked.filter((each) => each === path).length
  expect(counts('docs/00_overview.md'), 'its answer is not there word for word').toBe(2)
  expect(counts('docs/40_acceptance.md'), 'this one is').toBe(1)
})

test('where texts are not to be kept, digests are, and answers are paid for again', async () => {
  const { model, asked } = countingModel(async (nth) => {
    if (nth === 9) throw new Fault({ code: 'TRANSIENT_NETWORK', message: 'gone', retryable: true })
  })
  const house = await openWith(model)
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  await house.work({ texts: { areKept: false, redact: (text) => text } })
  const handle = await startFactory(house, folder)
  await cardWhen(house, handle, isAtGate)
  agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  await cardWhen(house, handle, isAtEnd)
  expect(await administer(house.database.connection, 'select from app.model_texts')).toHaveLength(0)
  expect((await callsOf(house)).every((call) => /^[0-9a-f]{64}$/.test(String(call['question_sha256'])))).toBe(true)
  expect(asked.slice(9)).toHaveLength(11)
})
