import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Amount } from '../../core/model/amount.ts'
import { Fault, type FaultCode } from '../../core/model/problem.ts'
import type { AuthorDesk, HeldMoney, PromptRef } from '../../core/ports.ts'
import type { ModelMeter } from '../../core/workshop.ts'
import { codeOf, digest, requestIdOf, sha256Of } from '../metering/answer.ts'
import type { Guards } from '../metering/guards.ts'
import { type Book, type Exchange, isCalledOff, openLine } from '../metering/line.ts'
import { onceGone, passOn, readBytes } from '../metering/pass-on.ts'
import { isUnreached } from '../metering/unreached.ts'
import { asWitness } from '../metering/witness.ts'
import { type Ended, envelopes } from './envelope.ts'
import { type CursorSettings, nameOf } from './environment.ts'
import { dummySession, exchangePath, keyRefused, openSession, type Session } from './session.ts'

export type CursorMeterOptions = {
  readonly settings: CursorSettings
  readonly guards: Guards
  readonly tmpDir: string
  /** Told once of each path that was asked for and is not served, reports of its use left out. */
  readonly onRefused: (says: string) => void
  readonly patience?: Patience
}

/** The longest that a turn may take, that Cursor may be silent in one, and that the first words of a turn may come before it. */
type Patience = { readonly totalMs: number; readonly idleMs: number; readonly aheadMs: number }

const usualPatience: Patience = { totalMs: 1_800_000, idleMs: 180_000, aheadMs: 5_000 }

/** A turn: the agent's stream, from a question to all that came of it. The one call that costs anything. */
const turnPath = '/agent.v1.AgentService/RunSSE'

/** What the agent says within a turn: the question, and what its tools found. */
const appendPath = '/aiserver.v1.BidiService/BidiAppend'

/** What it asks besides, about its account and its models; nothing that starts work, keeps files or fetches pages. */
const asked: ReadonlySet<string> = new Set([
  '/aiserver.v1.DashboardService/GetMe',
  '/aiserver.v1.ServerConfigService/GetServerConfig',
  '/aiserver.v1.AiService/AvailableModels',
  '/aiserver.v1.AiService/GetUsableModels',
  '/aiserver.v1.AiService/GetDefaultModelForCli',
  '/aiserver.v1.AiService/GetDefaultModel',
  '/aiserver.v1.AiService/ServerTime',
  '/agent.v1.AgentService/GetUsableModels',
  '/agent.v1.AgentService/GetDefaultModelForCli',
  '/agent.v1.AgentService/GetAllowedModelIntents',
  '/agent.v1.AgentService/UploadConversationBlobs',
])

/**
 * Between Cursor's agent and Cursor: holds the key and the session, lets its conversation through, and books each turn at
 * the operator's price. What is in the conversation only the two ends can read, so nothing is taken out of it.
 */
export function createCursorMeter({ onRefused, ...options }: CursorMeterOptions): ModelMeter {
  const { settings, guards, tmpDir } = options
  const name = nameOf(settings)
  const told = new Set<string>()
  const onPath = (path: string): void => {
    if (told.has(path) || told.size >= mostTold || reports.test(path)) return
    told.add(path)
    onRefused(`cursor asked for ${JSON.stringify(path)}, which is not served`)
  }
  return {
    name,
    model: settings.model,
    speaks: ['cursor'],
    keepsTerms: false,
    waitMs: async () => (await guards.gate.waitMs()) || (await guards.circuit.waitMs()),
    open: async (_, desk, { prompt }) => {
      const line: Line = {
        ...options,
        guards: asWitness(guards),
        desk,
        prompt,
        onPath,
        session: openSession(settings),
        turns: openTurns(options.patience ?? usualPatience),
      }
      return await openLine({ tmpDir, name, unit: 'turn', desk }, { serve: serve.bind(null, line), onError: fail })
    },
  }
}

const mostTold = 50

/** What the agent would tell Cursor about this machine and its use, each time; nobody needs to hear that it may not. */
const reports = /^\/aiserver\.v1\.AnalyticsService\//

type Line = Omit<CursorMeterOptions, 'onRefused'> & {
  readonly desk: AuthorDesk
  readonly prompt: PromptRef | null
  readonly onPath: (path: string) => void
  readonly session: Session
  readonly turns: Turns
}

/** The longest message that is taken from an agent. */
const maxBodyBytes = 8_000_000

async function serve(line: Line, book: Book, exchange: Exchange): Promise<void> {
  const { request, response } = exchange
  const path = request.url ?? ''
  const isServed = path === exchangePath || path === turnPath || path === appendPath || asked.has(path)
  if (request.method !== 'POST' || !isServed) {
    line.onPath(path.slice(0, 200))
    return refuse(response, 404, 'unimplemented', 'Only the conversation with the agent is served here.')
  }
  const body = await readBytes(exchange, maxBodyBytes)
  if (body === null) return refuse(response, 413, 'resource_exhausted', `A message may have ${maxBodyBytes} bytes.`)
  if (path === exchangePath) return await exchangeKey(line, book, response)
  if (path === turnPath) return await takeTurn(line, book, exchange, body)
  if (path === appendPath && !(await line.turns.isOpen(book.closing)))
    return refuse(response, 400, 'failed_precondition', 'No turn is open.')
  await answered(line, book, exchange, { path, body })
}

