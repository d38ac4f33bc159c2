import { inflateSync } from 'node:zlib'

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~'

/** By the code of a character, its value. */
const digits = Uint8Array.from({ length: 128 }, (_, code) => alphabet.indexOf(String.fromCharCode(code)))

/** No file of a change is larger, with room for what a delta adds. */
const mostBytes = 10_000_000

/**
 * What a binary file gets, from the lines behind `GIT binary patch`: a head, `literal` or `delta` with a size, and deflated
 * bytes in base 85. Of a delta only what it brings, with a line end where it takes over bytes of the file before.
 */
export function addedBytes([head = '', ...lines]: readonly string[]): Buffer {
  const bytes = inflateSync(Buffer.concat(lines.map(fromBase85)), { maxOutputLength: mostBytes })
  return head.startsWith('delta ') ? insertedBy(bytes) : bytes
}

/** A letter for the number of bytes, and five characters for each four of them. */
function fromBase85(line: string): Buffer {
  const first = line.charCodeAt(0)
  const length = first >= smallA ? first - smallA + 27 : first - largeA + 1
  const bytes = Buffer.alloc(Math.ceil((line.length - 1) / 5) * 4)
  for (let at = 1; at < line.length; at += 5) {
    let value = 0
    for (let place = at; place < at + 5; place++) value = value * 85 + (digits[line.charCodeAt(place)] ?? 0)
    bytes.writeUInt32BE(value, ((at - 1) / 5) * 4)
  }
  return bytes.subarray(0, length)
}

const smallA = 0x61
const largeA = 0x41

/** Reads two sizes, and then orders: with the highest bit set, take over from the file before; else so many bytes follow. */
function insertedBy(delta: Buffer): Buffer {
  let at = 0
  for (let sizes = 0; sizes < 2; sizes++) while ((delta[at++] ?? 0) & 0x80);
  const parts: Buffer[] = []
  while (at < delta.length) {
    const order = delta[at++] ?? 0
    if (order & 0x80) {
      for (let bit = 0; bit < 7; bit++) at += (order >> bit) & 1
      parts.push(lineEnd)
    } else {
      parts.push(delta.subarray(at, at + order))
      at += order
    }
  }
  return Buffer.concat(parts)
}

const lineEnd = Buffer.from('\n')
