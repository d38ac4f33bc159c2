import type { Config } from '../config.ts'
import type { EngineLog } from '../core/engine/settings.ts'
import { redactOf } from './redact.ts'

const quietMs = 60_000

/** A busy server writes a line for each request, and none of them comes again. */
const mostRemembered = 10_000

/**
 * What the engine says of itself goes to stderr, one JSON line each with its time, from warnings up unless asked for more.
 * The same line comes once a minute at most, and says how often it was kept back (`repeated`): an outage that is looked at
 * every second must not fill the disk with its news.
 */
export function logTo(
  { logLevel, secretValues }: Pick<Config, 'logLevel' | 'secretValues'>,
  now: () => Date = () => new Date(),
): EngineLog {
  const levels = ['info', 'warn', 'error'] as const
  // Oldest first.
  const said = new Map<string, { readonly at: number; repeated: number }>()
  const redact = redactOf({ secretValues })
  return (level, message, fields) => {
    if (levels.indexOf(level) < levels.indexOf(logLevel)) return
    const text = redact(
      JSON.stringify({ level, message, ...fields }, (_, value: unknown) =>
        value instanceof Error ? value.message : value,
      ),
    )
    const at = now()
    const before = said.get(text)
    // A clock that was put back keeps nothing back.
    if (before && at.getTime() >= before.at && at.getTime() - before.at < quietMs) {
      before.repeated++
      return
    }
    said.delete(text)
    said.set(text, { at: at.getTime(), repeated: 0 })
    const [oldest] = said.keys()
    if (said.size > mostRemembered && oldest !== undefined) said.delete(oldest)
    const repeated = before && before.repeated > 0 ? `,"repeated":${before.repeated}` : ''
    process.stderr.write(`{"at":"${at.toISOString()}",${text.slice(1, -1)}${repeated}}\n`)
  }
}
