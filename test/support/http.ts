import { createHmac, timingSafeEqual } from 'node:crypto'
import { onTestFinished } from 'vitest'
import type { Scope } from '../../core/commands/command.ts'
import type { Actor } from '../../core/model/actor.ts'
import type { GatePages } from '../../bot/http/house.ts'
import type { HttpServers } from '../../main/http.ts'
import { openHttp } from '../../main/http.ts'
import type { IncomingEvent, Receivers } from '../../main/intake.ts'
import type { TestHouse } from './house.ts'
import { agreed } from './house.ts'

/** The servers of a house, and a client for them. */
export type Served = HttpServers & {
  readonly logged: string[]
  /** The events that were handed on. */
  readonly handled: IncomingEvent[]
  makeKey(scopes: readonly Scope[], as?: Actor): Promise<{ readonly id: string; readonly secret: string }>
  call(path: string, options?: Call): Promise<Heard>
}

export type Call = {
  readonly method?: string
  readonly key?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export type Heard = {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Readonly<Record<string, unknown>>
}

export const webhookSecret = 'It is a secret to everybody'

/** The header that GitHub signs a body with. */
export const signed = (raw: string, secret = webhookSecret): string =>
  `sha256=${createHmac('sha256', secret).update(raw).digest('hex')}`

/** Opens both servers of a house on free ports; they close with the test. */
export async function serve(
  house: TestHouse,
  {
    runsPerHour = 1_000,
    fail = () => false,
    gatePages = null,
  }: { runsPerHour?: number; fail?: (event: IncomingEvent) => boolean; gatePages?: GatePages | null } = {},
): Promise<Served> {
  const handled: IncomingEvent[] = []
  const logged: string[] = []
  const github: Receivers['github'] = {
    verify: (headers, raw) => {
      const given = headers['x-hub-signature-256']
      const right = Buffer.from(signed(Buffer.from(raw).toString('utf8')))
      const shown = Buffer.from(typeof given === 'string' ? given : '')
      return shown.length === right.length && timingSafeEqual(shown, right)
    },
    handle: (event) => {
      if (fail(event)) return Promise.reject(new Error('it cannot be read'))
      handled.push(event)
      return Promise.resolve()
    },
  }
  const http = { host: '127.0.0.1', port: 0, opsHost: '127.0.0.1', opsPort: 0, runsPerHour }
  const servers = await openHttp(
    {
      desk: house.desk,
      denials: new Map([['slack', 3]]),
      log: (level, message, fields) => logged.push(JSON.stringify({ level, message, ...fields })),
      config: { http },
    },
    { github, telegram: null, slack: null },
    gatePages,
  )
  onTestFinished(() => servers.close())
  return {
    ...servers,
    handled,
    logged,
    makeKey: async (scopes, as = house.actor) => {
      const made = agreed(await house.ask({ kind: 'key', verb: 'add', name: 'test', scopes }, as))
      if (made.kind !== 'key_made') throw new Error(made.kind)
      return { id: made.id, secret: made.secret }
    },
    call: (path, options = {}) => call(`http://127.0.0.1:${servers.port}${path}`, options),
  }
}

/** One request; whatever comes back. A string goes as it is, all else as JSON. */
export async function call(url: string, { method, key, body, headers = {} }: Call = {}): Promise<Heard> {
  const isText = typeof body === 'string'
  const response = await fetch(url, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...headers,
    },
    signal: AbortSignal.timeout(15_000),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') ?? false
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: isJson ? (JSON.parse(text) as Record<string, unknown>) : {},
  }
}
