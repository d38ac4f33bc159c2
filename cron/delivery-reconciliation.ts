import { createHash } from 'node:crypto'
import { Fault } from '../core/model/problem.ts'
import type { ListedDelivery } from '../core/ports.ts'
import { findKnownIntake, keepEvents } from '../core/store/intake.ts'
import { findLookBack } from '../core/store/tick.ts'
import type { Hands, IncomingWebhooks, Schedule } from './work.ts'

const name = 'delivery-reconciliation'
const source = 'github'

/** As long as GitHub keeps deliveries. */
const mostMs = 3 * 24 * 3_600_000

/** Longer than a delivery is under way, and than GitHub's clock and ours lie apart. */
const overlapMs = 10 * 60_000

const mostAtOnce = 8

/** Fetches what GitHub has sent and we have not heard, and keeps it as if it had come by itself. */
export const deliveryReconciliation: Schedule = {
  name,
  says: 'fetches events of GitHub that did not arrive',
  everyMs: 120_000,
  offsetMs: 0,
  boundMs: 110_000,
  work: async ({ db, webhooks, log, signal }) => {
    if (webhooks === null) throw notSet()
    const [look] = await db.run(findLookBack, { schedule: name, mostMs, overlapMs })
    const search = { db, ...webhooks, log, signal, since: look?.since ?? new Date(0) }
    const figures = { looked: 0, missed: 0, lost: 0 }
    for (let page: string | null = null, isFirst = true; (isFirst || page !== null) && !signal.aborted; ) {
      isFirst = false
      const { deliveries, next }: Page = await webhooks.deliveries.list(page, signal)
      const recent = deliveries.filter(({ at }) => at >= search.since)
      const { missed, lost } = await fetchMissed(search, recent)
      figures.looked += recent.length
      figures.missed += missed
      figures.lost += lost
      page = recent.length === deliveries.length ? next : null
    }
    return figures
  },
}

type Page = Awaited<ReturnType<IncomingWebhooks['deliveries']['list']>>

type Search = Pick<Hands, 'db' | 'log' | 'signal'> & IncomingWebhooks & { readonly since: Date }

const notSet = (): Fault =>
  new Fault({
    code: 'PRECONDITION_FAILED',
    message: 'There is nothing to look for: set GITHUB_WEBHOOK_SECRET, GITHUB_APP_ID and GITHUB_PRIVATE_KEY.',
    retryable: false,
  })

async function fetchMissed(
  search: Search,
  recent: readonly ListedDelivery[],
): Promise<{ missed: number; lost: number }> {
  const { db, signal } = search
  // One that was sent several times is listed as often; a ping is answered at the door and not kept.
  const heard = new Map(recent.filter(({ topic }) => topic !== 'ping').map((each) => [each.deliveryId, each]))
  for (const { deliveryId } of await db.run(findKnownIntake, { source, deliveryIds: [...heard.keys()] }))
    heard.delete(deliveryId)
  const unheard = [...heard.values()]
  const figures = { missed: 0, lost: 0 }
  for (let first = 0; first < unheard.length && !signal.aborted; first += mostAtOnce) {
    const some = unheard.slice(first, first + mostAtOnce)
    const read = (await Promise.all(some.map((each) => fetch(search, each)))).filter((event) => event !== null)
    figures.lost += some.length - read.length
    figures.missed += (await keepEvents(search, read)).filter(Boolean).length
  }
  return figures
}

/** Null for what GitHub no longer has: the others are fetched all the same. */
async function fetch({ deliveries, log, signal }: Search, delivery: ListedDelivery) {
  const { deliveryId, topic } = delivery
  try {
    const body = await deliveries.read(delivery, signal)
    const bodySha256 = createHash('sha256').update(JSON.stringify(body)).digest('hex')
    return { source, deliveryId, topic, body, bodySha256 }
  } catch (error) {
    if (!(error instanceof Fault) || error.retryable) throw error
    log('error', 'an event of GitHub did not arrive and cannot be fetched', { deliveryId, topic, error })
    return null
  }
}
