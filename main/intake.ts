import type { Delivery, Headers, Webhooks } from '../bot/http/house.ts'
import { Lane } from '../core/engine/lane.ts'
import type { EngineLog } from '../core/engine/settings.ts'
import type { Json } from '../core/model/json.ts'
import { Fault } from '../core/model/problem.ts'
import type { Database } from '../core/store/database.ts'
import type { People } from '../core/store/people.ts'
import { failIntake, finishIntake, keepEvents, takeIntake } from '../core/store/intake.ts'

/** An event of a network, as it was kept. */
export type IncomingEvent = {
  readonly source: string
  readonly deliveryId: string
  readonly topic: string
  readonly body: Json
}

type Handle = (event: IncomingEvent) => Promise<void>

/** Who reads what networks send. `handle` may run twice for one event; what it throws is tried again later. */
export type Receivers = Pick<Webhooks, 'telegram' | 'slack'> & {
  readonly github: {
    verify(headers: Headers, rawBody: Uint8Array): boolean
    readonly handle: Handle
  } | null
}

/** Where events are kept, and what marks their content. */
type Memory = { readonly db: Database; readonly people: People }

/** How often an event may fail before it is put aside. */
const mostFailures = 10

/** How long an event is ours before another process may take it. */
const takeMs = 60_000

const everyMs = 500

const mostAtOnce = 50

/** What may wait for the database in memory. Beyond it networks are asked to come again. */
const mostWaitingBytes = 64_000_000

/** Keeps what networks send, many in one statement, and hands each event on until it is dealt with or put aside. */
export class Intake {
  readonly #db: Database
  readonly #receivers: Receivers
  readonly #log: EngineLog
  readonly #lane: Lane<Delivery, boolean>
  #waitingBytes = 0
  #timer: NodeJS.Timeout | null = null
  #turn: Promise<void> | null = null
  #isStopping = false

  constructor({ db, people }: Memory, receivers: Receivers, log: EngineLog) {
    this.#db = db
    this.#receivers = receivers
    this.#log = log
    this.#lane = new Lane((deliveries) => keepEvents({ db, people }, deliveries), 200)
  }

  get webhooks(): Webhooks {
    const { github, telegram, slack } = this.#receivers
    return {
      telegram,
      slack,
      github: github && { verify: (headers, raw) => github.verify(headers, raw), keep: (event) => this.#keep(event) },
    }
  }

  /** Begins to hand events on, where somebody reads them. */
  start(): void {
    if (this.#receivers.github) this.#timer = setInterval(() => this.#look(), everyMs)
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    clearInterval(this.#timer ?? undefined)
    await this.#lane.idle()
    await this.#turn
  }

  /** Deals with what waits, until nothing is left that may be tried now. */
  async drain(): Promise<void> {
    const { github } = this.#receivers
    if (!github) return
    while (!this.#isStopping) {
      const events = await this.#db.run(takeIntake, { most: mostAtOnce, forMs: takeMs })
      for (const event of events) await this.#deal(event, github.handle)
      if (events.length < mostAtOnce) return
    }
  }

  #look(): void {
    this.#turn ??= this.drain()
      .catch((error: unknown) => this.#log('warn', 'events could not be read', { error }))
      .finally(() => {
        this.#turn = null
      })
  }

  async #keep(delivery: Delivery): Promise<boolean> {
    if (this.#waitingBytes + delivery.sizeBytes > mostWaitingBytes) throw full
    this.#waitingBytes += delivery.sizeBytes
    try {
      const isNew = await this.#lane.submit(delivery)
      this.#look()
      return isNew
    } finally {
      this.#waitingBytes -= delivery.sizeBytes
    }
  }

  async #deal({ source, deliveryId, topic, body }: IncomingEvent, handle: Handle): Promise<void> {
    try {
      await handle({ source, deliveryId, topic, body })
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      const [failed] = await this.#db.run(failIntake, { source, deliveryId, why, most: mostFailures })
      const fields = { source, deliveryId, topic, why }
      if (failed?.isQuarantined) this.#log('error', 'an event was put aside: it could not be dealt with', fields)
      else this.#log('warn', 'an event could not be dealt with and is tried again', fields)
      return
    }
    await this.#db.run(finishIntake, { source, deliveryId })
  }
}

const full = new Fault({
  code: 'RATE_LIMIT',
  message: 'More events wait for the database than fit in memory.',
  retryable: true,
  retryAfterMs: 30_000,
})
