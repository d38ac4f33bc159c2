import { onTestFinished } from 'vitest'
import { createSlack, type Slack } from '../../../bot/slack/slack.ts'
import type { HttpAnswer, RequestKind } from '../../../bot/slack/request.ts'
import { appToken, botToken, type FakeSlack, startFakeSlack } from './fake.ts'
import { type RecordedReception, recordReception } from './reception.ts'
import { signed, type Somebody } from './sign.ts'

export const signingSecret = 'canary-signing-secret-9f3'

/** Ada, a full member, in a channel the app is in. */
export const ada: Somebody = { user: 'U01', team: 'T01', channel: 'C01' }

export type SlackRoom = {
  readonly fake: FakeSlack
  readonly slack: Slack
  readonly reception: RecordedReception
  /** All that was logged, as text. */
  readonly log: string[]
  /** Posts a body as Slack does, signed; `headers` come on top. */
  readonly post: (kind: RequestKind, body: object, headers?: Record<string, string>) => Promise<HttpAnswer>
  /** Starts it; its end is awaited when the test ends. */
  readonly begin: () => Promise<void>
}

/** A workspace, the surface in it and a reception that remembers. Over HTTP unless a socket is asked for. */
export async function openSlackRoom(options: { socket?: boolean; patienceMs?: number } = {}): Promise<SlackRoom> {
  const fake = await startFakeSlack()
  const reception = recordReception()
  const log: string[] = []
  const slack = createSlack({
    botToken,
    rotation: null,
    store: null,
    appToken: options.socket ? appToken : null,
    signingSecret: options.socket ? null : signingSecret,
    channel: 'C01',
    apiRoot: fake.apiRoot,
    reception,
    log: (level, message, fields) => void log.push(`${level} ${message} ${JSON.stringify(fields)}`),
    patienceMs: options.patienceMs ?? 2_000,
  })
  return {
    fake,
    slack,
    reception,
    log,
    post: (kind, body, headers = {}) => {
      const raw = encode(kind, body)
      return slack.handleRequest(kind, { ...signed(signingSecret, raw), ...headers }, Buffer.from(raw))
    },
    begin: async () => {
      const opened = fake.sockets.opened()
      const ended = slack.start()
      onTestFinished(async () => {
        await slack.stop()
        await ended
      })
      if (options.socket) await fake.sockets.whenOpened(opened + 1)
    },
  }
}

/** A body in the form Slack gives it. */
export function encode(kind: RequestKind, body: object): string {
  if (kind === 'commands') return new URLSearchParams(body as Record<string, string>).toString()
  const json = JSON.stringify(body)
  return kind === 'interactions' ? new URLSearchParams({ payload: json }).toString() : json
}
