import { isConnectionLost } from '../store/database.ts'
import type { Database, Executor } from '../store/database.ts'
import { apply } from '../store/apply.ts'
import { findAttempt, readRun } from '../store/run.ts'
import type { StartDraft } from '../store/start.ts'
import { startRuns } from '../store/start.ts'
import type { Run } from '../model/run.ts'
import type { Transition } from '../model/transition.ts'
import { Lane } from './lane.ts'
import type { Lease } from './lease.ts'
import { pauseAfter } from './pause.ts'

/** A transition to commit, and the runs that it starts. */
export type Settlement = { readonly transition: Transition; readonly children: readonly StartDraft[] }

/** `written`: `run` is the row now. `changed`: somebody intervened, settle again from `run`. `lost`: throw the result away. */
export type Settled =
  | { readonly kind: 'written'; readonly run: Run }
  | { readonly kind: 'changed'; readonly run: Run }
  | { readonly kind: 'lost' }

/** Commits settlements of one worker in batches, and finds out what became of those that were not written. */
export class SettleLane {
  readonly #db: Database
  readonly #lease: Lease
  readonly #lane: Lane<Settlement, boolean>

  constructor(db: Database, lease: Lease) {
    this.#db = db
    this.#lease = lease
    this.#lane = new Lane((batch) => this.#flush(batch), 512)
  }

  /** Keeps trying while the lease holds: a database that is away costs time, never a result. */
  async settle(settlement: Settlement): Promise<Settled> {
    for (let tries = 0; this.#lease.holds; tries++) {
      try {
        if (await this.#lane.submit(settlement)) return { kind: 'written', run: asWritten(settlement.transition) }
        const found = await this.#lookUp(settlement.transition)
        if (found) return found
      } catch (error) {
        if (!isConnectionLost(error)) throw error
      }
      await pauseAfter(tries, this.#lease.lost)
    }
    return { kind: 'lost' }
  }

  idle(): Promise<void> {
    return this.#lane.idle()
  }

  async #flush(batch: readonly Settlement[]): Promise<readonly boolean[]> {
    const hand = { worker: this.#lease.worker }
    const transitions = batch.map((settlement) => settlement.transition)
    const written = batch.some((settlement) => settlement.children.length > 0)
      ? await this.#db.transaction((tx) => withChildren(tx, batch, this.#lease.worker))
      : await apply(this.#db, transitions, hand)
    return transitions.map((transition) => written.has(transition.was.id))
  }

  /** Null when the row is just as we left it: somebody held its lock, so it goes again. */
  async #lookUp({ was, attempt }: Transition): Promise<Settled | null> {
    const [row] = await this.#db.run(readRun, { run: was.id })
    if (!row || row.fence !== was.fence || row.state !== 'running') return this.#committed(row, was, attempt !== null)
    if (row.eventSeq === was.eventSeq && row.version === was.version && row.attempt === was.attempt) return null
    const key = { run: was.id, position: was.position, attempt: was.attempt, fence: was.fence }
    const [ours] = attempt ? await this.#db.run(findAttempt, key) : []
    return ours ? { kind: 'written', run: row } : { kind: 'changed', run: row }
  }

  /** The answer to our commit may have been lost although it parked or ended the run. */
  async #committed(row: Run | undefined, was: Run, hasAttempt: boolean): Promise<Settled> {
    if (!row || !hasAttempt) return { kind: 'lost' }
    const key = { run: was.id, position: was.position, attempt: was.attempt, fence: was.fence }
    const [ours] = await this.#db.run(findAttempt, key)
    return ours ? { kind: 'written', run: row } : { kind: 'lost' }
  }
}

async function withChildren(tx: Executor, batch: readonly Settlement[], worker: string): Promise<ReadonlySet<string>> {
  const transitions = batch.map((settlement) => settlement.transition)
  const written = await apply(tx, transitions, { worker })
  const children = batch.flatMap((settlement) => (written.has(settlement.transition.was.id) ? settlement.children : []))
  if (children.length > 0) await startRuns(tx, children, null)
  return written
}

/** The row as the statement left it, without reading it again. */
const asWritten = ({ now, events }: Transition): Run => ({ ...now, eventSeq: now.eventSeq + events.length })
