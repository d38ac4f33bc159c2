import type { AnchorStore } from '../core/keys.ts'
import type { SentDeliveries } from '../core/ports.ts'
import type { Database } from '../core/store/database.ts'
import type { People } from '../core/store/people.ts'
import type { Rhythm } from '../core/store/tick.ts'

/** What a schedule works with. */
export type Hands = {
  readonly db: Database
  /** Acts as the login, who owns the tables where one login does everything. */
  readonly owner: Database
  /** Acts as whoever may remove runs; null: this login may not. */
  readonly purger: Database | null
  /** Days that a finished run is kept at most, whatever its project asks for. */
  readonly retentionDays: number
  /** Null: no network tells us of anything that it could be asked for. */
  readonly webhooks: IncomingWebhooks | null
  readonly people: People
  readonly anchors: AnchorStore
  readonly log: Log
  /** Names of all schedules there are. */
  readonly names: readonly string[]
  /** Ends with the tick's bound, and when the process stops: whoever loops looks at it between two transactions. */
  readonly signal: AbortSignal
}

/** What GitHub has sent us, and whose keys mark what of it is known. */
export type IncomingWebhooks = { readonly deliveries: SentDeliveries; readonly people: People }

/** One line to the operator, never a person's text. */
export type Log = (level: 'info' | 'warn' | 'error', message: string, fields: Readonly<Record<string, unknown>>) => void

/** Work that is due every so often. A tick may die anywhere: the next one goes on from what the database says. */
export type Schedule = Rhythm & {
  readonly says: string
  /** Does what is due and answers with figures of it. */
  work(hands: Hands): Promise<Readonly<Record<string, unknown>>>
}
