import { Api, GrammyError, HttpError } from 'grammy'
import type { RawApi } from 'grammy'
import { Fault } from '../../core/model/problem.ts'

type Signal = Parameters<RawApi['getMe']>[0]

/** One call of the Bot API. */
export type Call<T> = (api: RawApi, signal: Signal) => Promise<T>

export type ClientOptions = { readonly token: string; readonly apiRoot: string }

/** Longer than the long poll, which is the longest call there is. */
const longestCallSeconds = 60

/** An ordinary call is given up after this. */
const callTimeoutMs = 15_000

/** Messages that go out in a time, as Telegram counts them. */
type Pace = { readonly messages: number; readonly windowMs: number }

/** About 30 messages a second to all chats together, and 20 a minute into one group: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this */
const overall: Pace = { messages: 30, windowMs: 1_000 }
const perGroup: Pace = { messages: 20, windowMs: 60_000 }

/**
 * The Bot API with every failure as a Fault: in a sentence, without the token, and with the time that Telegram asks to
 * wait. A chat that must wait is not called before its time.
 */
export class Client {
  readonly #api: Api
  readonly #token: string
  readonly #notBefore = new Map<number, number>()
  #sent: readonly number[] = []
  readonly #sentTo = new Map<number, readonly number[]>()

  constructor({ token, apiRoot }: ClientOptions) {
    this.#token = token
    this.#api = new Api(token, { apiRoot, timeoutSeconds: longestCallSeconds })
  }

  /** A call that belongs to no chat. */
  async call<T>(work: Call<T>, signal: AbortSignal = AbortSignal.timeout(callTimeoutMs)): Promise<T> {
    try {
      return await work(this.#api.raw, signal as Signal)
    } catch (error) {
      throw this.#faultOf(error, null)
    }
  }

  /** A call about a chat, which waits for no other: a chat that must wait gets a RATE_LIMIT at once. */
  async callIn<T>(chat: number, work: Call<T>): Promise<T> {
    this.#assertFree(chat, this.#notBefore.get(chat) ?? 0)
    this.#notBefore.delete(chat)
    try {
      return await work(this.#api.raw, AbortSignal.timeout(callTimeoutMs) as Signal)
    } catch (error) {
      throw this.#faultOf(error, chat)
    }
  }

  /** A call that makes a new message in a chat: only so many a second go out, and only so many a minute to a group. */
  async send<T>(chat: number, work: Call<T>): Promise<T> {
    const now = performance.now()
    const [sent, sentTo] = [recentOf(this.#sent, overall, now), recentOf(this.#sentTo.get(chat) ?? [], perGroup, now)]
    this.#assertFree(chat, freeAt(sent, overall))
    if (chat < 0) {
      this.#assertFree(chat, freeAt(sentTo, perGroup))
      this.#sentTo.set(chat, [...sentTo, now])
    }
    this.#sent = [...sent, now]
    return this.callIn(chat, work)
  }

  #assertFree(chat: number, notBefore: number): void {
    const waitMs = Math.ceil(notBefore - performance.now())
    if (waitMs > 0) throw tooFast(chat, waitMs)
  }

  #faultOf(error: unknown, chat: number | null): Fault {
    if (error instanceof GrammyError) return this.#refusedBy(error, chat)
    // The error inside an HttpError names the URL, and the URL holds the token: nothing of it goes on.
    if (error instanceof HttpError) return outOfReach()
    return new Fault({ code: 'FATAL', message: `Telegram: ${this.#harmless(String(error))}`, retryable: false })
  }

  #refusedBy({ error_code: status, description, parameters, method }: GrammyError, chat: number | null): Fault {
    if (status === 429) {
      const waitMs = (parameters.retry_after ?? 1) * 1000
      if (chat !== null) this.#notBefore.set(chat, performance.now() + waitMs)
      return tooFast(chat, waitMs)
    }
    // A proxy may answer in JSON of its own.
    if (typeof status !== 'number' || typeof description !== 'string') return outOfReach()
    const { migrate_to_chat_id: movedTo } = parameters
    const said = `${this.#harmless(description)} (${status}, ${method})`
    if (movedTo !== undefined)
      return refusal(
        `The group ${chat} has become ${movedTo}: put that number into TELEGRAM_CHAT_ID, or say /subscribe there`,
      )
    if (status === 401 || status === 404) return unknownBot(status)
    if (status === 403 || mayNotWrite.test(description))
      return refusal(
        `The bot may not write to chat ${chat}: add it again, unblock it or let it post; then say /gates there, or restart for a channel. Telegram: ${said}`,
      )
    if (hasNoTopic.test(description))
      return refusal(
        `Chat ${chat} has no such open topic: reopen it and say /gates there, or choose another. Telegram: ${said}`,
      )
    if (status === 409) {
      const message = `Another process reads this bot’s updates: stop it, or give each its own bot. Telegram: ${said}`
      return new Fault({ code: 'TRANSIENT_NETWORK', message, retryable: true })
    }
    if (status >= 500)
      return new Fault({ code: 'TRANSIENT_NETWORK', message: `Telegram is unwell: ${said}`, retryable: true })
    if (description.includes('chat not found'))
      return refusal(
        `There is no chat ${chat} for this bot: add the bot to it and say /gates there, or correct TELEGRAM_CHAT_ID`,
      )
    return new Fault({ code: 'VALIDATION_ERROR', message: `Telegram refused a message: ${said}`, retryable: false })
  }

  #harmless(text: string): string {
    return text.replaceAll(this.#token, '…')
  }
}

/** What Telegram says with 400 of a chat whose rights were taken from the bot, and of a topic that was closed or deleted. */
const mayNotWrite =
  /need administrator rights|not enough rights to send|have no rights to send|CHAT_(?:WRITE_FORBIDDEN|RESTRICTED|ADMIN_REQUIRED|SEND_\w+_FORBIDDEN)/
const hasNoTopic = /message thread not found|TOPIC_(?:CLOSED|DELETED|ID_INVALID)/

const recentOf = (sent: readonly number[], { windowMs }: Pace, now: number): readonly number[] =>
  sent.filter((at) => now - at < windowMs)

/** When the next message may go out after these; 0 when it may now. */
const freeAt = (recent: readonly number[], { messages, windowMs }: Pace): number =>
  recent.length < messages ? 0 : (recent[recent.length - messages] ?? 0) + windowMs

/** Telegram cannot be reached, or somebody else answers in its place. */
export function outOfReach(): Fault {
  const message = 'Telegram cannot be reached: check the network and TELEGRAM_API_ROOT'
  return new Fault({ code: 'TRANSIENT_NETWORK', message, retryable: true })
}

const unknownBot = (status: number): Fault => {
  const message = `Telegram does not know this bot: check TELEGRAM_BOT_TOKEN (${status})`
  return new Fault({ code: 'FATAL', message, retryable: false })
}

/** The place takes nothing any more. */
const refusal = (message: string): Fault => new Fault({ code: 'PRECONDITION_FAILED', message, retryable: false })

function tooFast(chat: number | null, retryAfterMs: number): Fault {
  const message = `Telegram asks to wait ${Math.ceil(retryAfterMs / 1000)} s${chat === null ? '' : ` in chat ${chat}`}`
  return new Fault({ code: 'RATE_LIMIT', message, retryable: true, retryAfterMs })
}

/** Whether Telegram refused a call with these words. */
export const isRefusal = (error: unknown, words: RegExp): error is Fault =>
  error instanceof Fault && error.code === 'VALIDATION_ERROR' && words.test(error.message)
