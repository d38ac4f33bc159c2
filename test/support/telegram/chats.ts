import { z } from 'zod'
import type { Payload } from './payload.ts'
import { Refused } from './refused.ts'

type ChatType = 'private' | 'group' | 'supergroup' | 'channel'

const Keyboard = z.object({
  inline_keyboard: z
    .array(z.array(z.object({ text: z.string(), callback_data: z.string(), style: z.string().optional() })))
    .optional(),
  force_reply: z.boolean().optional(),
  selective: z.boolean().optional(),
})

/** A message as the server keeps it. */
export type Kept = {
  readonly message_id: number
  readonly chat: { readonly id: number; readonly type: ChatType }
  readonly text?: string | undefined
  readonly caption?: string | undefined
  readonly document?: { readonly name: string; readonly text: string } | undefined
  readonly entities?: unknown
  readonly reply_markup?: z.infer<typeof Keyboard> | undefined
  readonly [more: string]: unknown
}

type Chat = {
  readonly type: ChatType
  readonly topics: readonly number[]
  readonly messages: Map<number, Kept>
  isKicked: boolean
  /** What it says instead of taking a message. */
  refusal: string | null
  movedTo: number | null
}

const Entity = z.object({ type: z.string(), offset: z.int().min(0), length: z.int().min(1) })

const Sent = z.object({
  chat_id: z.int(),
  message_id: z.int().optional(),
  message_thread_id: z.int().optional(),
  text: z.string().optional(),
  caption: z.string().optional(),
  parse_mode: z.string().optional(),
  entities: z.array(Entity).default([]),
  document: z.object({ name: z.string(), text: z.string() }).optional(),
  reply_markup: Keyboard.optional(),
  reply_parameters: z
    .object({ message_id: z.int(), allow_sending_without_reply: z.boolean().default(false) })
    .optional(),
  disable_notification: z.boolean().optional(),
  user_id: z.int().optional(),
})

type Sent = z.infer<typeof Sent>

/** The chats there are and the messages in them, under the server's rules for messages. */
export class Chats {
  readonly #me: { readonly id: number }
  readonly #chats = new Map<number, Chat>()
  #nextMessage = 100
  #pending: () => void = () => undefined

  constructor(me: { readonly id: number }) {
    this.#me = me
  }

  /** Opens a chat that the bot is in; a private one with a person, by the person's id. */
  open(id: number, type: ChatType, topics: readonly number[] = []): void {
    this.#chats.set(id, { type, topics, messages: new Map(), isKicked: false, refusal: null, movedTo: null })
  }

  kick(id: number): void {
    this.#chat(id).isKicked = true
  }

  /** Takes nothing of the bot's any more, in these words. */
  forbid(id: number, refusal: string): void {
    this.#chat(id).refusal = refusal
  }

  migrate(id: number, to: number): void {
    this.open(to, 'supergroup')
    this.#chat(id).movedTo = to
  }

  /** Keeps what a person wrote. */
  hear(id: number, more: Readonly<Record<string, unknown>>): Kept {
    const kept = { message_id: this.#nextMessage++, date: 0, chat: { id, type: this.#chat(id).type }, ...more }
    this.#chat(id).messages.set(kept.message_id, kept)
    return kept
  }

  message(chat: number, id: number): Kept {
    const message = this.#chat(chat).messages.get(id)
    if (!message) throw new Error(`there is no message ${id} in ${chat}`)
    return message
  }

  remove(chat: number, id: number): void {
    this.#chat(chat).messages.delete(id)
  }

  /** What the bot has sent into a chat that is still there, oldest first. */
  ofBot(chat: number): readonly Kept[] {
    return [...this.#chat(chat).messages.values()].filter(({ from }) => (from as { id: number }).id === this.#me.id)
  }

  /** Checks a call and answers it; nothing changes before `commit`. */
  do(method: string, payload: Payload): unknown {
    this.#pending = () => undefined
    const parsed = Sent.safeParse(payload)
    if (!parsed.success) throw new Refused(400, `Bad Request: ${z.prettifyError(parsed.error)}`)
    const sent = parsed.data
    const chat = this.#reachable(sent.chat_id)
    checkMarkup(sent)
    switch (method) {
      case 'sendMessage':
        checkText(sent.text, sent.entities)
        return this.#send(chat, sent)
      case 'sendDocument':
        checkDocument(sent)
        return this.#send(chat, sent)
      case 'editMessageText':
        checkText(sent.text, sent.entities)
        return this.#edit(chat, sent, {
          text: sent.text?.trim(),
          entities: sent.entities,
          reply_markup: sent.reply_markup,
        })
      case 'editMessageReplyMarkup':
        return this.#edit(chat, sent, { reply_markup: sent.reply_markup })
      case 'deleteMessage': {
        const id = sent.message_id ?? 0
        if (!chat.messages.has(id)) throw new Refused(400, 'Bad Request: message to delete not found')
        this.#pending = () => void chat.messages.delete(id)
        return true
      }
      default:
        return { status: 'member', user: { id: sent.user_id, is_bot: false, first_name: 'Somebody' } }
    }
  }

