import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { z } from 'zod'

export type CursorPlan = {
  /** What the agent is told to run, one after the other, in each turn. */
  readonly commands?: readonly string[]
  /** The last envelope of a turn says so, before anything else is said or after all of it. */
  readonly refuses?: { readonly code: string; readonly when: 'first' | 'last' }
  /** Breaks the stream off where the last envelope would come. */
  readonly breaks?: boolean
  /** Sessions are good for so many calls. */
  readonly lasts?: number
  /** So many are given, and then nobody can say who is there. */
  readonly sessions?: number
  readonly key?: string
}

type Call = { readonly path: string; readonly headers: IncomingHttpHeaders; readonly text: string }

const appended = z.object({ prompt: z.string().optional(), output: z.string().optional() })

/** Cursor's servers, as far as an agent needs them: they know one key, trade it for sessions, and lead one turn at a time. */
export async function openCursor(plan: CursorPlan = {}) {
  const { key = 'crsr_the-real-key', commands = [], lasts = Number.POSITIVE_INFINITY } = plan
  const calls: Call[] = []
  const sessions = new Map<string, number>()
  let stream: ServerResponse | null = null
  let told = 0
  const begun = Promise.withResolvers<void>()

  const exchange = (headers: IncomingHttpHeaders, response: ServerResponse): void => {
    if (headers.authorization !== `Bearer ${key}`) return answer(response, 401, { code: 'unauthenticated' })
    if (sessions.size >= (plan.sessions ?? Number.POSITIVE_INFINITY)) return answer(response, 503, {})
    const session = `session-${sessions.size + 1}`
    sessions.set(session, 0)
    answer(response, 200, { accessToken: session, refreshToken: session })
  }
  const begin = (response: ServerResponse): void => {
    response.writeHead(200, { 'content-type': 'application/connect+proto' })
    if (plan.refuses?.when === 'first') return void response.end(envelope({ error: { ...plan.refuses } }, 2))
    stream = response
    told = 0
    response.flushHeaders()
    begun.resolve()
  }
  const goOn = (): void => {
    const command = commands[told++]
    if (command !== undefined) return void stream?.write(envelope({ run: command }))
    stream?.write(envelope({ text: 'All done.' }))
    if (plan.breaks) setTimeout(() => stream?.destroy(), 20)
    else stream?.end(envelope(plan.refuses ? { error: { ...plan.refuses } } : {}, 2))
  }
  const append = async (text: string, response: ServerResponse): Promise<void> => {
    appended.parse(JSON.parse(text))
    // The stream may come a little after what is said in it.
    await Promise.race([begun.promise, delay(1_000)])
    response.writeHead(200, { 'content-type': 'application/proto' }).end()
    goOn()
  }

  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { url: path = '', headers } = request
      const text = Buffer.concat(chunks).toString()
      calls.push({ path, headers, text })
      if (path === '/auth/exchange_user_api_key') return exchange(headers, response)
      const session = headers.authorization?.slice('Bearer '.length) ?? ''
      const used = sessions.get(session) ?? Number.POSITIVE_INFINITY
      if (used >= lasts) return answer(response, 401, { code: 'unauthenticated' })
      sessions.set(session, used + 1)
      if (path.endsWith('/RunSSE')) return begin(response)
      if (path.endsWith('/BidiAppend')) return void append(text, response).catch(() => response.destroy())
      response.writeHead(200, { 'content-type': 'application/proto' }).end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, key, calls }
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

export function envelope(message: object, flags = 0): Buffer {
  const bytes = Buffer.from(JSON.stringify(message))
  const head = Buffer.alloc(5)
  head.writeUInt8(flags, 0)
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}
