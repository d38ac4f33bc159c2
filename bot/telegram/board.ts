import { z } from 'zod'
import type { MessageEntity } from 'grammy/types'
import { Fault } from '../../core/model/problem.ts'
import type { Board, Button, Place } from '../surface.ts'
import type { Client } from './client.ts'
import { isRefusal } from './client.ts'
import { drawPost } from './draw.ts'

/** Where a message of ours is; the chat stands in the address. */
const Sent = z.object({ message: z.int() })

/** The messages that are sent and redrawn; `remember` hears of each one's buttons. */
export function createBoard(client: Client, remember: (buttons: readonly Button[]) => void): Board {
  const post: Board['post'] = async (address, wanted) => {
    remember(wanted.buttons)
    const { chat, thread } = readAddress(address)
    const { reply_markup, ...drawing } = drawPost(wanted)
    const more = {
      chat_id: chat,
      ...(thread === null ? {} : { message_thread_id: thread }),
      ...underOf(wanted.under),
      ...(reply_markup.inline_keyboard.length > 0 ? { reply_markup } : {}),
      link_preview_options: { is_disabled: true },
      disable_notification: !wanted.isLoud,
    }
    const send = (entities: MessageEntity[]) =>
      client.send(chat, (api, signal) => api.sendMessage({ ...more, text: drawing.text, entities }, signal))
    const { message_id } = await plainlyIfRefused(drawing.entities, send)
    return { message: message_id }
  }

  const edit: Board['edit'] = async (address, place, wanted) => {
    const { chat } = readAddress(address)
    remember(wanted.buttons)
    const at = Sent.safeParse(place)
    if (!at.success) return post(address, wanted)
    const { text, entities, reply_markup } = drawPost(wanted)
    const target = { chat_id: chat, message_id: at.data.message, link_preview_options: { is_disabled: true } }
    try {
      await plainlyIfRefused(entities, (entities) =>
        client.callIn(chat, (api, signal) => api.editMessageText({ ...target, text, entities, reply_markup }, signal)),
      )
    } catch (error) {
      if (isRefusal(error, /message is not modified/)) return place
      if (isRefusal(error, /message to edit not found|message can't be edited|MESSAGE_ID_INVALID/))
        return post(address, wanted)
      throw error
    }
    return place
  }

  return { name: 'telegram', paceMs: 1000, post, edit }
}

/** Text always arrives: where Telegram cannot follow our entities it is sent without. */
export async function plainlyIfRefused<T>(entities: MessageEntity[], send: (entities: MessageEntity[]) => Promise<T>) {
  try {
    return await send(entities)
  } catch (error) {
    if (!isRefusal(error, /entit/i)) throw error
    return send([])
  }
}

/** `-1002/17`: the chat, and the topic in it. */
export function readAddress(address: string): { readonly chat: number; readonly thread: number | null } {
  const match = /^(-?\d{1,16})(?:\/(\d{1,10}))?$/.exec(address)
  if (!match) {
    const message = `${address} is no Telegram chat: write -1001234567890, or -1001234567890/17 for a topic`
    throw new Fault({ code: 'VALIDATION_ERROR', message, retryable: false })
  }
  return { chat: Number(match[1]), thread: match[2] === undefined ? null : Number(match[2]) }
}

function underOf(under: Place | null) {
  const root = Sent.safeParse(under)
  if (!root.success) return {}
  return { reply_parameters: { message_id: root.data.message, allow_sending_without_reply: true } }
}
