import { setTimeout as delay } from 'node:timers/promises'
import { InputFile } from 'grammy'
import type { ForceReply, InlineKeyboardMarkup, MessageEntity } from 'grammy/types'
import type { Reply } from '../../core/commands/command.ts'
import { Fault } from '../../core/model/problem.ts'
import { plainlyIfRefused } from './board.ts'
import type { Client } from './client.ts'
import type { Document, Drawing } from './draw.ts'
import { cut, drawLines, drawReply, harmless, limits } from './draw.ts'
import type { Spot } from './read-update.ts'

/** What the surface tells its operator about itself; one line each, never a person's text. */
export type Log = (level: 'info' | 'warn' | 'error', message: string, fields: Readonly<Record<string, unknown>>) => void

/** An answer is tried this often, and an update waits this long for it before the next one is taken in. */
const tries = 5
const patienceMs = 3_000

type Markup = InlineKeyboardMarkup | ForceReply

/** How the bot answers people. An answer that cannot be sent is logged and lost: what was asked for is done all the same. */
export class Voice {
  readonly #client: Client
  readonly #log: Log
  readonly #signal: AbortSignal

  constructor(client: Client, log: Log, signal: AbortSignal) {
    this.#client = client
    this.#log = log
    this.#signal = signal
  }

  /** Says it under the message it answers. */
  async say(spot: Spot, lines: readonly string[]): Promise<void> {
    await this.#insist(() => this.#send(spot, drawLines(lines), null))
  }

  async reply(spot: Spot, reply: Reply): Promise<void> {
    const drawn = drawReply(reply)
    await this.#insist(() => ('caption' in drawn ? this.#sendDocument(spot, drawn) : this.#send(spot, drawn, null)))
  }

  /** Says it in private if the person has ever spoken to the bot there, else under their message. */
  async sayInPrivate(spot: Spot, lines: readonly string[]): Promise<void> {
    const { person } = spot
    if (spot.isPrivate || person === null) return this.say(spot, lines)
    const alone = { chat_id: person.id, ...drawLines(lines) }
    try {
      await this.#client.send(person.id, (api, signal) => api.sendMessage(alone, signal))
    } catch {
      await this.say(spot, lines)
    }
  }

  /** Asks the person for words and answers with the message that asks. Throws a Fault when it could not be asked. */
  async askForWords(spot: Spot, prompt: string): Promise<number> {
    const name = harmless(spot.person?.label ?? '').trim()
    const lines = [`${name}: ${prompt}`, 'Answer by replying to this message.']
    const mention = this.#mention(spot, name)
    const drawn = drawLines(lines)
    const markup: ForceReply = { force_reply: true, selective: true, input_field_placeholder: 'Why?' }
    return this.#send(spot, { text: drawn.text, entities: mention }, markup)
  }

  async askToConfirm(spot: Spot, question: string, markup: InlineKeyboardMarkup): Promise<void> {
    await this.#insist(() => this.#send(spot, drawLines([question]), markup))
  }

  /** Answers a button. False when Telegram did not take it: too late, or its answer was lost. */
  async answer(query: string, text: string, isAlert: boolean): Promise<boolean> {
    const payload = { callback_query_id: query, text: cut(text, limits.alert), show_alert: isAlert }
    try {
      await this.#client.call((api, signal) => api.answerCallbackQuery(payload, signal))
      return true
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      this.#log('info', 'a button was not answered', { reason: error.message })
      return false
    }
  }

  /** Takes the buttons away from a second screen, or the whole of it. */
  async close(spot: Spot, how: 'buttons' | 'message'): Promise<void> {
    const target = { chat_id: spot.chat, message_id: spot.message }
    try {
      await this.#client.callIn(spot.chat, (api, signal) =>
        how === 'message' ? api.deleteMessage(target, signal) : api.editMessageReplyMarkup(target, signal),
      )
    } catch (error) {
      this.#log('info', 'a question stays on the screen', { reason: sayError(error) })
    }
  }

  #mention({ person }: Spot, name: string): MessageEntity[] {
    if (person === null || name === '') return []
    const user = { id: person.id, is_bot: false, first_name: name }
    return [{ type: 'text_mention', offset: 0, length: name.length, user }]
  }

  async #send(spot: Spot, { text, entities }: Drawing, markup: Markup | null): Promise<number> {
    const more = {
      ...under(spot),
      link_preview_options: { is_disabled: true },
      ...(markup && { reply_markup: markup }),
    }
    const sent = await plainlyIfRefused(entities, (entities) =>
      this.#client.send(spot.chat, (api, signal) => api.sendMessage({ ...more, text, entities }, signal)),
    )
    return sent.message_id
  }

  async #sendDocument(spot: Spot, { name, caption, text }: Document): Promise<number> {
    const document = new InputFile(Buffer.from(text), name)
    const sent = await this.#client.send(spot.chat, (api, signal) =>
      api.sendDocument({ ...under(spot), caption, document }, signal),
    )
    return sent.message_id
  }

  /** Tries until it is sent, at the times Telegram allows; past its patience it goes on alone. */
  async #insist(send: () => Promise<unknown>): Promise<void> {
    const sending = this.#tryOften(send).catch((error: unknown) =>
      this.#log('warn', 'an answer was not sent', { reason: sayError(error) }),
    )
    const enough = new AbortController()
    await Promise.race([sending, delay(patienceMs, null, { signal: enough.signal, ref: false }).catch(() => null)])
    enough.abort()
  }

  async #tryOften(send: () => Promise<unknown>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await send()
        return
      } catch (error) {
        if (!(error instanceof Fault) || !error.retryable || attempt === tries) throw error
        await delay(error.retryAfterMs ?? 100 * 2 ** attempt, null, { signal: this.#signal })
      }
    }
  }
}

const sayError = (error: unknown): string => (error instanceof Error ? error.message : String(error))

function under({ chat, thread, message }: Spot) {
  return {
    chat_id: chat,
    ...(thread === null ? {} : { message_thread_id: thread }),
    reply_parameters: { message_id: message, allow_sending_without_reply: true },
  }
}
