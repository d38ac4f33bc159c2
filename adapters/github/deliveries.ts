import { text as textOf } from 'node:stream/consumers'
import { z } from 'zod'
import { Fault } from '../../core/model/problem.ts'
import type { SentDeliveries } from '../../core/ports.ts'
import { type AppKey, asApp } from './app-tokens.ts'

/** https://docs.github.com/rest/apps/webhooks#list-deliveries-for-an-app-webhook */
const listed = z.array(
  z.object({
    id: z.string(),
    guid: z.string().regex(/^[\w.:-]{1,100}$/),
    event: z.string().regex(/^[a-z_]{1,60}$/),
    delivered_at: z.iso.datetime({ offset: true }),
  }),
)

const whole = z.object({ guid: z.string(), request: z.object({ payload: z.json() }) })

const pageSize = 100

/** What GitHub remembers of the deliveries to the App's webhook: three days of them. */
export const createDeliveries = (options: AppKey): SentDeliveries => ({
  list: async (page, signal) => {
    const app = await asApp(options, 'webhook of the App', signal)
    const answer = await app.request('GET /app/hook/deliveries', {
      per_page: pageSize,
      ...(page === null ? {} : { cursor: page }),
      request: { parseSuccessResponseBody: false },
    })
    const text = await textOf(z.instanceof(ReadableStream).parse(answer.data)).catch((cause: unknown) => {
      signal.throwIfAborted()
      throw brokenOff(cause)
    })
    const deliveries = listed.parse(JSON.parse(exactIds(text))).map(({ id, guid, event, delivered_at }) => {
      return { id, deliveryId: guid, topic: event, at: new Date(delivered_at) }
    })
    return { deliveries, next: nextPage(answer.headers.link) }
  },
  read: async ({ id, deliveryId }, signal) => {
    const app = await asApp(options, 'such delivery', signal)
    const answer: { readonly data: unknown } = await app.request(`GET /app/hook/deliveries/${id}`)
    const { guid, request } = whole.parse(answer.data)
    if (guid !== deliveryId) throw mixedUp(deliveryId)
    return request.payload
  },
})

/** GitHub's numbers have 64 bits, those of JSON.parse 53. Quotes within a text are escaped, so that only fields match. */
const exactIds = (text: string): string => text.replace(/"id":\s*(\d+)/g, '"id":"$1"')

/** The cursor of the next page; the rest of the address is ours. */
function nextPage(link: string | undefined): string | null {
  const next = /<([^>]+)>;\s*rel="next"/.exec(link ?? '')?.[1]
  return next && URL.canParse(next) ? new URL(next).searchParams.get('cursor') : null
}

const brokenOff = (cause: unknown): Fault =>
  new Fault({ code: 'TRANSIENT_NETWORK', message: 'GitHub broke off its answer.', retryable: true, cause })

const mixedUp = (deliveryId: string): Fault =>
  new Fault({
    code: 'VALIDATION_ERROR',
    message: `GitHub answered with another delivery than ${deliveryId}.`,
    retryable: false,
  })
