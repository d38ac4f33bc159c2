import { z } from 'zod'
import { accepted, type Result, refused } from '../../core/model/problem.ts'

/** The variables that Slack needs, as strings of the environment; none of their messages repeats a value. */
export const slackVariables = {
  SLACK_BOT_TOKEN: z
    .string()
    .regex(
      /^(xoxe\.)?xoxb-\S+$/,
      'SLACK_BOT_TOKEN must begin with xoxb-, or with xoxe.xoxb- where it rotates: take the Bot User OAuth Token (docs/slack.md).',
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
  SLACK_CLIENT_ID: z
    .string()
    .regex(/^\d+\.\d+$/, 'SLACK_CLIENT_ID must be two numbers with a dot between, as under Basic Information.')
    .optional(),
  SLACK_CLIENT_SECRET: z
    .string()
    .regex(/^[\x21-\x7e]{16,}$/, 'SLACK_CLIENT_SECRET must be the 32 letters and digits under Basic Information.')
    .optional(),
  SLACK_REFRESH_TOKEN: z
    .string()
    .regex(/^xoxe-\S+$/, 'SLACK_REFRESH_TOKEN must begin with xoxe-: take the Bot Refresh Token (docs/slack.md).')
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

/** What a token that rotates is made from. */
export type Rotation = {
  readonly clientId: string
  readonly clientSecret: string
  /** As it was configured: it makes the first pair, and is worth nothing after that. */
  readonly firstRefreshToken: string
}

export type SlackSettings = {
  /** Null: it rotates, and is kept elsewhere. */
  readonly botToken: string | null
  /** Null: the token stays as it is. */
  readonly rotation: Rotation | null
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
  const rotation = readRotation(values)
  if (!rotation.ok) return rotation
  if (!botToken && !rotation.value) return withoutToken(values)
  if (!appToken && !signingSecret)
    return refused(
      'invalid_input',
      `${botToken ? 'SLACK_BOT_TOKEN' : 'SLACK_REFRESH_TOKEN'} is set, but neither SLACK_APP_TOKEN (no public address needed) nor SLACK_SIGNING_SECRET: set one of them (docs/slack.md).`,
    )
  return accepted({
    botToken: rotation.value ? null : (botToken ?? null),
    rotation: rotation.value,
    appToken: appToken ?? null,
    signingSecret: signingSecret ?? null,
    channel: values.SLACK_CHANNEL ?? null,
    apiRoot: values.SLACK_API_ROOT ?? 'https://slack.com/api/',
  })
}

function withoutToken(values: Values): Result<null> {
  const others = ['SLACK_APP_TOKEN', 'SLACK_SIGNING_SECRET', 'SLACK_CHANNEL'] as const
  const set = others.filter((name) => values[name])
  return set.length === 0
    ? accepted(null)
    : refused('invalid_input', `${set.join(' and ')} is set without SLACK_BOT_TOKEN: set that too (docs/slack.md).`)
}

/** How long a first rotating token still lives nobody can tell, so it is not used: the refresh token makes the first pair. */
function readRotation(values: Values): Result<Rotation | null> {
  const names = ['SLACK_CLIENT_ID', 'SLACK_CLIENT_SECRET', 'SLACK_REFRESH_TOKEN'] as const
  const { SLACK_BOT_TOKEN: botToken, SLACK_CLIENT_ID: clientId, SLACK_CLIENT_SECRET: clientSecret } = values
  const firstRefreshToken = values.SLACK_REFRESH_TOKEN
  const missing = names.filter((name) => !values[name])
  const isRotating = botToken?.startsWith('xoxe.') ?? false
  if (missing.length === names.length && !isRotating) return accepted(null)
  if (!clientId || !clientSecret || !firstRefreshToken)
    return refused('invalid_input', `Slack's token rotates only with ${missing.join(' and ')} set too (docs/slack.md).`)
  if (botToken && !isRotating)
    return refused(
      'invalid_input',
      'SLACK_BOT_TOKEN is one that does not rotate, and SLACK_REFRESH_TOKEN is set: take one of them away (docs/slack.md).',
    )
  return accepted({ clientId, clientSecret, firstRefreshToken })
}
