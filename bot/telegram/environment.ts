import { z } from 'zod'

/** How the bot reaches Telegram, as the environment says it. */
export type TelegramSettings = {
  readonly token: string
  /** The default destination: `-1001234567890`, or `-1001234567890/17` for a topic; null: none. */
  readonly chatId: string | null
  /** What Telegram must say with each delivery by webhook; null: the bot polls. */
  readonly webhookSecret: string | null
  readonly apiRoot: string
}

/** The variables that this folder needs. */
export const telegramVariables = {
  TELEGRAM_BOT_TOKEN: z
    .string()
    .regex(/^\d{1,20}:[\w-]{20,100}$/, 'TELEGRAM_BOT_TOKEN must be a token from @BotFather, such as 123456:ABC-DEF….')
    .optional(),
  TELEGRAM_CHAT_ID: z
    .string()
    .regex(
      /^-?\d{1,16}(\/\d{1,10})?$/,
      'TELEGRAM_CHAT_ID must be a chat’s number, such as -1001234567890 or -1001234567890/17.',
    )
    .optional(),
  // The characters and the length that setWebhook allows: https://core.telegram.org/bots/api#setwebhook
  TELEGRAM_WEBHOOK_SECRET: z
    .string()
    .regex(/^[\w-]{16,256}$/, 'TELEGRAM_WEBHOOK_SECRET must be 16 to 256 letters, digits, _ or -.')
    .optional(),
  TELEGRAM_API_ROOT: z
    .url({ protocol: /^https?$/, error: 'TELEGRAM_API_ROOT must be the address of a Bot API server.' })
    .transform((url) => url.replace(/\/+$/, ''))
    .default('https://api.telegram.org'),
} as const

/** The settings in these variables, or null where there is no token: then there is no Telegram. */
export function telegramSettings(values: z.infer<z.ZodObject<typeof telegramVariables>>): TelegramSettings | null {
  if (values.TELEGRAM_BOT_TOKEN === undefined) return null
  return {
    token: values.TELEGRAM_BOT_TOKEN,
    chatId: values.TELEGRAM_CHAT_ID ?? null,
    webhookSecret: values.TELEGRAM_WEBHOOK_SECRET ?? null,
    apiRoot: values.TELEGRAM_API_ROOT,
  }
}
