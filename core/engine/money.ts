import { z } from 'zod'
import type { MoneySettings } from './settings.ts'

/** Dollars, read as millionths; 0 caps nothing. */
const usd = (name: string, fallback: number | null) => {
  const says = `${name} must be an amount in US dollars such as 20 or 0.50; 0 for no cap.`
  return z
    .string()
    .regex(/^\d{1,7}(\.\d{1,2})?$/, says)
    .default(`${fallback ?? 0}`)
    .transform((text) => (Number(text) === 0 ? null : Math.round(Number(text) * 1_000_000)))
}

/** A number of tokens; 0 caps nothing. */
const most = (name: string, fallback = 0) =>
  z
    .string()
    .regex(/^\d{1,12}$/, `${name} must be a whole number of tokens; 0 for no cap.`)
    .default(`${fallback}`)
    .transform((text) => (Number(text) === 0 ? null : Number(text)))

const isZone = (name: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

/** The variables, each by itself. */
export const moneyVariables = {
  QP_TIME_ZONE: z.string().refine(isZone, 'QP_TIME_ZONE must be a time zone such as Europe/Berlin.').default('UTC'),
  QP_DAY_USD: usd('QP_DAY_USD', 50),
  QP_DAY_TOKENS: most('QP_DAY_TOKENS'),
  QP_HOUR_USD: usd('QP_HOUR_USD', 20),
  QP_MINUTE_TOKENS: most('QP_MINUTE_TOKENS', 2_000_000),
  QP_ACTOR_DAY_USD: usd('QP_ACTOR_DAY_USD', null),
  QP_PROJECT_DAY_USD: usd('QP_PROJECT_DAY_USD', null),
}

/** The most that may be spent above the runs. */
export function moneyOf(values: z.infer<z.ZodObject<typeof moneyVariables>>): MoneySettings {
  const dollars = (capMicros: number | null) => ({ capMicros, capTokens: null })
  return {
    zone: values.QP_TIME_ZONE,
    projectDay: dollars(values.QP_PROJECT_DAY_USD),
    actorDay: dollars(values.QP_ACTOR_DAY_USD),
    instanceDay: { capMicros: values.QP_DAY_USD, capTokens: values.QP_DAY_TOKENS },
    hour: dollars(values.QP_HOUR_USD),
    minute: { capMicros: null, capTokens: values.QP_MINUTE_TOKENS },
  }
}
