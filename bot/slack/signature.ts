import { createHmac, timingSafeEqual } from 'node:crypto'
import { assert } from '../../core/model/problem.ts'

/** Headers as a server has them, in any case; a list where one was sent more than once. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** Seconds that a request's time may differ from ours, either way. */
const window = 300

/**
 * Whether Slack signed exactly these bytes within five minutes of now, before or after (Bolt itself accepts any time to
 * come). Nothing is parsed. A header that is missing, repeated or not in Slack's form is a no.
 * https://docs.slack.dev/authentication/verifying-requests-from-slack
 */
export function isFromSlack(secret: string, headers: Headers, body: Uint8Array, nowMs: number): boolean {
  assert(secret !== '', 'an empty signing secret signs for anybody')
  const time = only(headers, 'x-slack-request-timestamp')
  const signature = only(headers, 'x-slack-signature')
  if (time === null || !/^[1-9]\d{0,11}$/.test(time)) return false
  if (signature === null || !/^v0=[0-9a-f]{64}$/.test(signature)) return false
  if (Math.abs(Math.floor(nowMs / 1000) - Number(time)) > window) return false
  const expected = createHmac('sha256', secret).update(`v0:${time}:`).update(body).digest()
  const given = Buffer.from(signature.slice(3), 'hex')
  return given.length === expected.length && timingSafeEqual(given, expected)
}

function only(headers: Headers, name: string): string | null {
  const found = Object.entries(headers)
    .filter(([key, value]) => key.toLowerCase() === name && value !== undefined)
    .flatMap(([, value]) => value)
  const [value] = found
  return found.length === 1 && typeof value === 'string' ? value : null
}
