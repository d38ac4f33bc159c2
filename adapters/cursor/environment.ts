import { z } from 'zod'
import type { Amount } from '../../core/model/amount.ts'
import { accepted, type Result, refused } from '../../core/model/problem.ts'
import { address, key } from '../network/settings.ts'

/** Cursor's agent under an account of Cursor's. */
export type CursorSettings = {
  /** As `cursor-agent --list-models` shows it: `composer-2`. */
  readonly model: string
  readonly apiKey: string
  readonly baseUrl: string
  /** What the operator says a turn costs: Cursor says it neither before nor after. */
  readonly turn: Amount
}

/** As configuration spells models, for people and records. */
export const nameOf = ({ model }: Pick<CursorSettings, 'model'>): string => `cursor/${model}`

/** The variables, each by itself. */
export const cursorVariables = {
  CURSOR_API_KEY: key('CURSOR_API_KEY'),
  CURSOR_API_ENDPOINT: address('CURSOR_API_ENDPOINT'),
  QP_CURSOR_MODEL: z
    .string()
    .regex(/^[\w.][\w.:/-]{0,99}$/, 'QP_CURSOR_MODEL must be a model as cursor-agent --list-models shows it.')
    .optional(),
  QP_CURSOR_TURN_USD: z
    .string()
    .regex(
      /^\d{1,4}(?:\.\d{1,6})?$/,
      'QP_CURSOR_TURN_USD must be US dollars from 0 to 9999, such as 1.50: what a turn of Cursor’s agent costs at most.',
    )
    .optional(),
  QP_CURSOR_TURN_TOKENS: z
    .string()
    .regex(/^[1-9]\d{0,8}$/, 'QP_CURSOR_TURN_TOKENS must be a whole number of tokens, such as 500000.')
    .optional(),
}

type Values = { readonly [Name in keyof typeof cursorVariables | 'QP_AGENT']?: string | undefined }

const usualBase = 'https://api2.cursor.sh'
const usualTokens = 500_000

/** Null where another agent works, or none. Half a configuration is refused in a sentence. */
export function readCursor(values: Values): Result<CursorSettings | null> {
  if (values.QP_AGENT !== 'cursor') return accepted(null)
  const { CURSOR_API_KEY: apiKey, QP_CURSOR_TURN_USD: dollars } = values
  if (apiKey === undefined) return incomplete('CURSOR_API_KEY', 'make one in the dashboard of Cursor')
  if (dollars === undefined)
    return incomplete('QP_CURSOR_TURN_USD', 'say what a turn may cost, for Cursor says it neither before nor after')
  return accepted({
    apiKey,
    model: values.QP_CURSOR_MODEL ?? 'auto',
    baseUrl: (values.CURSOR_API_ENDPOINT ?? usualBase).replace(/\/+$/, ''),
    turn: {
      micros: Math.round(Number(dollars) * 1_000_000),
      tokens: Number(values.QP_CURSOR_TURN_TOKENS ?? usualTokens),
    },
  })
}

const incomplete = (name: string, what: string) =>
  refused('invalid_input', `QP_AGENT is cursor and ${name} is not set: ${what} (docs/agents.md).`)
