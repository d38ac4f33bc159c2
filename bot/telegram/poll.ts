import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { Fault } from '../../core/model/problem.ts'
import type { Client } from './client.ts'
import { outOfReach } from './client.ts'
import type { Backoff, Taker } from './taker.ts'
import { waitMs } from './taker.ts'
import type { Log } from './voice.ts'

/** The kinds of update that we read: without edits and channel posts, which are nobody's act. */
export const allowedUpdates = ['message', 'callback_query'] as const

const pollSeconds = 30
/** What the last call of a stopped poller may take: stopping takes less than a second. */
const farewellMs = 300

export type PollOptions = {
  readonly client: Client
  readonly taker: Taker
  readonly log: Log
  readonly backoff: Backoff
  readonly signal: AbortSignal
}

/**
 * Asks for updates until it is stopped. Telegram forgets an update once a later one is asked for, so that happens only
 * when each of the batch is taken in: a crash before loses nothing, and what comes again has the same delivery id.
 */
export async function poll({ client, taker, log, backoff, signal }: PollOptions): Promise<void> {
  let offset = 0
  while (!signal.aborted) {
    const batch = await persist({ log, backoff, signal }, () => getUpdates(client, offset, signal))
    const taken = await Promise.all((batch ?? []).map((update) => taker.take(update)))
    if (!taken.every(Boolean)) return
    offset = (batch ?? []).reduce((next, { update_id }) => Math.max(next, update_id + 1), offset)
  }
  // Tells Telegram what was taken in, so that the next process is not asked again.
  if (offset > 0) await confirm(client, offset, log)
}

/** What a batch must be for us to go on after it; each update is read by itself. */
const Batch = z.array(z.looseObject({ update_id: z.int() }))

async function getUpdates(client: Client, offset: number, until: AbortSignal): Promise<z.infer<typeof Batch>> {
  const wanted = { offset, timeout: pollSeconds, allowed_updates: allowedUpdates }
  const batch = Batch.safeParse(await client.call((api, signal) => api.getUpdates(wanted, signal), until))
  if (!batch.success) throw outOfReach()
  return batch.data
}

async function confirm(client: Client, offset: number, log: Log): Promise<void> {
  try {
    await client.call(
      (api, signal) => api.getUpdates({ offset, timeout: 0, limit: 1, allowed_updates: allowedUpdates }, signal),
      AbortSignal.timeout(farewellMs),
    )
  } catch (error) {
    log('info', 'the last updates were not confirmed and will come again', { reason: (error as Error).message })
  }
}

/** Does it until it works; null when stopped before. Throws what trying again cannot mend. */
export async function persist<T>(
  { log, backoff, signal }: Pick<PollOptions, 'log' | 'backoff' | 'signal'>,
  work: () => Promise<T>,
): Promise<T | null> {
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      return await work()
    } catch (error) {
      if (signal.aborted) return null
      if (!(error instanceof Fault) || !error.retryable) throw error
      log('warn', 'Telegram does not answer', { reason: error.message })
      const pause = Math.max(error.retryAfterMs ?? 0, waitMs(backoff, failures))
      await delay(pause, null, { signal }).catch(() => undefined)
    }
  }
  return null
}
