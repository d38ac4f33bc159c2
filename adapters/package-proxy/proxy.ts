import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { PackageHosts, PackageLine } from '../../core/workshop.ts'
import { authorityOf, type PackageHost } from './environment.ts'
import { type Book, openTunnel, type TunnelLimits, turnAway } from './tunnel.ts'

export type PackageProxyOptions = {
  readonly hosts: readonly PackageHost[]
  /** Where sockets go, in folders of their own; short, because the path of a socket may have 107 bytes. */
  readonly tmpDir: string
  /** Hears of each request that was turned away, in a sentence. */
  readonly onRefused: (sentence: string) => void
  readonly limits?: Partial<TunnelLimits>
}

/** Bytes: as much as an install may leave on the disk. Tunnels: npm opens fifteen to a host. */
const usualLimits: TunnelLimits = { connectMs: 10_000, idleMs: 60_000, tunnels: 64, bytes: 2_000_000_000 }

/** Connections that may be open at once, with those that have not yet said what they want. */
const mostConnections = 256

/** As many refusals are told of; a program may ask without end. */
const mostRefusals = 50

/** See `PackageHosts`. It holds no key and reads nothing of what passes but the name that TLS asks for. */
export function createPackageProxy(options: PackageProxyOptions): PackageHosts {
  return {
    open: async (signal) => {
      signal.throwIfAborted()
      // Closed to other accounts, as mkdtemp makes it.
      const folder = await mkdtemp(join(options.tmpDir, 'qp-packages-'))
      return await openLine(options, folder, signal).catch(async (error: unknown) => {
        await rm(folder, { recursive: true, force: true })
        throw error
      })
    },
  }
}

async function openLine(options: PackageProxyOptions, folder: string, signal: AbortSignal): Promise<PackageLine> {
  const socket = join(folder, 'packages.sock')
  const closing = new AbortController()
  const refusals: string[] = []
  const book: Book = {
    listed: new Map(options.hosts.map((each) => [authorityOf(each), each])),
    limits: { ...usualLimits, ...options.limits },
    signal: AbortSignal.any([closing.signal, signal]),
    open: new Set(),
    used: { tunnels: 0, bytes: 0 },
    refused: (sentence) => {
      if (refusals.push(sentence) > mostRefusals) refusals.pop()
      else options.onRefused(sentence)
    },
  }
  const server = await listen(book, socket)
  const close = async (): Promise<void> => {
    closing.abort()
    for (const each of book.open) each.destroy()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await rm(folder, { recursive: true, force: true })
  }
  const onAbort = (): void => void close()
  signal.addEventListener('abort', onAbort, { once: true })
  return {
    socket,
    refused: () => [...refusals],
    close: async () => {
      signal.removeEventListener('abort', onAbort)
      await close()
    },
  }
}

async function listen(book: Book, socket: string): Promise<Server> {
  const server = createServer((request, response) => {
    book.refused(sayRefused(request))
    response.writeHead(403, { 'content-type': 'text/plain', connection: 'close' })
    response.end(sayRefused(request))
  })
  server.maxConnections = mostConnections
  server.on('connection', (inside: Duplex) => hold(book, inside))
  server.on('connect', (request: IncomingMessage, inside: Duplex, head: Buffer) => {
    // Letter by letter but for their case: no other spelling of a host leads to it.
    const target = book.listed.get((request.url ?? '').toLowerCase())
    if (target === undefined) return turnAway(book, inside, sayRefused(request))
    void openTunnel(book, { target, inside, head })
  })
  server.on('upgrade', (request: IncomingMessage, inside: Duplex) => turnAway(book, inside, sayRefused(request)))
  server.on('clientError', (_, inside: Duplex) => inside.destroy())
  // Heard for as long as it serves: a connection that cannot be taken, for want of a descriptor say, ends no worker.
  await new Promise<void>((resolve, reject) => server.on('error', reject).listen({ path: socket }, resolve))
  return server
}

/** Ends with the line, whatever it has become by then. */
function hold({ open }: Book, inside: Duplex): void {
  open.add(inside)
  inside.once('close', () => open.delete(inside)).on('error', () => inside.destroy())
}

/** What was asked for is untrusted text. */
function sayRefused({ method = '', url = '' }: IncomingMessage): string {
  const asked = JSON.stringify(url.slice(0, 200))
  if (method !== 'CONNECT') return `${method} ${asked} was refused: only CONNECT to a listed host is served.`
  return `${asked} was refused: QP_PACKAGE_HOSTS does not list it.`
}