  /** Makes the last call's change. */
  commit(): void {
    this.#pending()
  }

  #chat(id: number): Chat {
    const chat = this.#chats.get(id)
    if (!chat) throw new Refused(400, 'Bad Request: chat not found')
    return chat
  }

  #reachable(id: number): Chat {
    const chat = this.#chat(id)
    if (chat.isKicked && chat.type === 'private') throw new Refused(403, 'Forbidden: bot was blocked by the user')
    if (chat.isKicked) throw new Refused(403, `Forbidden: bot was kicked from the ${chat.type} chat`)
    if (chat.refusal !== null) throw new Refused(400, `Bad Request: ${chat.refusal}`)
    if (chat.movedTo !== null)
      throw new Refused(400, 'Bad Request: group chat was upgraded to a supergroup chat', {
        parameters: { migrate_to_chat_id: chat.movedTo },
      })
    return chat
  }

  #send(chat: Chat, sent: Sent): Kept {
    const thread = sent.message_thread_id
    if (thread !== undefined && !chat.topics.includes(thread))
      throw new Refused(400, 'Bad Request: message thread not found')
    const replied = sent.reply_parameters
    if (replied && !replied.allow_sending_without_reply && !chat.messages.has(replied.message_id))
      throw new Refused(400, 'Bad Request: message to be replied not found')
    const { chat_id, text, ...more } = sent
    const kept: Kept = {
      ...more,
      message_id: this.#nextMessage++,
      date: 0,
      from: this.#me,
      chat: { id: chat_id, type: chat.type },
      text: text?.trim(),
      ...(thread === undefined ? {} : { is_topic_message: true }),
    }
    this.#pending = () => void chat.messages.set(kept.message_id, kept)
    return kept
  }

  #edit(chat: Chat, sent: Sent, change: Pick<Kept, 'text' | 'entities' | 'reply_markup'>): Kept {
    const before = chat.messages.get(sent.message_id ?? 0)
    if (!before) throw new Refused(400, 'Bad Request: message to edit not found')
    const after = { ...before, ...change }
    const seen = ({ text, entities, reply_markup }: Kept): string =>
      JSON.stringify([text, entities, reply_markup?.inline_keyboard ?? []])
    if (seen(before) === seen(after))
      throw new Refused(
        400,
        'Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
      )
    this.#pending = () => void chat.messages.set(before.message_id, after)
    return after
  }
}

function checkText(text: string | undefined, entities: Sent['entities']): void {
  if (!text?.trim()) throw new Refused(400, 'Bad Request: message text is empty')
  if (text.length > 4096) throw new Refused(400, 'Bad Request: message is too long')
  if (entities.some(({ offset, length }) => offset + length > text.length))
    throw new Refused(400, "Bad Request: can't parse entities: entity is out of the text")
}

function checkDocument({ caption, document }: Sent): void {
  if ((caption ?? '').length > 1024) throw new Refused(400, 'Bad Request: message caption is too long')
  if (!document || document.text === '') throw new Refused(400, 'Bad Request: file must be non-empty')
}

function checkMarkup({ reply_markup }: Sent): void {
  for (const { callback_data, text } of reply_markup?.inline_keyboard?.flat() ?? []) {
    const bytes = Buffer.byteLength(callback_data)
    if (bytes < 1 || bytes > 64) throw new Refused(400, 'Bad Request: BUTTON_DATA_INVALID')
    if (text.trim() === '') throw new Refused(400, 'Bad Request: text buttons are unallowed in the inline keyboard')
  }
}
