import type { ServerResponse } from 'node:http'
import type { Exchange } from './line.ts'
import { Fault } from '../../core/model/problem.ts'

type Passing = { readonly abort: () => void; readonly idleMs: number; readonly onBytes?: (bytes: Uint8Array) => void }

/** What of an answer's headers an agent needs to read it. */
const kept = ['content-type', 'connect-content-encoding', 'retry-after', 'request-id', 'x-request-id']

/** Gives a provider's answer on as it comes; calls `abort` when nothing has come for `idleMs`. */
export async function passOn(
  answer: Response,
  response: ServerResponse,
  { abort, idleMs, onBytes }: Passing,
): Promise<void> {
  const headers = kept.flatMap((name) => (answer.headers.has(name) ? [[name, answer.headers.get(name) ?? '']] : []))
  response.writeHead(answer.status, Object.fromEntries(headers) as Record<string, string>)
  if (answer.body === null) return void response.end()
  let idle = setTimeout(abort, idleMs)
  try {
    for await (const bytes of answer.body as AsyncIterable<Uint8Array>) {
      clearTimeout(idle)
      idle = setTimeout(abort, idleMs)
      onBytes?.(bytes)
      if (!response.write(bytes)) await roomIn(response)
    }
    response.end()
  } finally {
    clearTimeout(idle)
  }
}

/** Until more may be written, or nobody is there any more: whoever has gone before now says so no second time. */
const roomIn = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    if (response.closed) resolve()
    else response.once('drain', done).once('close', done)
  })

/** Calls `then` when whoever asked has hung up, were it before now. Answers with what takes that back. */
export function onceGone(response: ServerResponse, then: () => void): () => void {
  if (response.closed) then()
  response.once('close', then)
  return () => void response.off('close', then)
}

/**
 * Null: it is longer than `maxBytes`. It is read to its end all the same, so that whoever sends it hears the answer. Throws a
 * RATE_LIMIT where the calls under way leave no room for it.
 */
export async function readBytes({ request, hold }: Exchange, maxBytes: number): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) continue
    if (!hold(chunk.length)) throw noRoom()
    chunks.push(chunk)
  }
  return size > maxBytes ? null : Buffer.concat(chunks)
}

const noRoom = (): Fault =>
  new Fault({
    code: 'RATE_LIMIT',
    message: 'The calls under way hold too much at once: ask again when one has ended.',
    retryable: true,
    retryAfterMs: 1_000,
  })
