import { connect, isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Fault } from '../../core/model/problem.ts'
import { isPublicAddress, resolveHost } from '../network/host.ts'
import { readGreeting } from './client-hello.ts'
import { authorityOf, type PackageHost } from './environment.ts'

export type TunnelLimits = {
  /** For each of: the name, the connection, the greeting. */
  readonly connectMs: number
  /** Without a byte either way. */
  readonly idleMs: number
  /** At once. */
  readonly tunnels: number
  /** Of all tunnels together, both ways. */
  readonly bytes: number
}

/** What every connection of a line sees and adds to. */
export type Book = {
  /** By authority in lower case: `packages.example.com:443`. */
  readonly listed: ReadonlyMap<string, PackageHost>
  readonly limits: TunnelLimits
  readonly signal: AbortSignal
  /** Everything that ends with the line. */
  readonly open: Set<Duplex>
  readonly used: { tunnels: number; bytes: number }
  refused(sentence: string): void
}

/** A connection from inside that was allowed to reach a host, and what it has said so far. */
export type Request = { readonly target: PackageHost; readonly inside: Duplex; readonly head: Buffer }

/** Carries bytes between inside and a listed host until either ends. Never rejects. */
export async function openTunnel(book: Book, request: Request): Promise<void> {
  const { target, inside } = request
  const why = fullness(book)
  if (why !== null) return turnAway(book, inside, why)
  book.used.tunnels++
  inside.once('close', () => book.used.tunnels--)
  try {
    const outside = await reach(book, target)
    if (inside.destroyed) return void outside.destroy()
    inside.once('close', () => outside.destroy())
    outside.once('close', () => inside.destroy())
    inside.write('HTTP/1.1 200 Connection established\r\n\r\n')
    await greet(book, request, outside)
  } catch (error) {
    const says = error instanceof Fault ? error.message : `${target.host} could not be reached.`
    if (error instanceof Fault && error.code === 'VALIDATION_ERROR') return turnAway(book, inside, says)
    answer(inside, '502 Bad Gateway', says)
  }
}

/** Says no, in a sentence, and ends the connection. */
export function turnAway(book: Book, inside: Duplex, sentence: string): void {
  book.refused(sentence)
  answer(inside, '403 Forbidden', sentence)
}

function answer(inside: Duplex, status: string, sentence: string): void {
  const head = [`HTTP/1.1 ${status}`, 'content-type: text/plain', 'connection: close']
  inside.end(`${head.join('\r\n')}\r\ncontent-length: ${Buffer.byteLength(sentence)}\r\n\r\n${sentence}`)
}

function fullness({ used, limits }: Book): string | null {
  if (used.tunnels >= limits.tunnels)
    return `No more than ${limits.tunnels} connections to package hosts may be open at once.`
  return used.bytes < limits.bytes ? null : sayTooMuch(limits)
}

const sayTooMuch = ({ bytes }: TunnelLimits): string =>
  `More than ${bytes / 1_000_000} MB were asked of package hosts, which ends the connections to them.`

/** A connection to one of the addresses that were looked at: nobody asks the name server again. */
async function reach(book: Book, target: PackageHost): Promise<Socket> {
  let last: unknown = null
  for (const address of await addressesOf(book, target)) {
    try {
      return await dial(book, { host: address, port: target.port })
    } catch (error) {
      last = error
    }
  }
  throw last
}

async function addressesOf({ listed, limits, signal }: Book, { host, port }: PackageHost): Promise<readonly string[]> {
  const addresses = await resolveHost(host, { allowedHosts: [host], timeoutMs: limits.connectMs }, signal)
  const inside = addresses.find(
    (address) => !isPublicAddress(address) && !listed.has(authorityOf({ host: address, port })),
  )
  if (inside === undefined) return addresses
  const message = `${host} leads to ${inside}, which is not public: if it is yours, list ${authorityOf({ host: inside, port })} in QP_PACKAGE_HOSTS too.`
  throw new Fault({ code: 'VALIDATION_ERROR', message, retryable: false })
}

function dial({ open, limits, signal }: Book, { host, port }: PackageHost): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // An address, never a name.
    const outside = connect({ host, port, family: isIP(host), allowHalfOpen: true, signal })
    open.add(outside)
    outside.once('close', () => open.delete(outside))
    const late = setTimeout(() => outside.destroy(new Error('too slow')), limits.connectMs)
    const settle = (then: () => void) => () => {
      clearTimeout(late)
      then()
    }
    outside.once(
      'connect',
      settle(() => resolve(outside)),
    )
    outside.on('error', (error) => settle(() => reject(error))())
  })
}

/** Carries on only where the first words from inside ask for the very host that was allowed. */
async function greet(book: Book, { target, inside, head }: Request, outside: Socket): Promise<void> {
  const said = await firstWords(inside, head, book.limits.connectMs)
  const greeting = readGreeting(said)
  if (greeting.kind === 'tls' && isFor(target, greeting.name)) return carry(book, { said, inside, outside })
  // Whoever hung up before a word was refused nothing.
  if (inside.destroyed) return
  book.refused(`A connection to ${authorityOf(target)} was ended: it was no TLS for that host.`)
  inside.destroy()
}

/** TLS names no IP addresses (RFC 6066, 3), though some programs do. */
const isFor = ({ host }: PackageHost, name: string | null): boolean =>
  name === null ? isIP(host) !== 0 : name.toLowerCase() === host

/** What was said until it can be judged, or until nothing more came. */
function firstWords(inside: Duplex, head: Buffer, limitMs: number): Promise<Buffer> {
  return new Promise((resolve) => {
    let said = head
    const done = (): void => {
      clearTimeout(late)
      inside.off('data', hear).off('end', done).off('close', done).pause()
      resolve(said)
    }
    const hear = (bytes: Buffer): void => {
      said = Buffer.concat([said, bytes])
      if (readGreeting(said).kind !== 'more') done()
    }
    const late = setTimeout(done, limitMs)
    inside.on('data', hear).once('end', done).once('close', done)
    hear(Buffer.alloc(0))
  })
}

type Ends = { readonly said: Buffer; readonly inside: Duplex; readonly outside: Socket }

function carry(book: Book, { said, inside, outside }: Ends): void {
  const { used, limits } = book
  const count = (bytes: Buffer): void => {
    used.bytes += bytes.length
    if (used.bytes <= limits.bytes || outside.destroyed) return
    book.refused(sayTooMuch(limits))
    for (const each of book.open) each.destroy()
  }
  outside.setTimeout(limits.idleMs, () => outside.destroy())
  outside.write(said)
  inside.on('data', count).pipe(outside)
  outside.on('data', count).pipe(inside)
}
