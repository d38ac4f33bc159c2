import { countLiveWorkers } from '../core/store/worker.ts'
import type { House } from './house.ts'

/** Works here while nobody else does: another command that did the work may end before this one. */
export class Helper {
  readonly #house: House
  #timer: NodeJS.Timeout | null = null
  #works = false

  constructor(house: House) {
    this.#house = house
  }

  /** True once the work was begun here. */
  get works(): boolean {
    return this.#works
  }

  /** To be called once there is something to do; `end` must follow. */
  async begin(): Promise<void> {
    await this.#helpOut()
    // A database that is away is told by whoever asks it for the run.
    this.#timer = setInterval(() => void this.#helpOut().catch(() => undefined), 1_000)
  }

  end(): void {
    clearInterval(this.#timer ?? undefined)
  }

  async #helpOut(): Promise<void> {
    if (this.#works || !(await nobodyWorks(this.#house))) return
    this.#works = true
    await this.#house.work()
  }
}

/** True when no other process is alive to do the work. */
export async function nobodyWorks(house: House): Promise<boolean> {
  const [count] = await house.db.run(countLiveWorkers, {})
  return count?.live === 0
}
