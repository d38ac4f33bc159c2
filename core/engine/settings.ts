import type { Redact } from '../model/redact.ts'
import type { Backoff } from '../model/retry.ts'

/** The engine's times and bounds; the same code runs under production and test figures. */
export type EngineSettings = {
  readonly leaseMs: number
  readonly beatMs: number
  readonly reapMs: number
  readonly pollMs: number
  /** Runs one worker holds at once. */
  readonly concurrency: number
  /** Runs of one actor that run at once, over all workers; null for no cap. */
  readonly actorCap: number | null
  readonly backoff: Backoff
  /** Deaths of a process that ran nothing but this run before it is parked as dead_letter. */
  readonly deathsAloneAllowed: number
  /** How long a stopping worker waits for steps that finish rather than abort. */
  readonly graceMs: number
  readonly money: MoneySettings
  readonly texts: TextSettings
}

/** What is kept of questions to models and their answers, besides their digests. */
export type TextSettings = {
  readonly areKept: boolean
  /** Goes over each text before it is kept. */
  readonly redact: Redact
}

/** The most that may be spent above the runs; null caps nothing. Millionths of a dollar, and tokens. */
export type MoneySettings = {
  /** IANA; where the server's days begin. */
  readonly zone: string
  readonly projectDay: MoneyCap
  readonly actorDay: MoneyCap
  readonly instanceDay: MoneyCap
  readonly hour: MoneyCap
  readonly minute: MoneyCap
}

export type MoneyCap = { readonly capMicros: number | null; readonly capTokens: number | null }

/** What the engine tells its operator about itself; one line each, never a person's text. */
export type EngineLog = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields: Readonly<Record<string, unknown>>,
) => void
