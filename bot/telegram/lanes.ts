/** Work in lanes: one at a time and in order within a lane, several lanes at once up to a bound. */
export class Lanes {
  readonly #tails = new Map<string, Promise<unknown>>()
  readonly #waiting: (() => void)[] = []
  #free: number

  constructor(width: number) {
    this.#free = width
  }

  /** Settles as the work does. */
  async run<T>(lane: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(lane) ?? Promise.resolve()
    const mine = before.then(() => this.#inTurn(work))
    const tail = mine.catch(() => undefined)
    this.#tails.set(lane, tail)
    try {
      return await mine
    } finally {
      if (this.#tails.get(lane) === tail) this.#tails.delete(lane)
    }
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((go) => void this.#waiting.push(go))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free++
    }
  }
}
