import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { createLanguageModel } from '../../adapters/ai/language-model.ts'
import { createBuiltinAuthor } from '../../adapters/builtin-author/author.ts'
import { createModelAuthor } from '../../adapters/model-author/author.ts'
import { administer } from '../support/administer.ts'
import {
  agreed,
  cardWhen,
  git,
  isAtEnd,
  isAtGate,
  makeRepository,
  openTestHouse,
  startFactory,
} from '../support/house.ts'

const readme = '# Shop\n\nA shop for parts.\n\n- Customers must pay by card.\n- A clerk can refund an order.\n'

/** What speaks the language of a model's provider, and answers a prompt with this. */
async function openProvider(answer: (prompt: string) => string) {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const asked = JSON.parse(Buffer.concat(chunks).toString()) as { messages: { content: string }[] }
      const prompt = asked.messages.at(-1)?.content ?? ''
      const said = (event: object): string => `data: ${JSON.stringify({ id: 'call-1', ...event })}\n\n`
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(said({ choices: [{ index: 0, delta: { content: answer(prompt) } }] }))
      response.write(said({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }))
      const usage = { prompt_tokens: 1_000, completion_tokens: 500, total_tokens: 1_500 }
      response.end(`${said({ choices: [], usage })}data: [DONE]\n\n`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
}

/** A model whose price the table knows, at an address of ours. */
async function authorAt(baseUrl: string) {
  const source = { name: 'google/gemini-2.5-pro', provider: 'compatible', model: 'm', apiKey: 'k', baseUrl } as const
  const model = await createLanguageModel(source)
  const cents = { ...model, worstCase: () => ({ micros: 90_000, tokens: 20_000 }) }
  const ask: typeof model.ask = async (...asked) => ({
    ...(await model.ask(...asked)),
    used: { micros: 20_000, tokens: 1_500 },
  })
  return createModelAuthor({ models: [{ ...cents, ask }], draft: createBuiltinAuthor() })
}

const draftIn = (prompt: string): string => /<<< draft of \S+ (\w+)\n([\s\S]*?)\n>>> \1/.exec(prompt)?.[2] ?? ''

test('a model writes the documents, its cost is on the card and in the ledger, and nothing stays set aside', async () => {
  const author = await authorAt(
    await openProvider((prompt) => draftIn(prompt).replace('A shop for parts.', 'A shop that sells parts.')),
  )
  const house = await openTestHouse({}, null, { codeHost: null, git: {}, author })
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  await house.work()
  const handle = await startFactory(house, folder)
  const card = await cardWhen(house, handle, isAtGate)
  expect(card.outlook?.highMicros, 'it was said before what it may cost').toBeGreaterThanOrEqual(240_000)
  expect(card.gates[0]?.subject.facts).toContain('cost $0.02')
  agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({
    state: 'succeeded',
    money: { spentMicros: 240_000, spentTokens: 18_000, reservedMicros: 0 },
  })
  expect(await git(folder, 'show', `quantapilot/${handle}/docs:docs/ANCHOR.md`)).toContain('A shop that sells parts.')
  const summary = agreed(await house.ask({ kind: 'artifacts', run: handle, name: 'summary.md' }))
  expect(summary.kind === 'file' && summary.text).toContain('Author: google/gemini-2.5-pro')
})

test('what fails the lint twice is written by the built-in author, and the card says so', async () => {
  const author = await authorAt(await openProvider(() => 'Sorry, I cannot do that.'))
  const house = await openTestHouse({}, null, { codeHost: null, git: {}, author })
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  await house.work()
  const handle = await startFactory(house, folder)
  const card = await cardWhen(house, handle, isAtGate)
  expect(card.money.spentMicros, 'once, and once more').toBe(40_000)
  expect(card.gates[0]?.subject.facts.join('\n')).toMatch(
    /written without google\/gemini-2\.5-pro, because what it wrote did not pass the lint after one repair: docs\/ANCHOR\.md:/,
  )
  const anchor = agreed(await house.ask({ kind: 'artifacts', run: handle, name: 'docs/ANCHOR.md' }))
  expect(anchor.kind === 'file' && anchor.text).toContain('Customers must pay by card')
})

test('a call that the run’s budget does not hold is not made: the run pauses, and goes on once there is more', async () => {
  let calls = 0
  const author = await authorAt(await openProvider((prompt) => (calls++, draftIn(prompt))))
  const house = await openTestHouse({}, null, { codeHost: null, git: {}, author })
  const files = { 'README.md': readme, 'quantapilot.yml': 'budgets: { usd: 0.05 }\n' }
  const folder = await makeRepository(house, 'shop', files)
  await house.work()
  const handle = await startFactory(house, folder)
  const card = await cardWhen(house, handle, ({ state }) => state === 'paused')
  expect(card).toMatchObject({ reasonCode: 'budget', money: { spentMicros: 0, reservedMicros: 0 } })
  expect(calls).toBe(0)
  await administer(house.database.connection, `update app.budgets set cap_micros = 5000000`)
  agreed(await house.ask({ kind: 'resume', run: handle }))
  expect(await cardWhen(house, handle, isAtGate)).toMatchObject({ money: { spentMicros: 20_000 } })
})
