/** What is left of an allowance. */
export type Left = {
  readonly isSpent: boolean
  readonly limit: number
  readonly remaining: number
  /** Whole seconds until it is full again. */
  readonly resetSeconds: number
}

type Window = { used: number; endsAt: number }

/** So many takings per name and window, for this process. Remembers a bounded number of names, the latest. */
export class Limiter {
  readonly #limit: number
  readonly #windowMs: number
  readonly #now: () => number
  readonly #windows = new Map<string, Window>()

  constructor(limit: number, windowMs: number, now: () => number = () => performance.now()) {
    this.#limit = limit
    this.#windowMs = windowMs
    this.#now = now
  }

  /** Takes one, if one is left. */
  take(name: string): Left {
    const window = this.#windowOf(name)
    const isSpent = window.used >= this.#limit
    if (!isSpent) window.used++
    return {
      isSpent,
      limit: this.#limit,
      remaining: this.#limit - window.used,
      resetSeconds: Math.max(1, Math.ceil((window.endsAt - this.#now()) / 1000)),
    }
  }

  /** Gives one back: what it was taken for did not happen. */
  giveBack(name: string): void {
    const window = this.#windows.get(name)
    if (window && window.used > 0) window.used--
  }

  #windowOf(name: string): Window {
    const known = this.#windows.get(name)
    if (known && known.endsAt > this.#now()) return known
    const made = { used: 0, endsAt: this.#now() + this.#windowMs }
    this.#windows.delete(name)
    this.#windows.set(name, made)
    const [oldest] = this.#windows.keys()
    if (this.#windows.size > mostNames && oldest !== undefined) this.#windows.delete(oldest)
    return made
  }
}

/** A megabyte or so. */
const mostNames = 10_000
