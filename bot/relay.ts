import type { z } from 'zod'
import { handleOf } from '../core/model/handle.ts'
import type { Database } from '../core/store/database.ts'
import { placeCards } from '../core/store/card.ts'
import { markSent, takeMessages } from '../core/store/outbox.ts'
import { fanOut } from '../core/store/webhook.ts'
import { noted } from './cards.ts'
import { Rounds } from './rounds.ts'
import type { Listener, Message } from './surface.ts'

const batch = 50

/** How long a relay has for what it took; after that another may send it. */
const takenForMs = 10_000

export type RelayOptions = {
  readonly db: Database
  readonly listeners: readonly Listener[]
  readonly onFault: (listener: string, error: unknown) => void
  /** Called when cards may have become due. */
  readonly onCards: () => void
}

/**
 * Tells every listener what the outbox holds, oldest first, outside any transaction; then, in one transaction, asks for
 * the cards that show it and the webhooks that tell of it, and marks it as sent. A relay that dies in between, or a listener that is away, lets a message
 * be told again later; one bad message does not keep the others back.
 */
export class Relay {
  readonly #options: RelayOptions
  readonly #rounds: Rounds

  constructor(options: RelayOptions) {
    this.#options = options
    this.#rounds = new Rounds(
      () => this.drain(),
      (error) => options.onFault('outbox', error),
    )
  }

  start(everyMs: number): void {
    this.#rounds.start(everyMs)
  }

  /** There may be something to send. */
  poke(): void {
    this.#rounds.poke()
  }

  stop(): Promise<void> {
    return this.#rounds.stop()
  }

  /** Sends until nothing waits. */
  async drain(): Promise<void> {
    while ((await this.#sendSome()) === batch);
  }

  async #sendSome(): Promise<number> {
    const rows = await this.#options.db.run(takeMessages, { most: batch, forMs: takenForMs })
    const sent: typeof rows = []
    for (const row of rows) if (await this.#tell({ ...row, handle: handleOf(row.number) })) sent.push(row)
    if (sent.length > 0) await this.#settle(sent)
    return rows.length
  }

  async #settle(sent: readonly z.infer<typeof takeMessages.row>[]): Promise<void> {
    const runs = sent.map((row) => row.runId)
    const notes = sent.flatMap(({ runId, id, topic, gateId }) => {
      const note = Object.hasOwn(noted, topic) ? noted[topic] : undefined
      return note ? [{ run_id: runId, id, topic, gate_id: gateId, is_decision: note.isDecision }] : []
    })
    await this.#options.db.transaction(async (tx) => {
      await Promise.all([
        tx.run(placeCards, { runs: [...new Set(runs)], notes }),
        fanOut(tx, sent),
        tx.run(markSent, { runs, ids: sent.map((row) => row.id) }),
      ])
    })
    this.#options.onCards()
  }

  /** True when every listener took it. */
  async #tell({ runId, handle, topic, payload }: Message): Promise<boolean> {
    let isTaken = true
    for (const listener of this.#options.listeners) {
      await listener.send({ runId, handle, topic, payload }).catch((error: unknown) => {
        isTaken = false
        this.#options.onFault(listener.name, error)
      })
    }
    return isTaken
  }
}
