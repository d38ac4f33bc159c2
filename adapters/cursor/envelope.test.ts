import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { envelopes } from './envelope.ts'

function envelope(flags: number, bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(flags, 0)
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

const said = envelope(0, Buffer.from([10, 3, 1, 2, 3]))
const refusal = Buffer.from('{"error":{"code":"resource_exhausted","message":"No more."}}')

test.each([
  ['well', [said, said, envelope(2, Buffer.from('{}'))], { messages: 2, isWhole: true, error: null }],
  ['badly', [said, envelope(2, refusal)], { messages: 1, isWhole: true, error: 'resource_exhausted' }],
  ['badly, compressed', [envelope(3, gzipSync(refusal))], { messages: 0, isWhole: true, error: 'resource_exhausted' }],
  ['without a word', [envelope(2, Buffer.alloc(0))], { messages: 0, isWhole: true, error: null }],
  [
    'in the middle of the last',
    [said, envelope(2, refusal).subarray(0, -9)],
    { messages: 1, isWhole: false, error: null },
  ],
  ['in what is no JSON', [envelope(2, Buffer.from('<html>'))], { messages: 0, isWhole: true, error: null }],
  ['in what is no gzip', [envelope(3, refusal)], { messages: 0, isWhole: true, error: null }],
  ['never', [], { messages: 0, isWhole: false, error: null }],
])('a stream that ends %s is read alike, however it is cut', (_, parts, ended) => {
  const bytes = Buffer.concat(parts)
  for (const size of [1, 2, 3, 5, 7, 64, 4_096]) {
    const ears = envelopes()
    for (let at = 0; at < bytes.length; at += size) ears.push(bytes.subarray(at, at + size))
    expect(ears.end(), `in pieces of ${size}`).toEqual(ended)
  }
})

test('what claims to be four gigabytes is not kept', () => {
  const ears = envelopes()
  const head = Buffer.alloc(5)
  head.writeUInt8(2, 0)
  head.writeUInt32BE(0xffffffff, 1)
  ears.push(head)
  const before = process.memoryUsage().arrayBuffers
  for (let n = 0; n < 200; n++) ears.push(new Uint8Array(1_000_000))
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100_000_000)
  expect(ears.end()).toEqual({ messages: 0, isWhole: false, error: null })
})
