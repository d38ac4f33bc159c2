import { z } from 'zod'
import type { Caller } from '../surface.ts'
import { wordsOfChat } from '../parse-command.ts'

const User = z.object({
  id: z.int(),
  is_bot: z.boolean(),
  first_name: z.string().default(''),
  last_name: z.string().default(''),
  username: z.string().default(''),
})

const Chat = z.object({ id: z.int(), type: z.enum(['private', 'group', 'supergroup', 'channel']) })

const Message = z.object({
  message_id: z.int(),
  from: User.optional(),
  sender_chat: z.object({ id: z.int() }).optional(),
  chat: Chat,
  message_thread_id: z.int().optional(),
  is_topic_message: z.boolean().default(false),
  text: z.string().optional(),
  forward_origin: z.object({}).optional(),
  forward_date: z.int().optional(),
  via_bot: z.object({}).optional(),
  /** Telegram's own message, the first in a group that has become a supergroup. */
  migrate_from_chat_id: z.int().optional(),
  reply_to_message: z.object({ message_id: z.int(), from: z.object({ id: z.int() }).optional() }).optional(),
})

const Query = z.object({
  id: z.string(),
  from: User,
  message: z
    .object({
      message_id: z.int(),
      chat: Chat,
      message_thread_id: z.int().optional(),
      is_topic_message: z.boolean().default(false),
      reply_markup: z
        .object({
          inline_keyboard: z.array(z.array(z.object({ text: z.string(), callback_data: z.string().optional() }))),
        })
        .optional(),
    })
    .optional(),
  data: z.string().optional(),
})

/** What we read of an update; the kinds we do not read come out empty. */
export const Update = z.object({
  update_id: z.int(),
  message: Message.optional(),
  channel_post: Message.optional(),
  callback_query: Query.optional(),
})

export type Update = z.infer<typeof Update>

/** The bot itself, as getMe tells. */
export type Me = { readonly id: number; readonly username: string }

/** A message that an answer belongs under. */
export type Spot = {
  readonly chat: number
  readonly thread: number | null
  readonly message: number
  /** The person to answer, for mentions; null where there is none. */
  readonly person: { readonly id: number; readonly label: string } | null
  readonly isPrivate: boolean
}

type From = { readonly caller: Caller; readonly spot: Spot }

/** What an update asks of us. */
export type Incoming =
  | { readonly kind: 'nothing' }
  | ({ readonly kind: 'command'; readonly words: readonly string[]; readonly isAddressed: boolean } & From)
  /** A person replied to a message of the bot's; `text` is null for a picture or a sticker. */
  | ({ readonly kind: 'words'; readonly prompt: string; readonly text: string | null } & From)
  /** The group of that number goes on here, under another number. */
  | ({ readonly kind: 'moved'; readonly before: number } & From)
  /** Plain text in a private chat. */
  | ({ readonly kind: 'chatter' } & From)
  | ({ readonly kind: 'press'; readonly query: string; readonly data: string; readonly label: string } & From)
  /** Nobody who could be ours; `isMute`: nor one to answer, such as a bot, which might answer back for ever. */
  | ({ readonly kind: 'denied'; readonly query: string | null; readonly why: string; readonly isMute: boolean } & From)

/** Anonymous admins, people who speak as a channel, and Telegram's own relay of channel posts all share one account each. */
const sharedAccounts = new Set([1_087_968_824, 136_817_688, 777_000])

/** Reads what an update asks. Edits, captions, other bots' commands and what people say to each other ask nothing. */
export function readUpdate(update: Update, me: Me): Incoming {
  if (update.callback_query) return readQuery(update, update.callback_query)
  const message = update.message ?? update.channel_post
  return message ? readMessage(update, message, me) : { kind: 'nothing' }
}

