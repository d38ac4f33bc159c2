import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { runProcess } from '../../adapters/process/run.ts'
import { administer } from '../support/administer.ts'
import { makeRepository } from '../support/house.ts'
import type { Said, State } from '../support/program.ts'
import { openState, program } from '../support/program.ts'

const readme = '# Shop\n\nA shop for bread.\n\n## Requirements\n\n- The shop must sell bread.\n'

type Body = { readonly messages: readonly { readonly content: string }[]; readonly temperature?: number }

/** A provider that answers with the draft and the words of the day, and keeps what it was asked. */
async function openProvider() {
  const state = { words: 'As always.', asked: [] as Body[] }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Body
      state.asked.push(body)
      const draft = /<<< draft of \S+ (\w+)\n([\s\S]*?)\n>>> \1/.exec(body.messages.at(-1)?.content ?? '')?.[2] ?? ''
      const said = (event: object): string => `data: ${JSON.stringify({ id: 'call-1', ...event })}\n\n`
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(said({ choices: [{ index: 0, delta: { content: `${draft}\n\n${state.words}` } }] }))
      response.write(said({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }))
      const usage = { prompt_tokens: 1_000, completion_tokens: 500, total_tokens: 1_500 }
      response.end(`${said({ choices: [], usage })}data: [DONE]\n\n`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  return { state, models: { QP_MODEL: 'compatible/m', QP_MODEL_BASE_URL: url } }
}

/** What a person sees of one command, on a server with these settings. */
async function qpWith(state: State, more: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Said> {
  const { env, ...rest } = program(state, ...args)
  const limits = { timeoutMs: 60_000, maxOutputBytes: 1_000_000 }
  const { exitCode, stdout, stderr } = await runProcess({ ...rest, env: { ...env, ...more }, ...limits })
  return { exitCode, out: stdout.toString(), err: stderr }
}

test('an admin asks a recorded question again, and sees whether the answer is the same', {
  timeout: 120_000,
}, async () => {
  const state = await openState()
  const provider = await openProvider()
  const { models } = provider
  const folder = await makeRepository(state, 'shop', {
    'README.md': readme,
    'quantapilot.yml': 'models: { arch: { model: m, temperature: 0.2 } }\n',
  })
  const started = await qpWith(state, models, 'run', folder)
  const run = /Run (r[0-9a-z]+)/.exec(started.out)?.[1] ?? ''
  expect(started.out).toContain('ANCHOR.md')
  const [call] = await administer(state.database.connection, 'select id::text, answer_sha256 from app.model_calls')
  const id = String(call?.['id']).slice(-8)

  const same = await qpWith(state, models, 'replay', run, id)
  expect(same).toMatchObject({ exitCode: 0, err: '' })
  expect(same.out).toContain('✓ The same, byte for byte.')
  expect(provider.state.asked[1], 'asked word for word, with the same parameters').toEqual(provider.state.asked[0])
  expect(provider.state.asked[1]?.temperature).toBe(0.2)

  provider.state.words = 'Not as always.'
  const other = await qpWith(state, models, 'replay', run)
  expect(other.out).toContain('– Another answer:\n- As always.\n+ Not as always.')
  const json: unknown = JSON.parse((await qpWith(state, models, 'replay', run, id, '--json')).out)
  expect(json).toMatchObject({ ok: true, isSame: false, recorded: { sha256: call?.['answer_sha256'] }, prompt: null })

  const ledger = await administer(
    state.database.connection,
    `select b.spent_tokens::integer as run, s.spent_tokens::integer as day, s.reserved_tokens::integer as held
     from app.budgets b, app.spending s where s.level = 'instance-day'`,
  )
  expect(ledger, 'the run pays for its own call, the day for all four').toEqual([{ run: 1_500, day: 6_000, held: 0 }])
  const audit = await administer(
    state.database.connection,
    `select count(*)::integer as n from audit.entries where action = 'model.replay'`,
  )
  expect(audit).toEqual([{ n: 3 }])

  await administer(state.database.connection, `update app.model_calls set prompt_sha256 = repeat('0', 64)`)
  expect((await qpWith(state, models, 'replay', run)).out).toMatch(/! The prompt has changed since: revise@1 then/)

  const before = provider.state.asked.length
  const poor = await qpWith(state, { ...models, QP_DAY_TOKENS: '6001' }, 'replay', run)
  expect(poor).toMatchObject({ exitCode: 3 })
  expect(poor.out).toMatch(/which the server’s day does not hold\.\n {2}Ask again tomorrow/)
  expect((await qpWith(state, {}, 'replay', run)).out).toContain('This server has no model compatible/m.')
  expect((await qpWith(state, models, 'replay', run, 'ffffffff')).out).toContain('has no such call of a model')
  await administer(state.database.connection, `update app.model_texts set is_redacted = true`)
  expect((await qpWith(state, models, 'replay', run)).out).toContain('A secret was taken out of the question')
  await administer(state.database.connection, `delete from app.model_texts`)
  expect((await qpWith(state, models, 'replay', run)).out).toContain('The question is not kept')
  await administer(state.database.connection, `update app.actor_roles set revoked_at = now() where role = 'admin'`)
  expect(await qpWith(state, models, 'replay', run)).toMatchObject({
    exitCode: 3,
    out: expect.stringContaining('needs the role admin'),
  })
  expect(provider.state.asked, 'none of these was asked').toHaveLength(before)
})
