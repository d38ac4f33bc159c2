import { setImmediate as turn } from 'node:timers/promises'

/**
 * Natural group commit: while one batch is in flight, what arrives waits, and goes out together when it returns. No
 * timer. An item's promise settles only after its batch has committed.
 */
export class Lane<Item, Answer> {
  readonly #flush: (items: readonly Item[]) => Promise<readonly Answer[]>
  readonly #most: number
  #waiting: Entry<Item, Answer>[] = []
  #inFlight: Promise<void> | null = null

  /** `flush` answers in the order of its items. `most` bounds a batch. */
  constructor(flush: (items: readonly Item[]) => Promise<readonly Answer[]>, most: number) {
    this.#flush = flush
    this.#most = most
  }

  submit(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      this.#inFlight ??= this.#drain()
    })
  }

  /** Resolves when nothing waits or flies. */
  async idle(): Promise<void> {
    while (this.#inFlight) await this.#inFlight
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      // What the last batch set free, and all else of this turn of the event loop, shall ride together.
      await turn()
      const batch = this.#waiting.splice(0, this.#most)
      await this.#send(batch)
    }
    this.#inFlight = null
  }

  /** A batch that fails goes again one by one, so that one poisoned item never fails its neighbours. */
  async #send(batch: readonly Entry<Item, Answer>[]): Promise<void> {
    try {
      const answers = await this.#flush(batch.map((entry) => entry.item))
      batch.forEach((entry, index) => entry.resolve(answers[index] as Answer))
    } catch (error) {
      if (batch.length === 1) batch[0]?.reject(error)
      else for (const entry of batch) await this.#send([entry])
    }
  }
}

type Entry<Item, Answer> = {
  readonly item: Item
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}
