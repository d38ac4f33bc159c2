import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'
import { Chats } from './chats.ts'
import type { Payload } from './payload.ts'
import { readPayload } from './payload.ts'
import { Refused } from './refused.ts'

/** What a call did: only calls that had their effect are in the ledger. */
export type Effect = {
  readonly method: string
  readonly chat: number | null
  readonly payload: Payload
  /** The server's own time, in milliseconds. */
  readonly at: number
  /** Which client did it: the first part of the path it called. */
  readonly client: string
}

/**
 * What goes wrong with the next calls. `drop` loses the answer after the effect, the others come before it; with `die`
 * the process that called is gone at that moment, before the effect or after it.
 */
export type Trouble =
  | 'drop'
  | 'reset'
  | '500'
  | 'html'
  | 'flood'
  | 'odd'
  | 'echo'
  | 'garbled entities'
  | 'die before'
  | 'die after'

type Poll = { readonly res: ServerResponse; readonly offset: number; readonly limit: number }

export type Person = {
  readonly id: number
  readonly first_name: string
  readonly is_bot?: boolean
  readonly last_name?: string
  readonly username?: string
}

const queryLivesMs = 15_000

/** A Bot API server on 127.0.0.1 with Telegram's own limits, errors and long polls; it remembers every effect. */
export class BotApi {
  readonly token: string
  readonly me = { id: 7_000_001, is_bot: true, first_name: 'QuantaPilot', username: 'our_bot' }
  readonly ledger: Effect[] = []
  readonly chats = new Chats(this.me)
  /** Calls that came, in order, whatever became of them. */
  readonly calls: { readonly method: string; readonly client: string; readonly chat: number | null }[] = []
  /** 1 message a second per chat and 20 a minute per group, as Telegram has it. */
  hasLimits = false
  /** What the world does between the effect of a call and its answer. */
  afterEffect: (effect: Effect) => Promise<void> = () => Promise.resolve()
  root = ''
  readonly #server = createServer((req, res) => void this.#serve(req, res))
  readonly #queries = new Map<string, { bornAt: number; isAnswered: boolean }>()
  readonly #troubles = new Map<string, Trouble[]>()
  readonly #dead = new Set<string>()
  readonly #sent = new Map<number, number[]>()
  #updates: { update_id: number; [key: string]: unknown }[] = []
  #poll: Poll | null = null
  #nextUpdate = 900_000_000
  #skippedMs = 0
  #webhook: { url: string; secret_token: string } | null = null

  constructor(token: string) {
    this.token = token
  }

