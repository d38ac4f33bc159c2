import { expect, onTestFinished, test } from 'vitest'
import { guardModel } from '../adapters/ai/guard.ts'
import type { FaultCode } from '../core/model/problem.ts'
import { Fault } from '../core/model/problem.ts'
import type { LanguageModel, ModelRequest } from '../core/ports.ts'
import { openCircuit } from '../core/store/circuit.ts'
import { Database, type Executor } from '../core/store/database.ts'
import { openRateGate } from '../core/store/rate-gate.ts'
import { appRole } from '../core/store/role.ts'
import { administer } from './support/administer.ts'
import { createTestDatabase, freezeClock } from './support/postgres.ts'

const noon = Date.parse('2026-11-24T12:00:00Z')
const { signal } = new AbortController()
const question: ModelRequest = { system: '', prompt: '', maxOutputTokens: 1, temperature: null, answer: null }
const answer = {
  text: 'yes',
  used: { micros: 1, tokens: 2 },
  cachedTokens: 0,
  inputTokens: 1,
  outputTokens: 1,
  requestId: null,
  isCut: false,
  durationMs: 1,
}

/** A provider that is well until it is told not to be, called by two processes on one database. */
async function openProvider() {
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  await freezeClock(database, new Date(noon))
  const provider = { calls: 0, fails: null as FaultCode | null, retryAfterMs: undefined as number | undefined }
  const model: LanguageModel = {
    name: 'acme/wise-1',
    worstCase: () => ({ micros: 1, tokens: 2 }),
    ask: async () => {
      provider.calls++
      const { fails: code, retryAfterMs } = provider
      if (code === null) return answer
      const wait = retryAfterMs === undefined ? {} : { retryAfterMs }
      throw new Fault({ code, message: 'no', retryable: true, ...wait })
    },
  }
  const processes = Array.from({ length: 2 }, () => {
    const options = { name: 'test', poolSize: 2, role: appRole, onIdleError: () => undefined }
    const db = new Database(database.connection, options)
    onTestFinished(() => db.close())
    return guardModel(model, { circuit: openCircuit(db, 'acme'), gate: openRateGate(db, 'acme') })
  })
  let turn = 0
  /** Asks by one process and then by the other: `answered`, or the code of the fault and its wait. */
  const ask = async (): Promise<string> => {
    const by = processes[turn++ % 2]
    if (!by) throw new Error('nobody asks')
    return by.ask(question, signal).then(
      () => 'answered',
      (error: unknown) => {
        if (!(error instanceof Fault)) throw error
        return error.retryAfterMs === null ? error.code : `${error.code} ${error.retryAfterMs}`
      },
    )
  }
  const asks = async (times: number): Promise<string[]> => {
    const heard: string[] = []
    for (let n = 0; n < times; n++) heard.push(await ask())
    return heard
  }
  const pass = (seconds: number) => freezeClock(database, new Date(noon + seconds * 1000))
  /** As a process that has others to ask sees it. */
  const look = async (): Promise<number> => {
    const options = { name: 'test', poolSize: 1, role: appRole, onIdleError: () => undefined }
    const db = new Database(database.connection, options)
    const waitMs = await openCircuit(db, 'acme').waitMs()
    await db.close()
    return waitMs
  }
  return { provider, asks, pass, look }
}

test('after five failures in a row no process calls for a minute, and three answers open the way again', async () => {
  const { provider, asks, pass } = await openProvider()
  provider.fails = 'UPSTREAM_TIMEOUT'
  expect(await asks(7)).toEqual([...Array(5).fill('UPSTREAM_TIMEOUT'), ...Array(2).fill('TRANSIENT_NETWORK 60000')])
  expect(provider.calls).toBe(5)
  provider.fails = null
  await pass(59)
  expect(await asks(1)).toEqual(['TRANSIENT_NETWORK 1000'])
  await pass(60)
  expect(await asks(3)).toEqual(Array(3).fill('answered'))
  provider.fails = 'UPSTREAM_TIMEOUT'
  expect(await asks(4), 'closed: it takes five again').toEqual(Array(4).fill('UPSTREAM_TIMEOUT'))
})

test('who only looks whether the way is open takes no turn of those who try', async () => {
  const { provider, asks, pass, look } = await openProvider()
  expect(await look()).toBe(0)
  provider.fails = 'TOOL_FAILURE'
  await asks(5)
  expect(await look()).toBe(60_000)
  await pass(60)
  for (let n = 0; n < 5; n++) expect(await look()).toBe(0)
  provider.fails = null
  expect(await asks(3)).toEqual(Array(3).fill('answered'))
})

test('a failure while others try again is another minute for all', async () => {
  const { provider, asks, pass } = await openProvider()
  provider.fails = 'TRANSIENT_NETWORK'
  await asks(5)
  await pass(61)
  expect(await asks(2)).toEqual(['TRANSIENT_NETWORK', 'TRANSIENT_NETWORK 60000'])
  expect(provider.calls).toBe(6)
})

test('of many who try again at once three call, and whose caller died lapses after a minute', async () => {
  const { provider, asks, pass } = await openProvider()
  provider.fails = 'TOOL_FAILURE'
  await asks(5)
  await pass(60)
  provider.fails = 'FATAL' // Says nothing about whether the provider is up, like a caller that never comes back.
  expect(await asks(5)).toEqual([...Array(3).fill('FATAL'), ...Array(2).fill('TRANSIENT_NETWORK 5000')])
  await pass(121)
  expect(await asks(1)).toEqual(['FATAL'])
})

test('what the provider refuses does not count as an outage', async () => {
  const { provider, asks } = await openProvider()
  for (const code of ['VALIDATION_ERROR', 'PRECONDITION_FAILED', 'MODEL_OUTPUT_INVALID'] as const) {
    provider.fails = code
    expect(await asks(6)).toEqual(Array(6).fill(code))
  }
  provider.fails = null
  expect(await asks(1)).toEqual(['answered'])
})

test('an answer between failures starts the count anew', async () => {
  const { provider, asks } = await openProvider()
  for (let round = 0; round < 3; round++) {
    provider.fails = 'UPSTREAM_TIMEOUT'
    expect(await asks(4)).toEqual(Array(4).fill('UPSTREAM_TIMEOUT'))
    provider.fails = null
    expect(await asks(1)).toEqual(['answered'])
  }
})

test('a limit that one process meets holds for all until the time that the provider named, and then they take turns', async () => {
  const { provider, asks, pass } = await openProvider()
  provider.fails = 'RATE_LIMIT'
  provider.retryAfterMs = 20_000
  expect(await asks(3)).toEqual(['RATE_LIMIT 20000', 'RATE_LIMIT 20050', 'RATE_LIMIT 20100'])
  expect(provider.calls).toBe(1)
  provider.fails = null
  await pass(20)
  expect(await asks(1)).toEqual(['answered'])
})

test('a thousand calls that fail at once are counted in a few statements, and all of them', async () => {
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  const options = { name: 'test', poolSize: 4, role: appRole, onIdleError: () => undefined }
  const db = new Database(database.connection, options)
  onTestFinished(() => db.close())
  let statements = 0
  const run: Executor['run'] = (statement, params) => {
    statements++
    return db.run(statement, params)
  }
  const circuit = openCircuit({ run }, 'acme')
  await Promise.all(Array.from({ length: 1_000 }, () => circuit.failed()))
  expect(statements).toBeLessThanOrEqual(2)
  expect(await circuit.waitMs()).toBeGreaterThan(50_000)
  const [row] = await administer(database.connection, 'select failures from app.circuits')
  expect(row).toEqual({ failures: 1_000 })
})
