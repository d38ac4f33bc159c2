import { z } from 'zod'

/** Single values of quantapilot.yml. Messages complete the sentence "<key> …". */

/** A whole number. The most is far more than anybody needs, and what the database and Node's timers hold. */
const whole = (least: number, most: number) => {
  const message = `must be a whole number from ${least} to ${most.toLocaleString('en-US')}`
  return z.int(message).min(least, message).max(most, message)
}

export const tokens = (least: number) => whole(least, 1_000_000_000_000)

export const retries = whole(0, 100)

/** How long one try of a step may take: a timer of Node's holds 24 days, and fires at once for more. */
export const stepSeconds = whole(1, 7 * 86_400)

export const runSeconds = whole(0, 365 * 86_400)

export const days = whole(0, 36_500)

const dollarsMessage = 'must be a number from 0 to 1,000,000'

export const dollars = z.number(dollarsMessage).min(0, dollarsMessage).max(1_000_000, dollarsMessage)

export const yesNo = z.boolean('must be true or false')

/** A list of at most 100 entries. */
export const listed = <T extends z.ZodType>(entry: T, of: string) =>
  z.array(entry, `must be a list of ${of}`).max(100, 'must have 100 entries at most')

const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }
const mostMs = 365 * 86_400_000

const durationMs = (text: string): number => Number(text.slice(0, -1)) * (unitMs[text.slice(-1)] ?? Number.NaN)

const durationMessage = 'must be a duration such as 90m, 24h or 7d, a year at most'

/** `90m`, `24h`, `7d`, at most a year; milliseconds in the result. */
export const duration = z
  .string(durationMessage)
  .regex(/^[1-9][0-9]{0,5}[mhd]$/, durationMessage)
  .refine((text) => durationMs(text) <= mostMs, durationMessage)
  .transform(durationMs)

const gateMessage = 'must be a name such as anchor or first-merge: small letters, digits and hyphens'

export const gateName = z.string(gateMessage).regex(/^[a-z][a-z0-9-]{0,39}$/, gateMessage)

/** `.git` by any name that a file system may take for it: other case, trailing dots, streams, the short name of Windows. */
const gitFolder = /^(?:\.git[ .]*(?::.*)?|git~[0-9]+)$/i

/** A glob inside the repository: relative, without `..`, and without anything under `.git`. */
export const path = z
  .string('must be a path such as src/**')
  .min(1, 'must be a path such as src/**')
  .max(200, 'must be a path of 200 characters at most')
  .regex(/^[^\p{Cc}]*$/u, 'must be a path without control characters')
  .regex(/^[^\\]*$/, 'must be a path with /, not with \\')
  .regex(/^[^{}]*$/, 'must be a path whose only wildcards are *, ** and ?')
  .regex(/^(?![/~!]|[A-Za-z]:)/, 'must be a path from the root of the repository, such as src/**')
  .refine((text) => !text.split('/').includes('..'), 'must be a path without ..')
  .refine((text) => !text.split('/').some((part) => gitFolder.test(part)), 'must be a path that does not enter .git')

/** An IANA name; which there are is the runtime's to say. */
export const zone = z
  .string('must be a time zone such as Europe/Berlin')
  .max(60, 'must be a time zone such as Europe/Berlin')
  .refine((name) => {
    try {
      return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
    } catch {
      return false
    }
  }, 'must be a time zone such as Europe/Berlin')
