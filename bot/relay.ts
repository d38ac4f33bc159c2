import { handleOf } from '../core/model/handle.ts'
import type { Database } from '../core/store/database.ts'
import { markSent, takeMessages } from '../core/store/outbox.ts'
import type { Message, Surface } from './surface.ts'

const batch = 50

/**
 * Sends what the outbox holds to every surface, oldest first, and marks it in the transaction that took it: a relay
 * that dies in between lets the next one send it again. One surface that is away does not keep it from the others.
 */
export class Relay {
  readonly #db: Database
  readonly #surfaces: readonly Surface[]
  readonly #onFault: (surface: string, error: unknown) => void
  #timer: NodeJS.Timeout | null = null
  #running: Promise<unknown> = Promise.resolve()

  constructor(db: Database, surfaces: readonly Surface[], onFault: (surface: string, error: unknown) => void) {
    this.#db = db
    this.#surfaces = surfaces
    this.#onFault = onFault
  }

  start(everyMs: number): void {
    const round = (): void => {
      this.#running = this.drain()
        .catch((error: unknown) => this.#onFault('outbox', error))
        .finally(() => {
          if (this.#timer !== null) this.#timer = setTimeout(round, everyMs)
        })
    }
    this.#timer = setTimeout(round, 0)
  }

  async stop(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    await this.#running
  }

  /** Sends until nothing waits. */
  async drain(): Promise<void> {
    while ((await this.#sendSome()) === batch);
  }

  #sendSome(): Promise<number> {
    return this.#db.transaction(async (tx) => {
      const rows = await tx.run(takeMessages, { most: batch })
      for (const { runId, number, topic, payload } of rows)
        await this.#tell({ runId, handle: handleOf(number), topic, payload })
      if (rows.length > 0)
        await tx.run(markSent, { runs: rows.map((row) => row.runId), ids: rows.map((row) => row.id) })
      return rows.length
    })
  }

  async #tell(message: Message): Promise<void> {
    for (const surface of this.#surfaces) {
      await surface.send(message).catch((error: unknown) => this.#onFault(surface.name, error))
    }
  }
}