/** The agent is told that its key is good once ours is, and keeps a session that is none. */
async function exchangeKey({ session }: Line, { closing }: Book, response: ServerResponse): Promise<void> {
  await session.token(closing)
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(dummySession(Date.now()))
}

/** How many turns are under way. What is said within one may come a little before it. */
function openTurns({ aheadMs }: Patience) {
  let open = 0
  let first = Promise.withResolvers<void>()
  return {
    begin: (): void => {
      open++
      first.resolve()
    },
    end: (): void => {
      open--
      if (open === 0) first = Promise.withResolvers<void>()
    },
    isOpen: async (signal: AbortSignal): Promise<boolean> => {
      if (open === 0) await Promise.race([first.promise, delay(aheadMs, undefined, { signal })])
      return open > 0
    },
  }
}

type Turns = ReturnType<typeof openTurns>

/** Agents try again for about so long before they give up. */
const agentWaitsMs = 30_000

async function takeTurn(line: Line, book: Book, exchange: Exchange, body: Buffer): Promise<void> {
  const { guards, settings, desk, turns } = line
  const closedMs = (await guards.gate.waitMs()) || (await guards.circuit.enter())
  if (closedMs > agentWaitsMs) book.limit.abort()
  if (closedMs > 0)
    return refuse(exchange.response, 429, 'resource_exhausted', 'Cursor wants no turns for now.', closedMs)
  const held = await desk.reserve(settings.turn, `agent with ${nameOf(settings)}`)
  turns.begin()
  try {
    await stream(line, book, { exchange, body, held, keep: recorderOf(line, held, body) })
  } finally {
    turns.end()
  }
}

type Turn = {
  readonly exchange: Exchange
  readonly body: Buffer
  readonly held: HeldMoney
  readonly keep: ReturnType<typeof recorderOf>
}

const nothing: Amount = { micros: 0, tokens: 0 }

async function stream(line: Line, book: Book, { exchange, body, held, keep }: Turn): Promise<void> {
  const { settings, guards } = line
  const settle = async (used: Amount): Promise<void> => {
    book.add(used)
    await held.settle(used)
  }
  const stop = new AbortController()
  const abort = (): void => stop.abort()
  const patience = line.patience ?? usualPatience
  const total = setTimeout(abort, patience.totalMs)
  const noMatter = onceGone(exchange.response, abort)
  const [ears, sum] = [envelopes(), digest()]
  const signal = AbortSignal.any([stop.signal, book.closing])
  // Nobody waited for it any more by the time its money was set aside.
  const isUnsent = signal.aborted
  try {
    const sent = send(line, signal, exchange.request, { path: turnPath, body })
    const answer = await sent.catch(async (error: unknown) => {
      const isUnspent = isUnsent || error instanceof Fault || (error instanceof Error && isUnreached(error.cause))
      // Where it may have arrived nobody can know, and what was set aside stays so.
      if (isUnspent) await settle(nothing)
      keep({ costMicros: isUnspent ? 0 : null, outcome: endOf(book) })
      if (!isForGood(error) && !isCalledOff(book, exchange)) await guards.circuit.failed()
      throw error
    })
    const requestId = requestIdOf(answer)
    if (answer.status >= 400) {
      await settle(nothing)
      keep({ requestId, costMicros: 0, outcome: codeOf(answer.status) })
      await learn(line, book, codeOf(answer.status))
      return await passOn(answer, exchange.response, { abort, idleMs: patience.idleMs })
    }
    const onBytes = (bytes: Uint8Array): void => {
      ears.push(bytes)
      sum.push(bytes)
    }
    try {
      await passOn(answer, exchange.response, { abort, idleMs: patience.idleMs, onBytes })
    } finally {
      const ended = ears.end()
      const refusal = ended.error === null ? null : (meanings.get(ended.error) ?? 'VALIDATION_ERROR')
      // Refused before anything was said, it cost nothing; begun, it costs what a turn costs, however it ended.
      const used = refusal !== null && ended.messages === 0 ? nothing : settings.turn
      await settle(used)
      keep({ requestId, answer: sum.end(), costMicros: used.micros, outcome: outcomeOf(ended, refusal, book) })
      if (refusal !== null) await learn(line, book, refusal)
      else await guards.circuit.passed()
    }
  } finally {
    clearTimeout(total)
    noMatter()
  }
}

/** No other try would end in another way. */
const isForGood = (error: unknown): error is Fault => error instanceof Fault && !error.retryable

const endOf = ({ closing }: Book) => (closing.aborted ? 'stopped' : 'TRANSIENT_NETWORK')

function outcomeOf({ isWhole }: Ended, refusal: FaultCode | null, book: Book) {
  if (refusal !== null) return refusal
  return isWhole ? 'answered' : endOf(book)
}

