import { z } from 'zod'
import type { Board, Place, Post } from '../surface.ts'
import type { Api } from './api.ts'
import { type Drawn, draw } from './blocks.ts'
import { isWord } from './fault.ts'
import { channelOf, type MessagePlace, placeOf } from './place.ts'

/** Messages in Slack's conversations that can be sent and redrawn. */
export function createBoard(api: Api): Board {
  const post = async (address: string, card: Post): Promise<Place> => {
    const channel = channelOf(address)
    const under = placeOf(card.under)
    const thread = under?.channel === channel ? { thread_ts: under.ts, ...broadcast(card) } : {}
    return send(api, 'chat.postMessage', { channel, ...thread, ...quiet, ...draw(card) })
  }
  return {
    name: 'slack',
    // https://docs.slack.dev/apis/web-api/rate-limits: one message a second and channel.
    paceMs: 1_000,
    post,
    edit: async (address, place, card) => {
      const message = placeOf(place)
      if (message === null) return post(address, card)
      try {
        return await send(api, 'chat.update', { ...message, ...draw(card) })
      } catch (error) {
        if (!isGone(error)) throw error
        return post(address, card)
      }
    },
  }
}

/**
 * A thread's messages reach only its followers, and nobody follows one of ours: what must be seen, or waits for a button, is
 * shown in the channel as well. Whether that makes a sound is up to each reader's own settings.
 */
const broadcast = ({ isLoud, buttons }: Post): { reply_broadcast?: true } =>
  isLoud || buttons.length > 0 ? { reply_broadcast: true } : {}

const quiet = { unfurl_links: false, unfurl_media: false }

const Sent = z.object({ channel: z.string(), ts: z.string() })

/** A message is never lost to its form: what Slack cannot draw is sent as plain text. */
async function send(api: Api, method: string, message: Record<string, unknown> & Drawn): Promise<MessagePlace> {
  try {
    return await api.call(method, message, Sent)
  } catch (error) {
    if (!isWord(error, 'invalid_blocks', 'invalid_blocks_format', 'msg_blocks_too_long')) throw error
    return api.call(method, { ...message, blocks: [] }, Sent)
  }
}

const isGone = (error: unknown): boolean =>
  isWord(error, 'message_not_found', 'cant_update_message', 'edit_window_closed')
