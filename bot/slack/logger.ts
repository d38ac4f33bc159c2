import { LogLevel, type Logger } from '@slack/bolt'

/** What a surface tells its operator: one line, never a person's text. */
export type Log = (level: 'info' | 'warn' | 'error', message: string, fields: Readonly<Record<string, unknown>>) => void

export type QuietLogger = Logger

/** Bolt's voice in our log: warnings and errors only, cut short, with every secret blotted out. */
export function quietLogger(log: Log, secrets: readonly (string | null)[]): QuietLogger {
  const known = secrets.filter((secret) => secret !== null)
  const blot = (words: readonly unknown[]): string =>
    known
      .reduce((text, secret) => text.replaceAll(secret, '[secret]'), words.map(String).join(' '))
      .replaceAll(/xox[a-z][.-][\w.-]+/g, '[secret]')
      .replaceAll(/wss?:\/\/\S+/g, '[socket]')
      .slice(0, 300)
  const say = (level: 'warn' | 'error', words: readonly unknown[]): void =>
    log(level, 'the Slack library says', { words: blot(words) })
  return {
    debug: () => undefined,
    info: () => undefined,
    warn: (...words: unknown[]) => say('warn', words),
    error: (...words: unknown[]) => say('error', words),
    setLevel: () => undefined,
    getLevel: () => LogLevel.WARN,
    setName: () => undefined,
  }
}
