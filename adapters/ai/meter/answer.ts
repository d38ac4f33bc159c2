import type { Body, Dialect, Heard } from './dialect.ts'
import { nothingHeard } from './dialect.ts'

/** More than this of one line or one whole answer is not looked into. */
const maxHeld = 16_000_000

/** Listens to an answer as it passes, whole or in events, for what it says of its use. */
export function listener({ hear }: Dialect, isEvents: boolean) {
  const decoder = new TextDecoder()
  let heard: Heard = nothingHeard
  let held = ''
  const take = (text: string): void => {
    const body = parsed(text)
    if (body) heard = hear(body, heard)
  }
  const onLine = (line: string): void => {
    if (line.startsWith('data:')) take(line.slice(5))
  }
  return {
    push: (bytes: Uint8Array): void => {
      held += decoder.decode(bytes, { stream: true })
      if (isEvents) {
        const lines = held.split(/\r?\n/)
        held = lines.pop() ?? ''
        lines.forEach(onLine)
      }
      if (held.length > maxHeld) held = ''
    },
    end: (): Heard => {
      if (isEvents) onLine(held)
      else take(held)
      return heard
    },
  }
}

function parsed(text: string): Body | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Body) : null
  } catch {
    // `[DONE]`, or a line that was cut.
    return null
  }
}
