import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Amount } from '../../../core/model/amount.ts'
import { Defect, Fault } from '../../../core/model/problem.ts'
import type { AuthorDesk, HeldMoney } from '../../../core/ports.ts'
import type { CallTerms, ModelMeter } from '../../../core/workshop.ts'
import type { ModelSource } from '../environment.ts'
import { baseOf, interfacesOf, keyOf } from '../provider.ts'
import { isUnreached } from '../../metering/unreached.ts'
import type { Guards } from '../../metering/guards.ts'
import { costOf, loadPrices, mostOfText } from '../price.ts'
import { listener } from './answer.ts'
import { mostBytes, mostValues, readBody } from './body.ts'
import { addressIn, type Body, dialects, type Heard, type HttpInterface } from './dialect.ts'
import { type Book, type Exchange, isCalledOff, openLine } from '../../metering/line.ts'
import { onceGone, passOn } from '../../metering/pass-on.ts'
import { asWitness } from '../../metering/witness.ts'
import { codeOf, digest, requestIdOf } from '../../metering/answer.ts'
import { recorderOf, temperatureIn } from './record.ts'

export type MeterOptions = {
  readonly source: ModelSource
  readonly guards: Guards
  /** Where sockets go, in folders of their own; short, because the path of a socket may have 107 bytes. */
  readonly tmpDir: string
  /** Most tokens of output that a call may ask for. */
  readonly maxOutputTokens?: number
  readonly patience?: { readonly totalMs: number; readonly idleMs: number }
}

/** See `ModelMeter`. What an agent sends is data here: one model, its own paths, and nothing that reaches further. */
export async function createMeter(options: MeterOptions): Promise<ModelMeter> {
  await loadPrices()
  const { source, tmpDir } = options
  return {
    name: source.name,
    model: source.model,
    speaks: interfacesOf[source.provider],
    keepsTerms: true,
    waitMs: async () => (await options.guards.gate.waitMs()) || (await options.guards.circuit.waitMs()),
    open: async (spoken, desk, terms) => {
      if (spoken === 'cursor') throw new RangeError(`${source.name} does not speak ${spoken}`)
      const served = { spoken, desk, terms, guards: asWitness(options.guards), refusesTemperature: false }
      const line: Line = { ...options, ...served }
      const serving = { serve: serve.bind(null, line), onError: fail }
      return await openLine({ tmpDir, name: source.name, unit: 'call', desk }, serving)
    },
  }
}

type Line = MeterOptions & {
  readonly spoken: HttpInterface
  readonly desk: AuthorDesk
  readonly terms: CallTerms
  /** Known once the model has said so; from then on it is asked without. */
  refusesTemperature: boolean
}

/** Output that a call may have where the agent asks for more, or for nothing: enough for a long file. */
const usualCap = 32_000

/** Where the budget does not hold that. */
const shortCap = 8_000

async function serve(line: Line, book: Book, exchange: Exchange): Promise<void> {
  const { source, spoken } = line
  const { request, response } = exchange
  const [path = ''] = (request.url ?? '').split('?')
  if (request.method === 'GET' && path === '/v1/models') return listModel(response, source)
  const onward = request.method === 'POST' ? dialects[spoken].pathOf(path, source.model) : null
  if (onward === null) return refuse(response, 404, 'Only the run’s model is served here.')
  const asked = await readQuestion(line, exchange)
  if ('status' in asked) return refuse(response, asked.status, asked.message)
  const closedMs = (await line.guards.gate.waitMs()) || (await line.guards.circuit.enter())
  if (closedMs > agentWaitsMs) book.limit.abort()
  if (closedMs > 0) return refuse(response, 429, 'The model wants no calls for now.', closedMs)
  if (await isAnswered(line, book, { asked, onward, exchange })) return
  line.refusesTemperature = true
  const again = written(line, JSON.parse(asked.text) as Body, asked.cap)
  if (typeof again === 'string') throw new Defect(`a call that was served is not: ${again}`)
  await isAnswered(line, book, { asked: again, onward, exchange })
}

type Asked = { readonly asked: Question; readonly onward: string; readonly exchange: Exchange }

/** Makes the call. False: the model refused the temperature that it is held to, before it did anything; nobody heard of it. */
async function isAnswered(line: Line, book: Book, { asked, onward, exchange }: Asked): Promise<boolean> {
  const { held, text, cap } = await setAside(line, asked)
  const settle = async (used: Amount): Promise<void> => {
    book.add(used)
    await held.settle(used)
  }
  const { name: model } = line.source
  const record = recorderOf(held, { model, prompt: line.terms.prompt, text, maxOutputTokens: cap })
  return await forward({ line, book, settle, record, onward, text, exchange })
}

