import { mkdir, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { basename, join } from 'node:path'
import { counted } from '../../core/model/counted.ts'
import type { Amount } from '../../core/model/amount.ts'
import type { AuthorDesk } from '../../core/ports.ts'
import type { MeterLine } from '../../core/workshop.ts'
import { ownName, sweepLeftovers } from '../process/leftovers.ts'

export type LineOptions = {
  /** Where the socket goes, in a folder of its own; short, because the path of a socket may have 107 bytes. */
  readonly tmpDir: string
  /** Of the model, for whoever watches, and what is counted: `call`. */
  readonly name: string
  readonly unit: string
  readonly desk: AuthorDesk
}

/** What every call of a line sees and adds to. */
export type Book = {
  /** Ends the agent; its reason is a Fault. */
  readonly refusal: AbortController
  readonly limit: AbortController
  readonly closing: AbortSignal
  add(used: Amount): void
}

export type Exchange = {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Takes room for so many bytes more of this call until it ends; false where the line has none left. */
  readonly hold: (bytes: number) => boolean
}

/** Whether our side has ended a call, the agent or its step: that says nothing about the provider. */
export const isCalledOff = ({ closing }: Pick<Book, 'closing'>, { response }: Exchange): boolean =>
  closing.aborted || response.closed

/** What answers the calls of a line; what it throws is for `onError` to say. */
export type Service = {
  serve(book: Book, exchange: Exchange): Promise<void>
  onError(book: Book, exchange: Exchange, error: unknown): void
}

/** Takes away what killed processes have left of their meters. */
export const sweepMeters = (tmpDir: string): Promise<void> =>
  sweepLeftovers(tmpDir, (path) =>
    basename(path).startsWith('qp-meter.') ? rm(path, { recursive: true, force: true }) : Promise.resolve(),
  )

/**
 * What an agent may have at once: connections, calls under way over them, and bytes of their bodies, each of which is held several
 * times over until its answer is there. Agents at work have a handful; whoever has more would fill the memory of a worker that other
 * runs are on.
 */
const [mostConnections, mostCalls, mostBytes] = [256, 32, 32_000_000]

/** A socket of its own for one agent at work, which only we and our sandbox can reach. */
export async function openLine({ tmpDir, name, unit, desk }: LineOptions, service: Service): Promise<MeterLine> {
  const folder = join(tmpDir, await ownName('qp-meter'))
  await sweepMeters(tmpDir)
  await mkdir(folder, { mode: 0o700 })
  const socket = join(folder, 'model.sock')
  const [refusal, limit] = [new AbortController(), new AbortController()]
  const closing = new AbortController()
  let calls = 0
  let used: Amount = { micros: 0, tokens: 0 }
  const add = ({ micros, tokens }: Amount): void => {
    calls++
    used = { micros: used.micros + micros, tokens: used.tokens + tokens }
    desk.progress(`${counted(calls, unit)} of ${name}, ${counted(used.tokens, 'token')}`)
  }
  const book: Book = { refusal, limit, closing: AbortSignal.any([closing.signal, desk.signal]), add }
  const under = new Set<Promise<void>>()
  const room = openRoom(mostBytes)
  const server = createServer((request, response) => {
    if (under.size >= mostCalls) return void request.socket.destroy()
    const { hold, release } = room.enter()
    const exchange = { request, response, hold }
    const served = service.serve(book, exchange).catch((error: unknown) => service.onError(book, exchange, error))
    under.add(served)
    void served.finally(() => {
      release()
      under.delete(served)
    })
  })
  server.maxConnections = mostConnections
  // A method that makes a tunnel, or another protocol of the connection, is no call of a model.
  server.on('connect', (_, connection) => connection.destroy())
  server.on('upgrade', (_, connection) => connection.destroy())
  // Heard for as long as it serves: a connection that cannot be taken, for want of a descriptor say, ends no worker.
  await new Promise<void>((resolve, reject) => server.on('error', reject).listen({ path: socket }, resolve))
  return {
    socket,
    refused: refusal.signal,
    limited: limit.signal,
    total: () => ({ calls, used }),
    close: async () => {
      closing.abort()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await Promise.all(under)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Room that all share: each takes some and gives it back when it leaves. */
function openRoom(bytes: number) {
  let free = bytes
  return {
    enter: () => {
      let held = 0
      return {
        hold: (more: number): boolean => {
          if (more > free) return false
          free -= more
          held += more
          return true
        },
        release: (): void => {
          free += held
          held = 0
        },
      }
    },
  }
}
