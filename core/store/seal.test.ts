import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Fault } from '../model/problem.ts'
import type { KeyStore } from '../keys.ts'
import { Seal } from './seal.ts'

const ann = '00000000-0000-7000-8000-00000000000a'
const bob = '00000000-0000-7000-8000-00000000000b'

/** Keys in memory; `forgotten` are destroyed. */
function keysInMemory(forgotten: ReadonlySet<string> = new Set()): KeyStore {
  const keys = new Map<string, Uint8Array>()
  const keyOf = (name: string): Uint8Array => {
    const key = keys.get(name) ?? randomBytes(32)
    keys.set(name, key)
    return key
  }
  return {
    get: (subject) => Promise.resolve(forgotten.has(subject) ? null : keyOf(subject)),
    make: (subject) => Promise.resolve(keyOf(subject)),
    destroy: () => Promise.resolve(),
    destroyed: () => Promise.resolve([...forgotten]),
    lookup: () => Promise.resolve(keyOf('lookup')),
  }
}

/** The bytes with the one at `place` changed. */
function changedAt(bytes: Buffer, place: number): Buffer {
  const changed = Buffer.from(bytes)
  changed.writeUInt8(changed.readUInt8(place) ^ 1, place)
  return changed
}

describe('a sealed text', () => {
  test.each(['', 'Ann', 'Ångström 🦆', 'x'.repeat(10_000)])('opens as it was: %.20s', async (text) => {
    const seal = new Seal(keysInMemory())
    expect(await seal.open(ann, 'label', await seal.seal(ann, 'label', text))).toBe(text)
  })

  test('is never the same twice and does not hold the text', async () => {
    const seal = new Seal(keysInMemory())
    const [first, second] = [await seal.seal(ann, 'label', 'Ann Otter'), await seal.seal(ann, 'label', 'Ann Otter')]
    expect(first.equals(second)).toBe(false)
    expect(first.includes('Otter')).toBe(false)
  })

  test.each([
    ['of another person', bob, 'label', (bytes: Buffer) => bytes],
    ['put in the place of another text', ann, 'remark', (bytes: Buffer) => bytes],
    ['of another version', ann, 'label', (bytes: Buffer) => changedAt(bytes, 0)],
    ['with another nonce', ann, 'label', (bytes: Buffer) => changedAt(bytes, 1)],
    ['with another tag', ann, 'label', (bytes: Buffer) => changedAt(bytes, 13)],
    ['with another text', ann, 'label', (bytes: Buffer) => changedAt(bytes, 29)],
    ['cut off', ann, 'label', (bytes: Buffer) => bytes.subarray(0, -1)],
    ['cut to nothing', ann, 'label', () => Buffer.alloc(0)],
  ] as const)(
    '%s does not open, and says that the keys or the bytes are wrong',
    async (_, subject, purpose, change) => {
      const seal = new Seal(keysInMemory())
      const sealed = await seal.seal(ann, 'label', 'Ann')
      const opening = seal.open(subject, purpose, change(sealed))
      await expect(opening).rejects.toThrow(Fault)
      await expect(opening).rejects.toThrow('sealed with another key or was changed since')
    },
  )

  test('is nothing any more once its key was destroyed', async () => {
    const forgotten = new Set<string>()
    const seal = new Seal(keysInMemory(forgotten))
    const sealed = await seal.seal(ann, 'label', 'Ann')
    forgotten.add(ann)
    expect(await seal.open(ann, 'label', sealed)).toBeNull()
  })

  test('is found by equal text, equal purpose and equal key only', async () => {
    const seal = new Seal(keysInMemory())
    const lookup = await seal.lookup('account', 'ann')
    expect(await seal.lookup('account', 'ann')).toEqual(lookup)
    expect(await seal.lookup('account', 'bob')).not.toEqual(lookup)
    expect(await seal.lookup('label', 'ann')).not.toEqual(lookup)
    expect(await new Seal(keysInMemory()).lookup('account', 'ann')).not.toEqual(lookup)
  })
})
