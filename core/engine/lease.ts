import type { Database, Session } from '../store/database.ts'
import { beat } from '../store/worker.ts'

/**
 * A worker's right to work: one heartbeat row, renewed on a connection of its own. Its age counts from the sending of
 * the last acknowledged beat on a monotonic clock, so that a slow answer can never stretch it.
 */
export class Lease {
  readonly worker: string
  readonly #db: Database
  readonly #leaseMs: number
  readonly #beatMs: number
  readonly #lost: AbortController
  #session: Session | null = null
  #acknowledgedAt: number
  #timer: NodeJS.Timeout | null = null
  #alarm: NodeJS.Timeout | null = null
  #stopped = false

  constructor(db: Database, worker: string, times: { readonly leaseMs: number; readonly beatMs: number }) {
    this.worker = worker
    this.#db = db
    this.#leaseMs = times.leaseMs
    this.#beatMs = times.beatMs
    this.#acknowledgedAt = performance.now()
    this.#lost = new AbortController()
  }

  /** Aborted when the lease is over: everything that runs under it stops and nothing new starts. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** False past the deadline even if no timer has fired yet, as after a suspended process wakes; false once stopped. */
  get holds(): boolean {
    return !this.#stopped && !this.#lost.signal.aborted && performance.now() - this.#acknowledgedAt < this.#leaseMs
  }

  /** Begins to beat, once the worker's row was inserted; the row is a beat that was sent when this was made. */
  start(): void {
    this.#arm()
    this.#next()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    if (this.#timer) clearTimeout(this.#timer)
    if (this.#alarm) clearTimeout(this.#alarm)
    await this.#session?.end()
    this.#session = null
  }

  #next(): void {
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#beat(), this.#beatMs)
  }

  async #beat(): Promise<void> {
    const sentAt = performance.now()
    try {
      this.#session ??= await this.#db.connect('heartbeat')
      // Stopped while it connected: an open connection would keep the process from ending.
      if (this.#stopped) return await this.stop()
      const [row] = await this.#session.run(beat, { worker: this.worker })
      if (!row) return this.#lose()
      this.#acknowledgedAt = sentAt
      this.#arm()
    } catch {
      // Not acknowledged: the lease simply ages. A broken connection is replaced on the next beat.
      const session = this.#session
      this.#session = null
      void session?.end()
    }
    if (!this.#lost.signal.aborted) this.#next()
  }

  /** Fires when the lease runs out unless a beat is acknowledged before. */
  #arm(): void {
    if (this.#alarm) clearTimeout(this.#alarm)
    const left = this.#acknowledgedAt + this.#leaseMs - performance.now()
    this.#alarm = setTimeout(() => this.#lose(), Math.max(0, left))
  }

  #lose(): void {
    if (this.#stopped || this.#lost.signal.aborted) return
    if (this.#timer) clearTimeout(this.#timer)
    this.#lost.abort(new Error('the lease is over'))
  }
}
