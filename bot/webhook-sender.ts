import type { z } from 'zod'
import { Fault } from '../core/model/problem.ts'
import { nextDeliveryMs } from '../core/model/webhook.ts'
import type { Database } from '../core/store/database.ts'
import { abandonDeliveries, endWebhook, settleDelivery, takeDeliveries } from '../core/store/webhook.ts'
import { Rounds } from './rounds.ts'

/** One delivery as it is handed to the network. */
export type Outgoing = {
  readonly webhookId: string
  readonly address: string
  readonly event: string
  /** The same for every attempt. */
  readonly deliveryId: string
  readonly body: string
}

export type WebhookSenderOptions = {
  readonly db: Database
  /** Answers with the endpoint's status; throws a Fault when there was none. */
  readonly send: (delivery: Outgoing) => Promise<{ readonly status: number; readonly retryAfterMs: number | null }>
  readonly onFault: (webhookId: string, error: unknown) => void
  /** From 0 to 1. */
  readonly random: () => number
}

/** How long a sender has for a delivery: more than any attempt may take. After that another may send it. */
const takenForMs = 60_000

/**
 * Sends what `app.deliveries` holds, one at a time to each endpoint and to all of them at once, until it was taken or
 * given up. A sender that dies in between repeats at most the delivery under way to each endpoint, under the same id.
 * Order is not promised: what failed comes later.
 */
export class WebhookSender {
  readonly #options: WebhookSenderOptions
  /** What is being sent, by endpoint. */
  readonly #busy = new Map<string, Promise<void>>()
  readonly #rounds: Rounds

  constructor(options: WebhookSenderOptions) {
    this.#options = options
    this.#rounds = new Rounds(
      async () => void (await this.#sendDue()),
      (error) => options.onFault('all', error),
    )
  }

  start(everyMs: number): void {
    this.#rounds.start(everyMs)
  }

  /** Waits for what is under way, which is as long as one attempt may take. */
  async stop(): Promise<void> {
    await this.#rounds.stop()
    await Promise.all(this.#busy.values())
  }

  /** Sends until nothing is due. */
  async drain(): Promise<void> {
    while ((await this.#sendDue()) > 0 || this.#busy.size > 0) await Promise.race(this.#busy.values())
  }

  /** Begins one delivery to each endpoint that has one due and is not busy. */
  async #sendDue(): Promise<number> {
    const taken = await this.#options.db.run(takeDeliveries, { busy: [...this.#busy.keys()], forMs: takenForMs })
    for (const delivery of taken) {
      const { webhookId } = delivery
      const sent = this.#deliver(delivery)
        .catch((error: unknown) => this.#options.onFault(webhookId, error))
        .finally(() => this.#busy.delete(webhookId))
      this.#busy.set(webhookId, sent)
    }
    return taken.length
  }

  async #deliver(taken: Taken): Promise<void> {
    const heard = await this.#try(taken)
    if (heard.isGone) return this.#end(taken, heard)
    const delayMs = heard.isTaken
      ? null
      : nextDeliveryMs(heard.isHopeless ? Infinity : taken.attempt, heard.retryAfterMs, this.#options.random())
    await this.#settle(taken, heard, delayMs)
  }

  async #try(taken: Taken): Promise<Heard> {
    const { webhookId, address, event, id: deliveryId, body } = taken
    try {
      const { status, retryAfterMs } = await this.#options.send({ webhookId, address, event, deliveryId, body })
      const isTaken = status >= 200 && status < 300
      const error = isTaken ? null : `answered ${status}`
      return { isTaken, isGone: status === 410, isHopeless: false, status, retryAfterMs, error }
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      const { message, retryable, retryAfterMs } = error
      return { isTaken: false, isGone: false, isHopeless: !retryable, status: null, retryAfterMs, error: message }
    }
  }

  async #settle(taken: Taken, { isTaken, status, error }: Heard, delayMs: number | null): Promise<void> {
    const outcome = isTaken ? 'delivered' : delayMs === null ? 'dead' : null
    const { runId: run, messageId: message, webhookId: webhook, attempt } = taken
    const how = { outcome, status, error, delayMs: delayMs ?? 0 }
    await this.#options.db.run(settleDelivery, { run, message, webhook, attempt, ...how })
  }

  /** The endpoint says that it will never listen again. */
  async #end(taken: Taken, { status, error }: Heard): Promise<void> {
    const { runId: run, messageId: message, webhookId: webhook, attempt } = taken
    await this.#options.db.transaction(async (tx) => {
      await tx.run(endWebhook, { id: webhook, state: 'gone' })
      await tx.run(settleDelivery, { run, message, webhook, attempt, outcome: 'dead', status, error, delayMs: 0 })
      await tx.run(abandonDeliveries, { webhook, error: 'the endpoint is gone' })
    })
  }
}

type Taken = z.infer<typeof takeDeliveries.row>

type Heard = {
  readonly isTaken: boolean
  /** 410. */
  readonly isGone: boolean
  /** No repeat can help, such as an address that may not be reached. */
  readonly isHopeless: boolean
  readonly status: number | null
  readonly retryAfterMs: number | null
  readonly error: string | null
}
