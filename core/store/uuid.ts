import { randomUUID } from 'node:crypto'

/** A version 7 UUID: milliseconds of this machine's clock, then 74 random bits. Orders history; decides nothing. */
export function uuidv7(): string {
  const time = Date.now().toString(16).padStart(12, '0')
  // randomUUID draws from a cache of random bytes, which makes it far cheaper than asking for a few at a time.
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}
