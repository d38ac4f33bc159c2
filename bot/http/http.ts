import type { FastifyInstance } from 'fastify'
import { addApi } from './api.ts'
import type { Allowances } from './door.ts'
import { Door } from './door.ts'
import type { GatePages, HttpLog, Product, Webhooks } from './house.ts'
import { describeApi } from './openapi.ts'
import type { Meter } from './ops.ts'
import { promptPages, promptProduct, promptWebhooks } from './promptly.ts'
import { openServer } from './server.ts'
import { addGatePages } from './gate-pages.ts'
import { addWebhooks } from './webhooks.ts'

type Opening = {
  readonly product: Product
  readonly webhooks: Webhooks
  /** Null: no mail holds a link. */
  readonly gatePages: GatePages | null
  readonly allowances: Allowances
  readonly meter: Meter
  readonly log: HttpLog
}

/** How long an answer to `/health`, which anybody may ask, is good for. */
const healthMs = 1_000

/** The public server: the API, the webhooks, and how the product is. `listen` opens it, `close` ends it in order. */
export async function openPublic({
  product: patient,
  webhooks,
  gatePages,
  allowances,
  meter,
  log,
}: Opening): Promise<FastifyInstance> {
  const product = promptProduct(patient)
  const app = openServer(log, (request, reply) => meter.count(request, reply))
  addApi(app, product, new Door(product, allowances))
  // Apart, because here bodies stay bytes.
  await app.register((inner, _options, done) => {
    addWebhooks(inner, promptWebhooks(webhooks))
    done()
  })
  if (gatePages)
    await app.register((inner, _options, done) => {
      addGatePages(inner, promptPages(gatePages))
      done()
    })
  let asked: { readonly at: number; readonly health: ReturnType<Product['health']> } | null = null
  app.get('/health', async (_request, reply) => {
    if (asked === null || performance.now() - asked.at > healthMs)
      asked = { at: performance.now(), health: product.health() }
    const health = await asked.health
    return reply.code(health.status === 'fail' ? 503 : 200).send(health)
  })
  const description = JSON.stringify(describeApi(product.version))
  app.get('/openapi.json', (_request, reply) => reply.type('application/json').send(description))
  return app
}
