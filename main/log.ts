import type { Config } from '../config.ts'
import type { EngineLog } from '../core/engine/settings.ts'
import { redactOf } from './redact.ts'

/** A busy server writes a line for each request, and none of them comes again. */
const mostRemembered = 10_000

/**
 * What the engine says of itself goes to stderr, one JSON line each, from warnings up unless asked for more. The same
 * line comes once a minute at most: an outage that is looked at every second must not fill the disk with its news.
 */
export function logTo({ logLevel, secretValues }: Pick<Config, 'logLevel' | 'secretValues'>): EngineLog {
  const levels = ['info', 'warn', 'error'] as const
  const said = new Map<string, number>()
  const redact = redactOf({ secretValues })
  return (level, message, fields) => {
    if (levels.indexOf(level) < levels.indexOf(logLevel)) return
    const line = redact(
      JSON.stringify({ level, message, ...fields }, (_, value: unknown) =>
        value instanceof Error ? value.message : value,
      ),
    )
    const now = performance.now()
    for (const [old, at] of said) {
      // They stand in the order of their time.
      if (now - at <= 60_000 && said.size < mostRemembered) break
      said.delete(old)
    }
    if (said.has(line)) return
    said.set(line, now)
    process.stderr.write(`${line}\n`)
  }
}
