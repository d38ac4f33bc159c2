import { z } from 'zod'
import { accepted, type Result, refused } from '../../core/model/problem.ts'

/** The variables that Slack needs, as strings of the environment; none of their messages repeats a value. */
export const slackVariables = {
  SLACK_BOT_TOKEN: z
    .string()
    .regex(
      /^xoxb-\S+$/,
      'SLACK_BOT_TOKEN must begin with xoxb-: take the Bot User OAuth Token, with token rotation off (docs/slack.md).',
    )
    .optional(),
  SLACK_APP_TOKEN: z
    .string()
    .regex(/^xapp-\S+$/, 'SLACK_APP_TOKEN must begin with xapp-: take an app-level token with connections:write.')
    .optional(),
  SLACK_SIGNING_SECRET: z
    .string()
    .regex(/^[\x21-\x7e]{16,}$/, 'SLACK_SIGNING_SECRET must be the 32 letters and digits under Basic Information.')
    .optional(),
  SLACK_CHANNEL: z
    .string()
    .regex(/^[CG][A-Z0-9]{2,}$/, 'SLACK_CHANNEL must be a channel id such as C0123ABCD, not a name.')
    .optional(),
  SLACK_API_ROOT: z
    .string()
    .regex(/^https?:\/\/\S+\/$/, 'SLACK_API_ROOT must be an address that ends in /, such as https://slack.com/api/.')
    .default('https://slack.com/api/'),
}

export type SlackSettings = {
  readonly botToken: string
  /** Set: events come over a socket, and no public address is needed. */
  readonly appToken: string | null
  /** Needed where Slack posts its events to us. */
  readonly signingSecret: string | null
  /** Where runs of no particular channel are told of. */
  readonly channel: string | null
  /** Ends in a slash. */
  readonly apiRoot: string
}

type Values = { readonly [Name in keyof typeof slackVariables]?: string | undefined }

/** What the variables ask for; null where Slack is off. Half a configuration is refused in a sentence. */
export function readSlackSettings(values: Values): Result<SlackSettings | null> {
  const { SLACK_BOT_TOKEN: botToken, SLACK_APP_TOKEN: appToken, SLACK_SIGNING_SECRET: signingSecret } = values
  const others = ['SLACK_APP_TOKEN', 'SLACK_SIGNING_SECRET', 'SLACK_CHANNEL'] as const
  if (!botToken) {
    const set = others.filter((name) => values[name])
    if (set.length === 0) return accepted(null)
    return refused(
      'invalid_input',
      `${set.join(' and ')} is set without SLACK_BOT_TOKEN: set that too (docs/slack.md).`,
    )
  }
  if (!appToken && !signingSecret)
    return refused(
      'invalid_input',
      'SLACK_BOT_TOKEN is set, but neither SLACK_APP_TOKEN (no public address needed) nor SLACK_SIGNING_SECRET: set one of them (docs/slack.md).',
    )
  return accepted({
    botToken,
    appToken: appToken ?? null,
    signingSecret: signingSecret ?? null,
    channel: values.SLACK_CHANNEL ?? null,
    apiRoot: values.SLACK_API_ROOT ?? 'https://slack.com/api/',
  })
}
