import { expect, onTestFinished } from 'vitest'
import type { Telegram, TelegramOptions } from '../../../bot/telegram/telegram.ts'
import { createTelegram } from '../../../bot/telegram/telegram.ts'
import { BotApi } from './bot-api.ts'
import { RecordedReception } from './reception.ts'

export const ann = { id: 5512, first_name: 'Ann', last_name: 'Lee' }
export const bob = { id: 5513, first_name: 'Bob' }
/** A private chat, a group, and a forum with topic 17. */
export const places = { ann: ann.id, group: -42, forum: -1_001_234, channel: -1_009_999 }

/** A Bot API server with people in it, closed when the test ends. */
export async function openRoom(): Promise<BotApi> {
  const api = await BotApi.open()
  onTestFinished(() => api.close())
  api.chats.open(places.ann, 'private')
  api.chats.open(places.group, 'group')
  api.chats.open(places.forum, 'supergroup', [17])
  api.chats.open(places.channel, 'channel')
  return api
}

/** A surface as a process would have it; `log` holds what it said of itself. */
export type Running = {
  readonly telegram: Telegram
  readonly reception: RecordedReception
  readonly log: string[]
  readonly ended: Promise<unknown>
}

/** Starts a surface in this room, stopped when the test ends. */
export function startIn(
  api: BotApi,
  client = 'one',
  more: Partial<TelegramOptions> = {},
  reception = new RecordedReception(),
): Running {
  const log: string[] = []
  const telegram = createTelegram({
    token: api.token,
    apiRoot: api.rootOf(client),
    reception,
    log: (level, message, fields) => log.push(`${level} ${message} ${JSON.stringify(fields)}`),
    webhook: null,
    backoff: { baseMs: 5, capMs: 20 },
    ...more,
  })
  const ended = telegram.start().then(
    () => 'stopped',
    (error: unknown) => error,
  )
  onTestFinished(() => telegram.stop())
  return { telegram, reception, log, ended }
}

/** Waits until every update so far is confirmed. */
export const allTaken = (api: BotApi) => expect.poll(() => api.waiting, { timeout: 8_000, interval: 10 }).toBe(0)

/** The texts the bot has sent into a chat that are still there. */
export const textsIn = (api: BotApi, chat: number) => api.chats.ofBot(chat).map(({ text, caption }) => text ?? caption)
