import type { Exchange } from '../../metering/line.ts'
import { readBytes } from '../../metering/pass-on.ts'
import { nextTurn } from '../turns.ts'
import type { Body } from './dialect.ts'

export const mostBytes = 8_000_000

/**
 * Values that a body may hold. A conversation of a million tokens has some ten thousand; eight megabytes of empty objects are
 * millions, and reading them takes a worker longer than it has until its next heartbeat.
 */
export const mostValues = 100_000

/** A request as JSON, read in a turn of its own; null for what is none, or is more than a worker looks into. */
export async function readBody(exchange: Exchange): Promise<Body | null> {
  const bytes = await readBytes(exchange, mostBytes)
  if (bytes === null || valuesIn(bytes) > mostValues) return null
  await nextTurn()
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Body) : null
  } catch {
    return null
  }
}

/** How many values a text in JSON has, counted without making them, and no further than matters. */
function valuesIn(bytes: Uint8Array): number {
  let count = 1
  let isText = false
  for (let n = 0; n < bytes.length && count <= mostValues; n++) {
    const byte = bytes[n]
    if (byte === backslash) n++
    else if (byte === quote) isText = !isText
    else if (!isText && (byte === comma || byte === bracket || byte === brace)) count++
  }
  return count
}

const [backslash, quote, comma, bracket, brace] = [0x5c, 0x22, 0x2c, 0x5b, 0x7b]
