import { createHmac } from 'node:crypto'

/** The headers that Slack sends with these bytes: `skew` seconds from now. */
export function signed(secret: string, body: string, skew = 0): Record<string, string> {
  const time = String(Math.floor(Date.now() / 1000) + skew)
  return {
    'x-slack-request-timestamp': time,
    'x-slack-signature': `v0=${createHmac('sha256', secret).update(`v0:${time}:${body}`).digest('hex')}`,
  }
}

let counter = 0
/** An id as Slack makes them for one thing that a person did. */
export const newTrigger = (): string => `${Date.now()}.${++counter}.abcdef`

export type Somebody = { readonly user: string; readonly team: string; readonly channel: string }

/** A slash command as Slack's servers word it. */
export const commandOf = (who: Somebody, command: string, text: string, responseUrl: string) => ({
  token: 'legacy',
  team_id: who.team,
  team_domain: 'acme',
  channel_id: who.channel,
  channel_name: 'builds',
  user_id: who.user,
  user_name: 'someone',
  command,
  text,
  api_app_id: 'A01',
  is_enterprise_install: 'false',
  response_url: responseUrl,
  trigger_id: newTrigger(),
})

/** A press of a button. */
export const pressOf = (who: Somebody, value: string, responseUrl: string) => ({
  type: 'block_actions',
  api_app_id: 'A01',
  token: 'legacy',
  team: { id: 'T01', domain: 'acme' },
  user: { id: who.user, username: 'someone', name: 'someone', team_id: who.team },
  container: { type: 'message', message_ts: '1.1', channel_id: who.channel },
  channel: { id: who.channel, name: 'builds' },
  message: { type: 'message', ts: '1.1', text: 'card' },
  trigger_id: newTrigger(),
  response_url: responseUrl,
  actions: [{ type: 'button', action_id: 'qp:0', block_id: 'b', value, action_ts: '1.2' }],
})

/** A filled-in form. */
export const submissionOf = (who: Somebody, view: { id: string; private_metadata: string }, reason: string | null) => ({
  type: 'view_submission',
  team: { id: 'T01', domain: 'acme' },
  user: { id: who.user, username: 'someone', name: 'someone', team_id: who.team },
  api_app_id: 'A01',
  token: 'legacy',
  trigger_id: newTrigger(),
  view: {
    ...view,
    type: 'modal',
    hash: '1.x',
    callback_id: 'qp_reason',
    state: { values: { reason: { reason: { type: 'plain_text_input', value: reason } } } },
  },
  response_urls: [],
})

/** The app's own tab was opened. */
export const homeOf = (who: Somebody) => ({
  type: 'event_callback',
  token: 'legacy',
  team_id: who.team,
  api_app_id: 'A01',
  event_id: `Ev${newTrigger()}`,
  event_time: 1,
  authorizations: [{ enterprise_id: null, team_id: 'T01', user_id: 'UBOT', is_bot: true }],
  event: { type: 'app_home_opened', user: who.user, channel: 'D09', tab: 'home', event_ts: '1.1' },
})