function readMessage(update: Update, message: z.infer<typeof Message>, me: Me): Incoming {
  const from = fromOf(update, message, message.from)
  if (message.migrate_from_chat_id !== undefined)
    return { kind: 'moved', before: message.migrate_from_chat_id, ...from }
  const command = commandOf(message.text ?? '')
  if (command?.bot && command.bot.toLowerCase() !== me.username.toLowerCase()) return { kind: 'nothing' }
  const prompt = message.reply_to_message?.from?.id === me.id ? message.reply_to_message.message_id : null
  const isPrivate = message.chat.type === 'private'
  if (command === null && prompt === null && !isPrivate) return { kind: 'nothing' }
  const why = whyNot(message)
  const isMute = message.chat.type === 'channel' || (message.from?.is_bot === true && !message.sender_chat)
  if (why !== null) return { kind: 'denied', query: null, why, isMute, ...from }
  if (command) return { kind: 'command', words: command.words, isAddressed: isPrivate || command.bot !== null, ...from }
  if (prompt !== null) return { kind: 'words', prompt: String(prompt), text: message.text?.trim() || null, ...from }
  return { kind: 'chatter', ...from }
}

function readQuery(update: Update, query: z.infer<typeof Query>): Incoming {
  const { message } = query
  if (!message || query.data === undefined) return { kind: 'nothing' }
  const from = fromOf(update, message, query.from)
  const why = whyNoPress(query.from, message.chat.type)
  if (why !== null) return { kind: 'denied', query: query.id, why, isMute: true, ...from }
  const button = message.reply_markup?.inline_keyboard.flat().find(({ callback_data }) => callback_data === query.data)
  return { kind: 'press', query: query.id, data: query.data, label: button?.text ?? '', ...from }
}

/** Why this message cannot be anybody's act; null when it can. */
function whyNot(message: z.infer<typeof Message>): string | null {
  if (message.chat.type === 'channel' || !message.from) return 'a channel post is no one person’s'
  if (message.sender_chat || sharedAccounts.has(message.from.id))
    return 'an anonymous admin or a channel is no one person'
  if (message.from.is_bot) return 'a bot is no person'
  if (message.via_bot) return 'a message made by another bot may not be the person’s own words'
  if (message.forward_origin || message.forward_date !== undefined) return 'a forwarded message is somebody else’s'
  return null
}

function whyNoPress({ id, is_bot }: z.infer<typeof User>, where: z.infer<typeof Chat>['type']): string | null {
  if (is_bot || sharedAccounts.has(id)) return 'an account that is no one person pressed a button'
  return where === 'channel' ? 'channels are only told: decide in a group or in private' : null
}

type Place = {
  readonly message_id: number
  readonly chat: z.infer<typeof Chat>
  readonly message_thread_id?: number | undefined
  readonly is_topic_message: boolean
}

function fromOf({ update_id }: Update, { message_id, chat, ...topic }: Place, user?: z.infer<typeof User>): From {
  // Outside forums the number names the thread of replies, which is no place to write to.
  const thread = topic.is_topic_message ? (topic.message_thread_id ?? null) : null
  const label = user ? `${user.first_name} ${user.last_name}`.trim() || user.username || String(user.id) : ''
  const isPrivate = chat.type === 'private'
  const isPerson = user !== undefined && !user.is_bot && !sharedAccounts.has(user.id)
  return {
    caller: {
      surface: 'telegram',
      account: user ? String(user.id) : 'nobody',
      label,
      address: thread === null ? String(chat.id) : `${chat.id}/${thread}`,
      isPrivate,
      deliveryId: String(update_id),
    },
    spot: { chat: chat.id, thread, message: message_id, person: isPerson ? { id: user.id, label } : null, isPrivate },
  }
}

/** `/run@our_bot a b`: the words, and the bot it is for. */
function commandOf(text: string): { words: readonly string[]; bot: string | null } | null {
  const match = /^\/(\w+)(?:@(\w+))?(?=\s|$)/.exec(text)
  if (!match) return null
  return { words: wordsOfChat(`${match[1]}${text.slice(match[0].length)}`), bot: match[2] ?? null }
}
