/** What the first bytes of a connection say: wait for more of them, whom TLS is asked for, or that it is nothing we carry. */
export type Greeting =
  | { readonly kind: 'more' }
  | { readonly kind: 'tls'; readonly name: string | null }
  | { readonly kind: 'other' }

const more: Greeting = { kind: 'more' }
const other: Greeting = { kind: 'other' }

/** A record of TLS, RFC 8446: type and version, a length, and no more bytes than 2^14 behind it. */
const recordHead = 5
const mostRecordBytes = 16_384

/**
 * The name in a TLS greeting (RFC 8446, 4.1.2; RFC 6066, 3). A greeting in pieces, with two names, or with a second, hidden
 * greeting inside (encrypted client hello) is none: a host that serves many names must not be asked for another one.
 */
export function readGreeting(bytes: Buffer): Greeting {
  if (bytes.length > 0 && bytes[0] !== 0x16) return other
  if (bytes.length < recordHead) return more
  const length = bytes.readUInt16BE(3)
  if (bytes[1] !== 3 || length > mostRecordBytes) return other
  if (bytes.length < recordHead + length) return more
  try {
    return greetingIn(new Reader(bytes.subarray(recordHead, recordHead + length)))
  } catch (error) {
    if (error instanceof RangeError) return other
    throw error
  }
}

const clientHello = 1
const serverName = 0
const encryptedHello = 0xfe0d

function greetingIn(record: Reader): Greeting {
  if (record.number(1) !== clientHello) return other
  const hello = new Reader(record.block(3))
  // Version and random, then the session's id, ciphers and compressions.
  hello.skip(2 + 32)
  for (const width of [1, 2, 1]) hello.block(width)
  const extensions = new Reader(hello.isAtEnd() ? Buffer.alloc(0) : hello.block(2))
  const names: string[] = []
  while (!extensions.isAtEnd()) {
    const type = extensions.number(2)
    const content = extensions.block(2)
    if (type === encryptedHello) return other
    if (type === serverName) names.push(...namesIn(content))
  }
  return names.length > 1 ? other : { kind: 'tls', name: names[0] ?? null }
}

function namesIn(content: Buffer): readonly string[] {
  const list = new Reader(new Reader(content).block(2))
  const names: string[] = []
  while (!list.isAtEnd()) {
    const type = list.number(1)
    names.push(`${type === 0 ? '' : `${type}:`}${list.block(2).toString('latin1')}`)
  }
  return names
}

/** Reads numbers, and blocks that begin with their length. Throws RangeError behind the end. */
class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  number(width: number): number {
    this.#at += width
    return this.#bytes.readUIntBE(this.#at - width, width)
  }

  block(width: number): Buffer {
    const length = this.number(width)
    this.skip(length)
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  skip(length: number): void {
    this.#at += length
    if (this.#at > this.#bytes.length) throw new RangeError('behind the end')
  }

  isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }
}
