import { z } from 'zod'
import { Fault } from '../../core/model/problem.ts'
import type { Place } from '../surface.ts'

const MessagePlace = z.object({ channel: z.string(), ts: z.string() })

/** Where a message of ours is, as Slack needs it to edit or to answer under it. */
export type MessagePlace = z.infer<typeof MessagePlace>

/** A place that this surface gave out before; null for anything else. */
export const placeOf = (place: Place | null): MessagePlace | null => MessagePlace.safeParse(place).data ?? null

/** `T01/C02`: the workspace and the conversation. */
export const addressOf = (team: string, channel: string): string => `${team}/${channel}`

/** The conversation of an address. Throws a Fault for what is no address of Slack's. */
export function channelOf(address: string): string {
  const channel = /^[TE][A-Z0-9]+\/([CDGU][A-Z0-9]+)$/.exec(address)?.[1]
  if (channel !== undefined) return channel
  const message = `${address.slice(0, 80)} is no place in Slack: it must look like T0123/C0456.`
  throw new Fault({ code: 'VALIDATION_ERROR', retryable: false, message })
}
