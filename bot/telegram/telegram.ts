import { timingSafeEqual } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { grammar } from '../grammar.ts'
import type { Board, Button, Reception, Surface } from '../surface.ts'
import { createBoard } from './board.ts'
import { Client } from './client.ts'
import { marks } from './draw.ts'
import { Intake } from './intake.ts'
import { allowedUpdates, persist, poll } from './poll.ts'
import type { Me } from './read-update.ts'
import type { Backoff } from './taker.ts'
import { Taker } from './taker.ts'
import type { Log } from './voice.ts'
import { Voice } from './voice.ts'

export type TelegramOptions = {
  readonly token: string
  readonly apiRoot: string
  readonly reception: Reception
  readonly log: Log
  /** Where Telegram brings updates, and what it says to prove itself; null: the bot asks for them. */
  readonly webhook: { readonly url: string; readonly secret: string } | null
  readonly backoff?: Backoff
}

/** The headers of a request, names in lower case, as Node gives them. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** Telegram as a surface to ask at and a board to post on. */
export interface Telegram extends Surface, Board {
  /**
   * Takes one delivery by webhook and answers with the status to send: 200 when it is durable, 401 from who does not
   * know the secret, 400 for what is no JSON, 503 when Telegram must bring it again.
   */
  handleWebhook(headers: Headers, rawBody: Uint8Array): Promise<number>
  /** An address that says `/link` with the code to the bot when it is opened. Waits until Telegram has said who the bot is. */
  invite(code: string): Promise<string>
}

const usualBackoff: Backoff = { baseMs: 100, capMs: 2_000 }
/** Stopping waits so long for what is being taken in. */
const stopMs = 700
/** Questions of buttons kept; a forgotten one is asked in general words. */
const questionsKept = 10_000

/** Telegram behind this token. Nothing is called before `start`; `start` throws a Fault that names a wrong token. */
export function createTelegram(options: TelegramOptions): Telegram {
  const { reception, log, webhook } = options
  const backoff = options.backoff ?? usualBackoff
  const stopping = new AbortController()
  const { signal } = stopping
  const client = new Client(options)
  const questions = new Map<string, string>()
  const intake = new Intake(reception, new Voice(client, log, signal), (data) => questions.get(data) ?? null)
  const ended = Promise.withResolvers<void>()
  const known = Promise.withResolvers<Me>()
  let taker: Taker | null = null

  async function open(): Promise<Taker | null> {
    const me = await persist({ log, backoff, signal }, () => client.call((api, until) => api.getMe(until)))
    if (me === null) return null
    known.resolve(me)
    await tellCommands(client, log)
    taker = new Taker({ reception, intake, me, log, backoff, signal })
    await persist({ log, backoff, signal }, () => chooseTransport(client, webhook))
    return taker
  }

  async function work(): Promise<void> {
    const taker = await open()
    if (taker && !webhook) await poll({ client, taker, log, backoff, signal })
    else if (!signal.aborted) await new Promise((done) => signal.addEventListener('abort', done, { once: true }))
  }

  return {
    ...createBoard(client, (buttons) => remember(questions, buttons)),
    start: () => {
      work().then(ended.resolve, ended.reject)
      return ended.promise
    },
    stop: async () => {
      stopping.abort()
      await Promise.race([ended.promise.catch(() => undefined), delay(stopMs)])
      ended.resolve()
    },
    invite: async (code) => `https://t.me/${(await known.promise).username}?start=link_${code}`,
    handleWebhook: async (headers, rawBody) => {
      if (!webhook || !isSecret(headers['x-telegram-bot-api-secret-token'], webhook.secret)) return 401
      const update = readJson(rawBody)
      if (update === undefined) return 400
      if (!taker || signal.aborted) return 503
      return (await taker.takeOnce(update)) ? 200 : 503
    },
  }
}

/** The commands that Telegram offers while a person types; the bot works without. */
async function tellCommands(client: Client, log: Log): Promise<void> {
  const commands = Object.entries(grammar).map(([command, { says }]) => ({ command, description: says }))
  const all = [...commands, { command: 'help', description: 'what you can ask for here' }]
  try {
    await client.call((api, signal) => api.setMyCommands({ commands: all }, signal))
  } catch (error) {
    log('warn', 'the list of commands was not set', { reason: (error as Error).message })
  }
}

/** Updates that wait are kept, whichever way they come next. */
function chooseTransport(client: Client, webhook: TelegramOptions['webhook']): Promise<true> {
  if (!webhook) return client.call((api, signal) => api.deleteWebhook({ drop_pending_updates: false }, signal))
  const { url, secret } = webhook
  return client.call((api, signal) =>
    api.setWebhook({ url, secret_token: secret, allowed_updates: allowedUpdates }, signal),
  )
}

/** Compares in a time that tells nothing of the secret but its length. */
function isSecret(given: Headers[string], secret: string): boolean {
  if (typeof given !== 'string') return false
  const [left, right] = [Buffer.from(given), Buffer.from(secret)]
  return left.length === right.length && timingSafeEqual(left, right)
}

function readJson(rawBody: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(rawBody).toString('utf8'))
  } catch {
    return undefined
  }
}

function remember(questions: Map<string, string>, buttons: readonly Button[]): void {
  for (const { data, confirm } of buttons) if (confirm !== null) questions.set(marks.ask + data, confirm)
  for (const oldest of questions.keys()) {
    if (questions.size <= questionsKept) break
    questions.delete(oldest)
  }
}
