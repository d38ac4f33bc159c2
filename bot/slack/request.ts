import type { ReceiverEvent } from '@slack/bolt'
import { z } from 'zod'
import type { Log } from './logger.ts'
import { type Headers, isFromSlack } from './signature.ts'

/** Which of the three addresses of the app's manifest was called. */
export type RequestKind = 'commands' | 'interactions' | 'events'

export type HttpAnswer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export type Gate = {
  readonly secret: string
  readonly log: Log
  /** Resolves when all is done; what is acknowledged before that is answered at once. */
  readonly feed: (event: ReceiverEvent) => Promise<void>
}

/** More than Slack ever sends. */
const mostBytes = 1_000_000

/** Answers one call of Slack's over HTTP. Nothing is parsed before its signature holds. */
export async function answerRequest(
  { secret, log, feed }: Gate,
  kind: RequestKind,
  { headers, rawBody }: { readonly headers: Headers; readonly rawBody: Uint8Array },
): Promise<HttpAnswer> {
  if (rawBody.length > mostBytes) return say(413, 'too large')
  if (!isFromSlack(secret, headers, rawBody, Date.now())) return say(401, 'not signed by Slack')
  const body = parse(kind, Buffer.from(rawBody).toString('utf8'))
  if (body === null) return say(400, 'not understood')
  if (kind === 'events' && body['type'] === 'url_verification') return say(200, String(body['challenge']).slice(0, 500))
  if (kind === 'commands' && body['ssl_check'] === '1') return say(200, '')
  return new Promise((resolve) => {
    const ack = (answer?: unknown): Promise<void> => {
      resolve(acknowledge(answer))
      return Promise.resolve()
    }
    // What nobody listens for is acknowledged too, or Slack would show a failure for it.
    void feed({ body, ack, ...retryOf(headers) }).then(
      () => resolve(say(200, '')),
      (error: unknown) => {
        log('error', 'a request of Slack failed', { error: error instanceof Error ? error.message : 'unknown' })
        resolve(say(500, 'failed'))
      },
    )
  })
}

const Payload = z.record(z.string(), z.unknown())

function parse(kind: RequestKind, text: string): Record<string, unknown> | null {
  try {
    if (kind === 'commands') return Object.fromEntries(new URLSearchParams(text))
    const json = kind === 'interactions' ? new URLSearchParams(text).get('payload') : text
    return Payload.parse(JSON.parse(json ?? ''))
  } catch {
    return null
  }
}

/** Slack's retries carry the same event id, by which the reception knows them. */
function retryOf(headers: Headers): { retryNum?: number } {
  const number = Number(headers['x-slack-retry-num'])
  return Number.isInteger(number) ? { retryNum: number } : {}
}

const say = (status: number, body: string): HttpAnswer => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body,
})

const acknowledge = (answer: unknown): HttpAnswer =>
  answer === undefined
    ? say(200, '')
    : { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(answer) }