/** A body as it goes on, and the most output that it asks for. */
type Question = { readonly text: string; readonly cap: number }

type No = { readonly status: number; readonly message: string }

/** What an agent asks, tamed, or why it goes no further. Only its text outlives this: what was read of it is many times as large. */
async function readQuestion(line: Line, exchange: Exchange): Promise<Question | No> {
  const given = await readBody(exchange)
  if (given === null)
    return { status: 413, message: `A request may have ${mostBytes} bytes of JSON and ${mostValues} values in it.` }
  const fetches = addressIn(given)
  if (fetches !== null) return { status: 400, message: `Addresses are not fetched for agents (${fetches}).` }
  const most = Math.min(line.maxOutputTokens ?? usualCap, line.terms.maxOutputTokens ?? Number.POSITIVE_INFINITY)
  const asked = written(line, given, most)
  return typeof asked === 'string' ? { status: 400, message: asked } : asked
}

/** A sentence where a body cannot go on at all. */
function written({ source, spoken, terms, refusesTemperature }: Line, given: Body, cap: number): Question | string {
  const dialect = dialects[spoken]
  const tamed = dialect.tamed(given, { model: source.model, cap, isOpenAi: source.provider === 'openai' })
  if (typeof tamed === 'string') return tamed
  const { temperature } = terms
  const body = temperature === null ? tamed : dialect.tempered(tamed, refusesTemperature ? null : temperature)
  return { text: JSON.stringify(body), cap: dialect.capOf(body) }
}

/** The same for a shorter answer; null where there is none: some models think within a length that they were given. */
function shortened(line: Line, { text, cap }: Question): Question | null {
  if (cap <= shortCap) return null
  const body = JSON.parse(text) as Body
  const shorter = 'thinking' in body ? '' : written(line, body, shortCap)
  return typeof shorter === 'string' ? null : shorter
}

type Held = Question & { readonly held: HeldMoney }

/** Money for the call as it was asked for; where that does not fit, for a shorter answer; where none fits, the first refusal. */
async function setAside(line: Line, asked: Question): Promise<Held> {
  const { source, desk } = line
  const hold = async ({ text, cap }: Question): Promise<Held> => ({
    text,
    cap,
    held: await desk.reserve(costOf(source, mostOfText(text, cap)), `agent with ${source.name}`),
  })
  try {
    return await hold(asked)
  } catch (refusal) {
    const isTooDear = refusal instanceof Fault && refusal.code === 'BUDGET_EXCEEDED'
    const shorter = isTooDear ? shortened(line, asked) : null
    if (shorter === null) throw refusal
    return await hold(shorter).catch((error: unknown) => {
      throw error instanceof Fault && error.code === 'BUDGET_EXCEEDED' ? refusal : error
    })
  }
}

type Call = {
  readonly line: Line
  readonly book: Book
  /** Books what the call cost; not called where nobody can know. */
  readonly settle: (used: Amount) => Promise<void>
  readonly record: ReturnType<typeof recorderOf>
  readonly onward: string
  readonly text: string
  readonly exchange: Exchange
}

/** Longer than an author's: agents send whole conversations to models that think first. */
const usualPatience = { totalMs: 900_000, idleMs: 180_000 }

async function forward(call: Call): Promise<boolean> {
  const { line, book, settle, record, exchange } = call
  const patience = line.patience ?? usualPatience
  const stop = new AbortController()
  const abort = (): void => stop.abort()
  const noMatter = onceGone(exchange.response, abort)
  const total = setTimeout(abort, patience.totalMs)
  const signal = AbortSignal.any([stop.signal, book.closing])
  try {
    const answer = await send(call, signal)
    const requestId = requestIdOf(answer)
    if (answer.status >= 400) {
      // Turned away: it cost nothing.
      await settle({ micros: 0, tokens: 0 })
      record({ ...nothing, requestId, costMicros: 0, outcome: codeOf(answer.status) })
      if ((await learn(line.guards, answer)) > agentWaitsMs) book.limit.abort()
      if (await isAboutTemperature(call, answer)) return false
      await passOn(answer, exchange.response, { abort, idleMs: patience.idleMs })
      return true
    }
    await line.guards.circuit.passed()
    const isEvents = (answer.headers.get('content-type') ?? '').includes('text/event-stream')
    const ears = listener(dialects[line.spoken], isEvents)
    const sum = digest()
    const onBytes = (bytes: Uint8Array): void => {
      ears.push(bytes)
      sum.push(bytes)
    }
    try {
      await passOn(answer, exchange.response, { abort, idleMs: patience.idleMs, onBytes })
    } finally {
      const heard = ears.end()
      const cost = heard.isWhole ? costOf(line.source, usageOf(heard)) : null
      // Said before it was cut is said; without a last word nobody knows, and what was set aside stays so.
      if (cost) await settle(cost)
      const { input, cached, output } = heard
      const tokens = cost && { input, cached, output }
      const outcome = cost ? 'answered' : endOf(book)
      record({ requestId, answer: sum.end(), tokens, costMicros: cost?.micros ?? null, outcome })
    }
    return true
  } finally {
    clearTimeout(total)
    noMatter()
  }
}

