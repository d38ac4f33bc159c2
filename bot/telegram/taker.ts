import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { Reception } from '../surface.ts'
import type { Intake, Progress } from './intake.ts'
import { Lanes } from './lanes.ts'
import type { Incoming, Me } from './read-update.ts'
import { readUpdate, Update } from './read-update.ts'
import type { Log } from './voice.ts'

/** How long to wait after a failed try: `baseMs`, doubled each time, up to `capMs`. */
export type Backoff = { readonly baseMs: number; readonly capMs: number }

export const waitMs = ({ baseMs, capMs }: Backoff, failures: number): number =>
  Math.min(capMs, baseMs * 2 ** Math.min(failures - 1, 20))

/** After so many tries an update is put aside, so that the rest goes on. */
const triesAllowed = 10
const chatsAtOnce = 8
/** Updates remembered, so that one that comes again at once is not answered again. */
const remembered = 10_000

const Numbered = z.looseObject({ update_id: z.int() })

export type TakerOptions = {
  readonly reception: Reception
  readonly intake: Intake
  readonly me: Me
  readonly log: Log
  readonly backoff: Backoff
  readonly signal: AbortSignal
}

type Try = { count: number; readonly progress: Progress }

/** Takes updates in: those of one chat in order, several chats at once. An update counts as taken in when what it asks for is durable. */
export class Taker {
  readonly #options: TakerOptions
  readonly #lanes = new Lanes(chatsAtOnce)
  readonly #tries = new Map<string, Try>()
  readonly #taken = new Set<string>()

  constructor(options: TakerOptions) {
    this.#options = options
  }

  /** Tries until it is taken in or put aside; false only when the surface was stopped before. */
  take(raw: unknown): Promise<boolean> {
    const { backoff, signal } = this.#options
    return this.#lanes.run(laneOf(raw), async () => {
      for (let failures = 1; !signal.aborted; failures++) {
        if (await this.#try(raw)) return true
        await delay(waitMs(backoff, failures), null, { signal }).catch(() => undefined)
      }
      return false
    })
  }

  /** Tries once; false: the sender must bring it again. */
  takeOnce(raw: unknown): Promise<boolean> {
    return this.#lanes.run(laneOf(raw), () => this.#try(raw))
  }

  async #try(raw: unknown): Promise<boolean> {
    const id = idOf(raw)
    if (this.#taken.has(id)) return true
    const parsed = Update.safeParse(raw)
    if (!parsed.success) return this.#putAside(id, raw, `it cannot be read: ${z.prettifyError(parsed.error)}`)
    const tried = this.#tries.get(id) ?? { count: 0, progress: { isAnswered: false, taken: null } }
    keep(this.#tries, id, tried)
    const incoming = readUpdate(parsed.data, this.#options.me)
    try {
      await this.#options.intake.take(incoming, tried.progress)
      return this.#done(id)
    } catch (error) {
      tried.count++
      this.#options.log('warn', 'an update was not taken in', {
        deliveryId: id,
        try: tried.count,
        reason: sayError(error),
      })
      return tried.count >= triesAllowed && this.#giveUp(id, { raw, incoming, tried, error })
    }
  }

  async #giveUp(
    id: string,
    { raw, incoming, tried, error }: { raw: unknown; incoming: Incoming; tried: Try; error: unknown },
  ): Promise<boolean> {
    if (!(await this.#putAside(id, raw, `it failed ${tried.count} times: ${sayError(error)}`))) return false
    await this.#options.intake.giveUp(incoming, tried.progress)
    return true
  }

  /** False when even that failed: it is tried again, and nothing is lost. */
  async #putAside(id: string, raw: unknown, why: string): Promise<boolean> {
    this.#options.log('error', 'an update was put aside', { deliveryId: id, why })
    try {
      await this.#options.reception.quarantine('telegram', id, z.json().parse(raw), why)
      return this.#done(id)
    } catch (error) {
      this.#options.log('error', 'an update could not be put aside', { deliveryId: id, reason: sayError(error) })
      return false
    }
  }

  #done(id: string): true {
    this.#tries.delete(id)
    this.#taken.add(id)
    for (const oldest of this.#taken) {
      if (this.#taken.size <= remembered) break
      this.#taken.delete(oldest)
    }
    return true
  }
}

const sayError = (error: unknown): string => (error instanceof Error ? error.message : String(error))

function keep<V>(map: Map<string, V>, key: string, value: V): void {
  map.set(key, value)
  for (const oldest of map.keys()) {
    if (map.size <= remembered) break
    map.delete(oldest)
  }
}

/** The update's number; `unnumbered` where it has none. */
function idOf(raw: unknown): string {
  const numbered = Numbered.safeParse(raw)
  return numbered.success ? String(numbered.data.update_id) : 'unnumbered'
}

/** Updates of one chat keep their order. */
function laneOf(raw: unknown): string {
  const { data } = Update.safeParse(raw)
  const chat = (data?.message ?? data?.channel_post ?? data?.callback_query?.message)?.chat.id
  return chat === undefined ? 'elsewhere' : String(chat)
}
