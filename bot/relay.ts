import { handleOf } from '../core/model/handle.ts'
import type { Database } from '../core/store/database.ts'
import { markSent, takeMessages } from '../core/store/outbox.ts'
import type { Listener, Message } from './surface.ts'

const batch = 50

/** How long a relay has for what it took; after that another may send it. */
const takenForMs = 30_000

/**
 * Sends what the outbox holds to every surface, oldest first, outside any transaction, and marks what every surface
 * took. A relay that dies in between, or a surface that is away, lets a message be sent again later; one bad message
 * does not keep the others back.
 */
export class Relay {
  readonly #db: Database
  readonly #surfaces: readonly Listener[]
  readonly #onFault: (surface: string, error: unknown) => void
  #timer: NodeJS.Timeout | null = null
  #running: Promise<unknown> = Promise.resolve()

  constructor(db: Database, surfaces: readonly Listener[], onFault: (surface: string, error: unknown) => void) {
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

  async #sendSome(): Promise<number> {
    const rows = await this.#db.run(takeMessages, { most: batch, forMs: takenForMs })
    const sent: typeof rows = []
    for (const row of rows) if (await this.#tell({ ...row, handle: handleOf(row.number) })) sent.push(row)
    if (sent.length > 0) {
      await this.#db.run(markSent, { runs: sent.map((row) => row.runId), ids: sent.map((row) => row.id) })
    }
    return rows.length
  }

  /** True when every surface took it. */
  async #tell({ runId, handle, topic, payload }: Message): Promise<boolean> {
    let isTaken = true
    for (const surface of this.#surfaces) {
      await surface.send({ runId, handle, topic, payload }).catch((error: unknown) => {
        isTaken = false
        this.#onFault(surface.name, error)
      })
    }
    return isTaken
  }
}