/** Models that think take no temperature, or only one; which those are is theirs to say. An agent's own is the agent's matter. */
async function isAboutTemperature({ line, text }: Call, answer: Response): Promise<boolean> {
  const isOurs = line.terms.temperature !== null && temperatureIn(text) !== null
  if (!isOurs || (answer.status !== 400 && answer.status !== 422)) return false
  if (!/temperature/i.test(await answer.clone().text())) return false
  await answer.body?.cancel()
  return true
}

/** Why there is no whole answer: the work was called off, or the connection broke. */
const endOf = ({ closing }: Book) => (closing.aborted ? 'stopped' : 'TRANSIENT_NETWORK')

const nothing = { requestId: null, answer: null, tokens: null }

const usageOf = ({ input, cached, written, output }: Heard) => ({ input, cached, written, output })

async function send(
  { line, book, onward, text, exchange, settle, record }: Call,
  signal: AbortSignal,
): Promise<Response> {
  const { source } = line
  // Nobody waited for it any more by the time its money was set aside.
  const isUnsent = signal.aborted
  try {
    return await fetch(`${baseOf(source)}${onward}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...keyOf(source), ...versionsIn(exchange.request) },
      body: text,
      signal,
      redirect: 'error',
    })
  } catch (error) {
    const isUnspent = isUnsent || (error instanceof Error && isUnreached(error.cause))
    if (isUnspent) await settle({ micros: 0, tokens: 0 })
    record({ ...nothing, costMicros: isUnspent ? 0 : null, outcome: endOf(book) })
    if (!isCalledOff(book, exchange)) await line.guards.circuit.failed()
    throw error
  }
}

/** The only headers of an agent that go on: how the body is to be read. */
function versionsIn({ headers }: IncomingMessage): Readonly<Record<string, string>> {
  const wanted = ['anthropic-version', 'anthropic-beta', 'accept']
  return Object.fromEntries(
    wanted.flatMap((name) => {
      const value = headers[name]
      return typeof value === 'string' && /^[\x20-\x7e]{1,500}$/.test(value) ? [[name, value]] : []
    }),
  )
}

const unnamedWaitMs = 10_000

/** Agents try again for about so long before they give up. */
const agentWaitsMs = 30_000

/** Tells the others what a provider said; answers for how many milliseconds it wants no calls. */
async function learn({ gate, circuit }: Guards, { status, headers }: Response): Promise<number> {
  if (status >= 500) await circuit.failed()
  if (status !== 429) return 0
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  const waitMs = seconds > 0 ? Math.ceil(seconds * 1_000) : unnamedWaitMs
  await gate.close(waitMs)
  return waitMs
}

const listModel = (response: ServerResponse, { model }: ModelSource): void => {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ object: 'list', data: [{ id: model, object: 'model', created: 0, owned_by: 'run' }] }))
}

/** In a shape that all of the interfaces' clients read as an error. */
function refuse(response: ServerResponse, status: number, message: string, waitMs = 0): void {
  if (response.headersSent) return void response.destroy()
  const wait: Record<string, string> = waitMs > 0 ? { 'retry-after': `${Math.ceil(waitMs / 1_000)}` } : {}
  response.writeHead(status, { 'content-type': 'application/json', ...wait })
  response.end(JSON.stringify({ type: 'error', error: { type: 'invalid_request_error', message, code: status } }))
}

/** Money that is refused ends the agent; what else goes wrong is for the agent to try again. */
function fail({ refusal, closing }: Book, { response }: Exchange, error: unknown): void {
  if (closing.aborted) return void response.destroy()
  if (error instanceof Fault && error.code === 'RATE_LIMIT')
    return refuse(response, 429, error.message, error.retryAfterMs ?? unnamedWaitMs)
  if (error instanceof Fault && error.code === 'BUDGET_EXCEEDED') {
    refusal.abort(error)
    return refuse(response, 402, error.message)
  }
  refuse(response, 502, 'The model could not be reached.')
}
