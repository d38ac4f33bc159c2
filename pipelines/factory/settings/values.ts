import { z } from 'zod'

/** Single values of quantapilot.yml. Messages complete the sentence "<key> …". */

/** A whole number that is `least` or more. */
export const wholeFrom = (least: number) => {
  const message = `must be a whole number, ${least} or more`
  return z.int(message).min(least, message)
}

/** Money, for example. */
export const amount = z.number('must be a number, 0 or more').min(0, 'must be a number, 0 or more')

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