/** The codes that the Connect protocol ends a stream with, as ours. */
const meanings: ReadonlyMap<string, FaultCode> = new Map([
  ['unauthenticated', 'PRECONDITION_FAILED'],
  ['permission_denied', 'PRECONDITION_FAILED'],
  ['resource_exhausted', 'RATE_LIMIT'],
  ['deadline_exceeded', 'UPSTREAM_TIMEOUT'],
  ['unavailable', 'TRANSIENT_NETWORK'],
  ['internal', 'TRANSIENT_NETWORK'],
  ['unknown', 'TRANSIENT_NETWORK'],
])

/** Cursor names no time. */
const unnamedWaitMs = 60_000

/** Tells the others what Cursor said, and ends an agent that would only be told so again. */
async function learn({ guards }: Line, { limit }: Book, code: FaultCode): Promise<void> {
  if (code === 'UPSTREAM_TIMEOUT' || code === 'TRANSIENT_NETWORK') await guards.circuit.failed()
  if (code !== 'RATE_LIMIT') return
  await guards.gate.close(unnamedWaitMs)
  limit.abort()
}

type Sent = { readonly path: string; readonly body: Buffer }

/** Asks Cursor under our session; once more with a new one where that has run out. */
async function send(
  line: Line,
  signal: AbortSignal,
  request: IncomingMessage,
  { path, body }: Sent,
): Promise<Response> {
  const { session, settings } = line
  const ask = async (token: string): Promise<Response> =>
    await fetch(`${settings.baseUrl}${path}`, {
      method: 'POST',
      headers: { ...headersOf(request), authorization: `Bearer ${token}` },
      body,
      signal,
      redirect: 'error',
    })
  const token = await session.token(signal)
  const answer = await ask(token)
  if (answer.status !== 401) return answer
  await answer.body?.cancel()
  session.drop(token)
  const again = await ask(await session.token(signal))
  if (again.status === 401) throw keyRefused()
  return again
}

const patienceMs = 60_000

/** A question with one answer. */
async function answered(line: Line, { closing }: Book, { request, response }: Exchange, sent: Sent): Promise<void> {
  const stop = new AbortController()
  const abort = (): void => stop.abort()
  const noMatter = onceGone(response, abort)
  try {
    const signal = AbortSignal.any([stop.signal, closing, AbortSignal.timeout(patienceMs)])
    await passOn(await send(line, signal, request, sent), response, { abort, idleMs: patienceMs })
  } finally {
    noMatter()
  }
}

/**
 * The only headers of an agent that go on: what it is, and how its messages are to be read. Not how long an answer may take: with a
 * time that no turn keeps it would have Cursor fail for all runs, and work for it that ends before anything is said.
 */
const passed =
  /^(?:content-type|content-encoding|accept|user-agent|connect-(?!timeout)[a-z-]+|x-cursor-[a-z-]+|x-ghost-mode|x-request-id)$/

const headersOf = ({ headers }: IncomingMessage): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      passed.test(name) && typeof value === 'string' && /^[\x20-\x7e]{1,500}$/.test(value) ? [[name, value]] : [],
    ),
  )

type Outcome = {
  readonly requestId?: string | null
  readonly answer?: ReturnType<ReturnType<typeof digest>['end']>
  readonly costMicros: number | null
  readonly outcome: FaultCode | 'answered' | 'stopped'
}

/** Keeps what became of a turn, by its digest: its words are in a form that only Cursor knows. */
function recorderOf({ settings, prompt }: Line, held: HeldMoney, body: Buffer): (outcome: Outcome) => void {
  const began = performance.now()
  const question = { sha256: sha256Of(body), bytes: body.length, text: null }
  const sent = { model: nameOf(settings), temperature: null, maxOutputTokens: settings.turn.tokens, schemaSha256: null }
  return (outcome) => {
    const durationMs = Math.round(performance.now() - began)
    void held.record({ requestId: null, answer: null, tokens: null, ...sent, prompt, question, durationMs, ...outcome })
  }
}

/** As the Connect protocol says it. */
function refuse(response: ServerResponse, status: number, code: string, message: string, waitMs = 0): void {
  if (response.headersSent) return void response.destroy()
  const wait: Record<string, string> = waitMs > 0 ? { 'retry-after': `${Math.ceil(waitMs / 1_000)}` } : {}
  response.writeHead(status, { 'content-type': 'application/json', ...wait })
  response.end(JSON.stringify({ code, message }))
}

/** Money or a key that is refused ends the agent; what else goes wrong is for the agent to try again. */
function fail({ refusal, closing }: Book, { response }: Exchange, error: unknown): void {
  if (closing.aborted) return void response.destroy()
  if (error instanceof Fault && error.code === 'RATE_LIMIT')
    return refuse(response, 429, 'resource_exhausted', error.message, error.retryAfterMs ?? unnamedWaitMs)
  if (isForGood(error)) {
    refusal.abort(error)
    const isMoney = error.code === 'BUDGET_EXCEEDED'
    return refuse(response, isMoney ? 402 : 401, isMoney ? 'failed_precondition' : 'unauthenticated', error.message)
  }
  refuse(response, 502, 'unavailable', 'Cursor could not be reached.')
}
