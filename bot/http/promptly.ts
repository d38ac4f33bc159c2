import { Fault } from '../../core/model/problem.ts'
import type { GatePages, Product, Webhooks } from './house.ts'

/**
 * How long whoever asks is kept waiting by a database that is silent. Slack gives up after 3 s
 * (https://docs.slack.dev/apis/events-api/#responding) and GitHub after 10 s
 * (https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks); both send again.
 */
const patience = { networksMs: 2_500, programsMs: 10_000 }

/**
 * What the work comes to, or a Fault when it takes too long. The work goes on and may succeed all the same: whoever asks again
 * does so under the same delivery id, and hears that it was done.
 */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(silent()), ms)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

const silent = (): Fault =>
  new Fault({ code: 'TRANSIENT_NETWORK', message: 'The database did not answer in time.', retryable: true })

const forNetworks = <T>(work: Promise<T>): Promise<T> => within(patience.networksMs, work)

const forPrograms = <T>(work: Promise<T>): Promise<T> => within(patience.programsMs, work)

/** The same events taken in, each answered before its network gives up. */
export function promptWebhooks({ github, telegram, slack }: Webhooks): Webhooks {
  type Receive = NonNullable<Webhooks['telegram']>
  const prompt =
    (receive: Receive): Receive =>
    (headers, raw) =>
      forNetworks(receive(headers, raw))
  return {
    github: github && {
      verify: (headers, raw) => github.verify(headers, raw),
      keep: (delivery) => forNetworks(github.keep(delivery)),
    },
    telegram: telegram && prompt(telegram),
    slack: slack && {
      events: prompt(slack.events),
      commands: prompt(slack.commands),
      interactions: prompt(slack.interactions),
    },
  }
}

/** The same product, each of its answers within bounds. */
export const promptProduct = (product: Product): Product => ({
  version: product.version,
  identify: (secret) => forPrograms(product.identify(secret)),
  ask: (holder, command, deliveryId) => forPrograms(product.ask(holder, command, deliveryId)),
  deny: (holder, why) => forPrograms(product.deny(holder, why)),
  projects: (holder, page) => forPrograms(product.projects(holder, page)),
  runOfGate: (gateId) => forPrograms(product.runOfGate(gateId)),
  bytes: (sha256) => forPrograms(product.bytes(sha256)),
  health: () => forPrograms(product.health()),
})

/** The same pages, each within bounds. */
export const promptPages = (pages: GatePages): GatePages => ({
  get: (token) => forPrograms(pages.get(token)),
  post: (token, form) => forPrograms(pages.post(token, form)),
})
