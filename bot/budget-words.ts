import type { Command } from '../core/commands/command.ts'
import { accepted, refused, type Result } from '../core/model/problem.ts'

type Wanted = Pick<Extract<Command, { kind: 'budget' }>, 'raiseMicros' | 'booked'>

/** What follows the run: nothing, an amount to ask for, or a call and what it cost. Null: more than that. */
export function readBudgetWords([one, other, ...more]: readonly string[]): Result<Wanted> | null {
  if (more.length > 0) return null
  if (one === undefined) return accepted({ raiseMicros: null })
  if (other !== undefined) return readBooking(one, other)
  const [, dollars = ''] = /^\+?\$?(\d+(?:\.\d{1,2})?)$/.exec(one) ?? []
  const raiseMicros = microsOf(dollars)
  if (raiseMicros > mostMicros)
    return refused('usage', `${one} is too much.`, 'Write +5 for five dollars more; 999999.99 is the most.')
  if (raiseMicros === 0)
    return refused(
      'usage',
      dollars === '' ? `${one} is not an amount.` : `${one} asks for nothing.`,
      'Write +5 for five dollars more.',
    )
  return accepted({ raiseMicros })
}

/** Above it sums leave what can be counted exactly. */
const mostMicros = 999_999_990_000

/** As bills say it: calls cost parts of a cent. */
function readBooking(call: string, amount: string): Result<Wanted> {
  if (!/^[0-9a-f-]{8,36}$/i.test(call))
    return refused(
      'usage',
      `${call.slice(0, 40)} is no call.`,
      'Write its eight digits, as /budget and /calls show it.',
    )
  const [, dollars] = /^\$?(\d{1,6}(?:\.\d{1,6})?)$/.exec(amount) ?? []
  return dollars === undefined
    ? refused('usage', `${amount.slice(0, 40)} is not an amount.`, 'Write what the call cost in dollars: 0.12.')
    : accepted({ raiseMicros: null, booked: { call: call.toLowerCase(), micros: microsOf(dollars) } })
}

const microsOf = (dollars: string): number => Math.round(Number(dollars) * 1_000_000)
