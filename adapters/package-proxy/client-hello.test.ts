import { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readGreeting } from './client-hello.ts'

/** What Node itself says first. */
async function realGreeting(servername: string): Promise<Buffer> {
  return await new Promise((resolve) => {
    const socket = new Duplex({ read: () => undefined, write: (bytes: Buffer) => resolve(bytes) })
    connect({ socket, servername }).on('error', () => undefined)
  })
}

const block = (width: number, ...parts: readonly Buffer[]): Buffer => {
  const content = Buffer.concat(parts)
  const length = Buffer.alloc(width)
  length.writeUIntBE(content.length, 0, width)
  return Buffer.concat([length, content])
}
const number = (width: number, value: number): Buffer => {
  const bytes = Buffer.alloc(width)
  bytes.writeUIntBE(value, 0, width)
  return bytes
}
const extension = (type: number, content: Buffer): Buffer => Buffer.concat([number(2, type), block(2, content)])
const names = (...all: readonly string[]): Buffer =>
  extension(0, block(2, ...all.map((name) => Buffer.concat([number(1, 0), block(2, Buffer.from(name))]))))

const record = (handshake: Buffer): Buffer => Buffer.concat([Buffer.from([0x16, 3, 1]), block(2, handshake)])
const greeting = (...extensions: readonly Buffer[]): Buffer => {
  const version = Buffer.alloc(2 + 32)
  const body = [version, block(1), block(2, number(2, 0x1301)), block(1, number(1, 0)), block(2, ...extensions)]
  return record(Buffer.concat([number(1, 1), block(3, ...body)]))
}

test('whom TLS is asked for is read once it is all there', async () => {
  const bytes = await realGreeting('packages.example.com')
  expect(readGreeting(bytes)).toEqual({ kind: 'tls', name: 'packages.example.com' })
  for (let length = 0; length < bytes.length; length++)
    expect(readGreeting(bytes.subarray(0, length))).toEqual({ kind: 'more' })
  expect(readGreeting(await realGreeting(''))).toEqual({ kind: 'tls', name: null })
  expect(readGreeting(greeting(names('a.example.com')))).toEqual({ kind: 'tls', name: 'a.example.com' })
})

test.each([
  ['two names', greeting(names('a.example.com', 'b.example.com'))],
  ['a name twice over', greeting(names('a.example.com'), names('b.example.com'))],
  ['a hidden greeting inside', greeting(names('a.example.com'), extension(0xfe0d, Buffer.alloc(8)))],
  ['a greeting in pieces', record(greeting(names('a.example.com')).subarray(5, 40))],
  ['an extension longer than the rest', greeting(Buffer.from([0, 0, 0, 99, 1]))],
  ['a record that is no greeting', record(Buffer.from([2, 0, 0, 0]))],
  ['an empty record', record(Buffer.alloc(0))],
  ['a request of HTTP', Buffer.from('GET / HTTP/1.1\r\nhost: a.example.com\r\n\r\n')],
  ['another protocol', Buffer.from('SSH-2.0-x\r\n')],
  ['a record that is too long', Buffer.from([0x16, 3, 1, 0xff, 0xff])],
])('%s is nothing that is carried', (_, bytes) => {
  expect(readGreeting(bytes)).toEqual({ kind: 'other' })
})

test('whatever comes, it answers', () => {
  const start = fc.constantFrom(
    Buffer.alloc(0),
    Buffer.from([0x16, 3, 1, 0, 40]),
    Buffer.from([0x16, 3, 1, 0, 9, 1, 0, 0, 5]),
  )
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 200 }), (head, rest) => {
      expect(['more', 'tls', 'other']).toContain(readGreeting(Buffer.concat([head, rest])).kind)
    }),
    { numRuns: 2_000 },
  )
})