  static async open(token = '123456:canary-token-AAAAAAAAAAAAAAAAA'): Promise<BotApi> {
    const api = new BotApi(token)
    api.#server.listen(0, '127.0.0.1')
    await once(api.#server, 'listening')
    api.root = `http://127.0.0.1:${(api.#server.address() as AddressInfo).port}`
    return api
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  /** Where a client calls that can be killed by its name. */
  rootOf(client: string): string {
    return `${this.root}/${client}`
  }

  isDead(client: string): boolean {
    return this.#dead.has(client)
  }

  /** From now on nothing that this client does has an effect, as if its process were gone. */
  kill(client: string): void {
    this.#dead.add(client)
  }

  get now(): number {
    return performance.now() + this.#skippedMs
  }

  /** Lets the server's time pass. */
  pass(ms: number): void {
    this.#skippedMs += ms
  }

  /** The next calls of this method go wrong, one each. */
  trouble(method: string, ...troubles: readonly Trouble[]): void {
    this.#troubles.set(method, [...(this.#troubles.get(method) ?? []), ...troubles])
  }

  get webhook(): { readonly url: string; readonly secret_token: string } | null {
    return this.#webhook
  }

  /** Updates that no client has confirmed yet. */
  get waiting(): number {
    return this.#updates.length
  }

  effects(method: string): readonly Effect[] {
    return this.ledger.filter((effect) => effect.method === method)
  }

  /** Something happened in a chat; answers with the update. */
  happen(content: Readonly<Record<string, unknown>>): { readonly update_id: number; readonly [key: string]: unknown } {
    const update = { update_id: this.#nextUpdate++, ...content }
    this.#updates.push(update)
    this.#answerPoll()
    return update
  }

  /** A message of a person's; `more` adds or replaces fields. */
  write(chat: number, from: Person, text: string | null, more: Readonly<Record<string, unknown>> = {}) {
    const message = this.chats.hear(chat, {
      from: { is_bot: false, ...from },
      ...(text === null ? {} : { text }),
      ...more,
    })
    return this.happen({ message })
  }

  /** A press on a button that is really there. */
  press(chat: number, message: number, from: Person, label: string) {
    const shown = this.chats.message(chat, message)
    const button = shown.reply_markup?.inline_keyboard?.flat().find(({ text }) => text === label)
    if (!button) throw new Error(`there is no button ${label} under message ${message}`)
    return this.pressData(chat, message, from, button.callback_data)
  }

  /** A press that carries any data, as a forged one may. */
  pressData(chat: number, message: number, from: Person, data: string) {
    const id = `query-${this.#queries.size + 1}`
    this.#queries.set(id, { bornAt: this.now, isAnswered: false })
    const query = {
      id,
      from: { is_bot: false, ...from },
      chat_instance: '1',
      data,
      message: this.chats.message(chat, message),
    }
    return this.happen({ callback_query: query })
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const [, client = '', bot = '', method = ''] = /^(?:\/(\w+))?\/bot([^/]+)\/(\w+)$/.exec(req.url ?? '') ?? []
    const payload = await readPayload(req).catch(() => null)
    if (payload === null || this.#dead.has(client)) return void req.socket.destroy()
    const chat = z.coerce.number().safeParse(payload['chat_id']).data ?? null
    this.calls.push({ method, client, chat })
    const trouble = this.#troubles.get(method)?.shift()
    if (trouble === 'die before') this.kill(client)
    if (trouble === 'reset' || trouble === 'die before') return void req.socket.destroy()
    if (trouble === 'html') return void res.writeHead(502).end('<html>Bad Gateway</html>')
    if (trouble === 'odd') return answer(res, 200, { error: 'a proxy' })
    try {
      if (trouble === 'flood')
        throw new Refused(429, 'Too Many Requests: retry after 60', { parameters: { retry_after: 60 } })
      if (trouble === 'echo') throw new Refused(400, `Bad Request: ${req.url}`)
      if (trouble === '500') throw new Refused(500, 'Internal Server Error')
      if (bot !== this.token) throw new Refused(401, 'Unauthorized')
      if (trouble === 'garbled entities' && Array.isArray(payload['entities']) && payload['entities'].length > 0)
        throw new Refused(400, "Bad Request: can't parse entities: entity is invalid")
      if (method === 'getUpdates') return this.#getUpdates(payload, res)
      const result = this.#do(method, payload, chat)
      const effect = { method, chat, payload, at: this.now, client }
      this.ledger.push(effect)
      await this.afterEffect(effect)
      if (trouble === 'die after') this.kill(client)
      if (trouble === 'drop' || trouble === 'die after') return void req.socket.destroy()
      answer(res, 200, { ok: true, result })
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      answer(res, error.status, { ok: false, error_code: error.status, description: error.message, ...error.more })
    }
  }

  #do(method: string, payload: Payload, chat: number | null): unknown {
    switch (method) {
      case 'getMe':
        return { ...this.me, can_join_groups: true, can_read_all_group_messages: false, supports_inline_queries: false }
      case 'setMyCommands':
        return setMyCommands(payload)
      case 'setWebhook':
        this.#webhook = Webhook.parse(payload)
        return true
      case 'deleteWebhook':
        this.#webhook = null
        return true
      case 'answerCallbackQuery':
        return this.#answerQuery(payload)
      case 'sendMessage':
      case 'sendDocument':
      case 'editMessageText':
      case 'editMessageReplyMarkup':
      case 'deleteMessage':
      case 'getChatMember': {
        const result = this.chats.do(method, payload)
        if (this.hasLimits && method !== 'deleteMessage' && method !== 'getChatMember') this.#limit(chat ?? 0)
        this.chats.commit()
        return result
      }
      default:
        throw new Refused(404, 'Not Found')
    }
  }

  #limit(chat: number): void {
    const now = this.now
    const recent = (this.#sent.get(chat) ?? []).filter((at) => now - at < 60_000)
    const last = recent.at(-1)
    const perChat = last === undefined ? 0 : last + 1_000 - now
    const perGroup = chat < 0 && recent.length >= 20 ? (recent[0] ?? now) + 60_000 - now : 0
    const waitMs = Math.max(perChat, perGroup)
    if (waitMs > 0) {
      const retry_after = Math.ceil(waitMs / 1000)
      throw new Refused(429, `Too Many Requests: retry after ${retry_after}`, { parameters: { retry_after } })
    }
    this.#sent.set(chat, [...recent, now])
  }

  #answerQuery(payload: Payload): true {
    const { callback_query_id: id, text = '' } = Answer.parse(payload)
    if (text.length > 200) throw new Refused(400, 'Bad Request: MESSAGE_TOO_LONG')
    const query = this.#queries.get(id)
    if (!query || query.isAnswered || this.now - query.bornAt > queryLivesMs)
      throw new Refused(400, 'Bad Request: query is too old and response timeout expired or query ID is invalid')
    query.isAnswered = true
    return true
  }

  /** One poller at a time: a second one ends the first, which hears of the conflict. */
  #getUpdates(payload: Payload, res: ServerResponse): void {
    if (this.#webhook) throw new Refused(409, "Conflict: can't use getUpdates method while webhook is active")
    const { offset, timeout, limit } = Polling.parse(payload)
    if (this.#poll) {
      const description =
        'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running'
      answer(this.#poll.res, 409, { ok: false, error_code: 409, description })
    }
    this.#updates = this.#updates.filter(({ update_id }) => update_id >= offset)
    const poll = { res, offset, limit }
    this.#poll = poll
    const timer = setTimeout(() => this.#endPoll(poll), timeout * 1000)
    // On `req` it would fire at once: Node closes a request as soon as its body is read.
    res.on('close', () => {
      clearTimeout(timer)
      if (this.#poll === poll) this.#poll = null
    })
    this.#answerPoll()
  }

  #answerPoll(): void {
    if (this.#poll && this.#updates.length > 0) this.#endPoll(this.#poll)
  }

  #endPoll(poll: Poll): void {
    if (this.#poll !== poll) return
    this.#poll = null
    answer(poll.res, 200, { ok: true, result: this.#updates.slice(0, poll.limit) })
  }
}

const Webhook = z.object({ url: z.url(), secret_token: z.string().regex(/^[\w-]{1,256}$/) })
const Answer = z.object({ callback_query_id: z.string(), text: z.string().optional() })
const Polling = z.object({
  offset: z.int().default(0),
  timeout: z.int().default(0),
  limit: z.int().min(1).max(100).default(100),
  allowed_updates: z.array(z.string()).optional(),
})
const Commands = z.object({
  commands: z
    .array(z.object({ command: z.string().regex(/^[a-z0-9_]{1,32}$/), description: z.string().min(1).max(256) }))
    .max(100),
})

function setMyCommands(payload: Payload): true {
  if (!Commands.safeParse(payload).success) throw new Refused(400, 'Bad Request: BOT_COMMAND_INVALID')
  return true
}

function answer(res: ServerResponse, status: number, body: unknown): void {
  if (!res.writableEnded) res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
