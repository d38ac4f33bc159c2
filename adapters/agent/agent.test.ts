import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { Fault } from '../../core/model/problem.ts'
import type { AuthorDesk } from '../../core/ports.ts'
import type { AgentProgram, CodingAgent, ModelMeter, Sandbox } from '../../core/workshop.ts'
import { createCodingAgent } from './agent.ts'

/** A meter whose line answers what a test says, and which wants no calls for as long. */
function aMeter(name: string, isLimited: () => boolean) {
  const state = { waitMs: 0, calls: 0, lines: 0 }
  const meter: ModelMeter = {
    name,
    model: name,
    speaks: ['openai-chat'],
    keepsTerms: true,
    waitMs: () => Promise.resolve(state.waitMs),
    open: async () => {
      state.lines++
      const limit = new AbortController()
      const server = createServer((_, response) => {
        state.calls++
        if (isLimited()) {
          state.waitMs = 3_600_000
          limit.abort()
        }
        response.writeHead(isLimited() ? 429 : 200).end()
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const { port } = server.address() as AddressInfo
      return {
        socket: `${port}`,
        refused: new AbortController().signal,
        limited: limit.signal,
        total: () => ({ calls: state.calls, used: { micros: state.calls, tokens: state.calls * 10 } }),
        close: async () => {
          server.closeAllConnections()
          await new Promise((resolve) => server.close(resolve))
        },
      }
    },
  }
  return { meter, state }
}

const statusOf = (port: string): Promise<number> =>
  new Promise((resolve, reject) =>
    httpRequest({ host: '127.0.0.1', port }, (response) => resolve(response.resume().statusCode ?? 0))
      .on('error', reject)
      .end(),
  )

/** Runs an agent that calls its model once, and waits for ever where that wants no calls. */
function aSandbox() {
  const state = { runs: 0 }
  const sandbox: Sandbox = {
    missing: () => Promise.resolve(null),
    run: async ({ bridge }, signal) => {
      state.runs++
      const status = await statusOf(bridge?.socket ?? '')
      if (status !== 200)
        await new Promise((_, reject) => {
          if (signal.aborted) reject(signal.reason as Error)
          signal.addEventListener('abort', () => reject(signal.reason as Error))
        })
      return { ended: 'exited', exitCode: 0, stdout: 'done', stderr: '', durationMs: 1 }
    },
  }
  return { sandbox, state }
}

const program: AgentProgram = {
  name: 'some-agent',
  whenMissing: 'It is not there.',
  executables: ['sh'],
  needsFolder: false,
  speaks: ['openai-chat'],
  command: () => ({ args: [], env: {}, files: [], stdin: null }),
  said: (stdout) => stdout,
}

const desk = (signal = new AbortController().signal): AuthorDesk => ({
  signal,
  reserve: () => Promise.reject(new Error('the meters here reserve nothing')),
  recall: () => Promise.resolve(null),
  progress: () => undefined,
})

const agentWith = (meters: readonly ModelMeter[], sandbox: Sandbox): CodingAgent =>
  createCodingAgent({ program, meters, sandbox, stateDir: tmpdir(), agentsDir: null, path: '/usr/bin:/bin' })

const task = {
  folder: tmpdir(),
  prompt: 'Build it.',
  promptRef: { id: 'build', version: '1', sha256: '' },
  model: null,
  mayChange: true,
  maxOutputTokens: null,
  temperature: null,
  timeoutMs: 10_000,
}

test('a model that wants no calls for an hour is left in the middle of the work, and the next one goes on at once', async () => {
  const [one, two] = [aMeter('one', () => true), aMeter('two', () => false)]
  const { sandbox, state } = aSandbox()
  const report = await agentWith([one.meter, two.meter], sandbox).work(task, desk())
  expect(report).toMatchObject({ ended: 'finished', calls: 2, used: { micros: 2, tokens: 20 } })
  expect([one.state.lines, two.state.lines, state.runs]).toEqual([1, 1, 2])
  await agentWith([one.meter, two.meter], sandbox).work(task, desk())
  expect(one.state, 'until then it is left alone').toMatchObject({ lines: 1, calls: 1 })
})

test('a project’s model is asked first, and another one where that cannot be had', async () => {
  const [one, two] = [aMeter('one', () => false), aMeter('two', () => false)]
  const { sandbox } = aSandbox()
  const agent = agentWith([one.meter, two.meter], sandbox)
  await agent.work({ ...task, model: 'two' }, desk())
  expect([one.state.lines, two.state.lines]).toEqual([0, 1])
  two.state.waitMs = 60_000
  await agent.work({ ...task, model: 'two' }, desk())
  expect([one.state.lines, two.state.lines]).toEqual([1, 1])
})

test('a project that wants no other model without a decision gets none: its own is waited for, and has to be there', async () => {
  const [one, two] = [aMeter('one', () => false), aMeter('two', () => false)]
  const { sandbox } = aSandbox()
  const agent = agentWith([one.meter, two.meter], sandbox)
  one.state.waitMs = 60_000
  await expect(agent.work({ ...task, mayChange: false }, desk())).rejects.toMatchObject({ code: 'RATE_LIMIT' })
  await expect(agent.work({ ...task, model: 'three', mayChange: false }, desk())).rejects.toMatchObject({
    code: 'VALIDATION_ERROR',
    message: expect.stringMatching(/wants the model three and no other/),
  })
  expect([one.state.lines, two.state.lines]).toEqual([0, 0])
})

test('where no model wants calls nothing is started, and the run comes again when the first one does', async () => {
  const [one, two] = [aMeter('one', () => false), aMeter('two', () => false)]
  one.state.waitMs = 90_000
  two.state.waitMs = 40_000
  const { sandbox, state } = aSandbox()
  const failed = agentWith([one.meter, two.meter], sandbox).work(task, desk())
  await expect(failed).rejects.toMatchObject({ code: 'RATE_LIMIT', retryable: true, retryAfterMs: 40_000 })
  await expect(failed).rejects.toBeInstanceOf(Fault)
  expect(state.runs).toBe(0)
})

test('an agent whose only model wants no calls is not called off: it waits, or gives up by itself', async () => {
  const one = aMeter('one', () => true)
  const { sandbox } = aSandbox()
  const stop = new AbortController()
  const work = agentWith([one.meter], sandbox).work(task, desk(stop.signal))
  await expect.poll(() => one.state.calls).toBe(1)
  stop.abort(new Error('called off by a person'))
  await expect(work).rejects.toThrow('called off by a person')
})
