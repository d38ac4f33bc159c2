/** Work that is looked for again and again, one round at a time, and at once when somebody says that there is some. */
export class Rounds {
  readonly #work: () => Promise<void>
  readonly #onError: (error: unknown) => void
  #everyMs = 0
  #timer: NodeJS.Timeout | null = null
  #round: Promise<void> | null = null
  #isAskedAgain = false
  #isOn = false

  constructor(work: () => Promise<void>, onError: (error: unknown) => void) {
    this.#work = work
    this.#onError = onError
  }

  start(everyMs: number): void {
    this.#everyMs = everyMs
    this.#isOn = true
    this.poke()
  }

  /** Begins a round now, or one more behind the one under way. */
  poke(): void {
    if (!this.#isOn) return
    if (this.#round) {
      this.#isAskedAgain = true
      return
    }
    clearTimeout(this.#timer ?? undefined)
    this.#round = this.#go().finally(() => {
      this.#round = null
      if (this.#isOn) this.#timer = setTimeout(() => this.poke(), this.#everyMs)
    })
  }

  /** Resolves when the round under way has ended; there is no other. */
  async stop(): Promise<void> {
    this.#isOn = false
    clearTimeout(this.#timer ?? undefined)
    await this.#round
  }

  async #go(): Promise<void> {
    do {
      this.#isAskedAgain = false
      await this.#work().catch(this.#onError)
    } while (this.#isAskedAgain && this.#isOn)
  }
}
