import { z } from 'zod'
import type { Caller, Unsaid } from '../surface.ts'
import { addressOf } from './place.ts'

/** What Slack sends, read field by field: names we do not use are not looked at. */

const id = z.string().min(1).max(200)

/** A slash command, https://docs.slack.dev/interactivity/implementing-slash-commands */
export const Typed = z.object({
  command: z.string(),
  text: z.string().default(''),
  team_id: id,
  user_id: id,
  channel_id: id,
  channel_name: z.string().default(''),
  trigger_id: id,
  response_url: z.string().optional(),
})

const Who = z.object({ id, team_id: id.optional() })

/** A button, https://docs.slack.dev/reference/interaction-payloads/block_actions-payload */
export const Tapped = z.object({
  team: z.object({ id }),
  user: Who,
  trigger_id: id,
  response_url: z.string().optional(),
  channel: z.object({ id, name: z.string().default('') }),
  actions: z.array(z.object({ action_id: z.string(), value: z.string().max(2_000) })).length(1),
})

/** A form, https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload */
export const Submitted = z.object({
  team: z.object({ id }),
  user: Who,
  trigger_id: id.optional(),
  view: z.object({
    id,
    hash: z.string().default(''),
    private_metadata: z.string(),
    state: z.object({ values: z.object({ reason: z.object({ reason: z.object({ value: z.string().nullable() }) }) }) }),
  }),
})

/** Somebody opened the app's own tab, https://docs.slack.dev/reference/events/app_home_opened */
export const Opened = z.object({
  team_id: id,
  event_id: id,
  event: z.object({ user: id, channel: id, tab: z.string().default('home') }),
})

const sha = z.string().nullable()
const Unsaid: z.ZodType<Unsaid> = z.union([
  z.strictObject({ kind: z.literal('reject'), run: z.string(), gate: z.string().nullable(), sha256: sha }),
  z.strictObject({ kind: z.literal('changes'), run: z.string(), gate: z.string().nullable(), sha256: sha }),
])

/** What a form for a reason remembers: the decision, and where it was begun. */
export const Remembered = z.strictObject({ command: Unsaid, channel: id, isPrivate: z.boolean() })

/** Who asks before Slack was asked about them: their network's id, and where they are. */
export type Visit = {
  readonly user: string
  /** The workspace they belong to, as Slack says in this payload. */
  readonly team: string
  readonly channel: string
  readonly isPrivate: boolean
  readonly deliveryId: string
  readonly responseUrl: string | null
}

/**
 * A trigger id is one thing a person did, and Slack repeats it with the envelope when an acknowledgement got lost; the
 * envelope's own id would be another where a proxy opens it again.
 */
export const visitOfTyped = (typed: z.infer<typeof Typed>): Visit => ({
  user: typed.user_id,
  team: typed.team_id,
  channel: typed.channel_id,
  isPrivate: isDirect(typed.channel_id),
  deliveryId: typed.trigger_id,
  responseUrl: typed.response_url ?? null,
})

export const visitOfTapped = ({ team, user, channel, trigger_id, response_url }: z.infer<typeof Tapped>): Visit => ({
  user: user.id,
  team: user.team_id ?? team.id,
  channel: channel.id,
  isPrivate: isDirect(channel.id),
  deliveryId: trigger_id,
  responseUrl: response_url ?? null,
})

export const visitOfSubmitted = (
  { team, user, trigger_id, view }: z.infer<typeof Submitted>,
  { channel, isPrivate }: z.infer<typeof Remembered>,
): Visit => ({
  user: user.id,
  team: user.team_id ?? team.id,
  channel,
  isPrivate,
  deliveryId: trigger_id ?? `${view.id}:${view.hash}`,
  responseUrl: null,
})

export const visitOfOpened = ({ team_id, event_id, event }: z.infer<typeof Opened>): Visit => ({
  user: event.user,
  team: team_id,
  channel: event.channel,
  isPrivate: true,
  deliveryId: event_id,
  responseUrl: null,
})

/** A direct conversation has an id of its own kind. */
const isDirect = (channel: string): boolean => channel.startsWith('D')

export const callerOf = (visit: Visit, label: string): Caller => ({
  surface: 'slack',
  account: `${visit.team}/${visit.user}`,
  label,
  address: addressOf(visit.team, visit.channel),
  isPrivate: visit.isPrivate,
  deliveryId: visit.deliveryId,
})
