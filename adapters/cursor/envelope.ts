import { gunzipSync } from 'node:zlib'

/** What a stream of the Connect protocol came to. */
export type Ended = {
  /** Envelopes with something in them, besides the last. */
  readonly messages: number
  /** The last envelope came, so the server has said all it had to say. */
  readonly isWhole: boolean
  /** By the protocol's own name: `resource_exhausted`; null: it ended well, or nobody knows. */
  readonly error: string | null
}

const [isCompressed, isLast] = [1, 2]

/** More than this is no last envelope. */
const maxLast = 65_536

/**
 * Reads along in a stream of Connect envelopes: one byte of flags, four of length, and as many bytes. What is in them is the
 * vendor's affair but for the last one, which is JSON and says whether all went well.
 */
export function envelopes() {
  let head = Buffer.alloc(0)
  let [left, messages, isWhole] = [0, 0, false]
  let last: Buffer[] | null = null
  let flags = 0
  const begin = (bytes: Buffer): Buffer => {
    const whole = Buffer.concat([head, bytes])
    head = whole.subarray(0, 5)
    if (head.length < 5) return Buffer.alloc(0)
    flags = head.readUInt8(0)
    left = head.readUInt32BE(1)
    head = Buffer.alloc(0)
    last = (flags & isLast) === 0 ? null : []
    if (last) isWhole = left === 0
    else messages++
    return whole.subarray(5)
  }
  return {
    push: (chunk: Uint8Array): void => {
      let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      while (bytes.length > 0) {
        if (left === 0) bytes = begin(bytes)
        const part = bytes.subarray(0, left)
        left -= part.length
        bytes = bytes.subarray(part.length)
        if (last && part.length + last.reduce((sum, { length }) => sum + length, 0) <= maxLast) last.push(part)
        if (last && left === 0) isWhole = true
      }
    },
    end: (): Ended => ({ messages, isWhole, error: isWhole && last ? errorIn(Buffer.concat(last), flags) : null }),
  }
}

function errorIn(bytes: Buffer, flags: number): string | null {
  try {
    const plain = (flags & isCompressed) === 0 ? bytes : gunzipSync(bytes, { maxOutputLength: maxLast })
    const { error } = JSON.parse(plain.toString('utf8')) as { error?: { code?: unknown } }
    return typeof error?.code === 'string' ? error.code : null
  } catch {
    return null
  }
}
