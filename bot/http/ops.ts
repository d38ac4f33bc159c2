import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Figures, HttpLog } from './house.ts'
import { openServer } from './server.ts'

/** What the operator's own port needs to know. */
export interface Watched {
  /** Throws when the database does not answer. */
  ping(): Promise<unknown>
  figures(): Promise<Figures>
}

/** How long the database may take to answer before this process counts as not ready. */
const pingMs = 2_000

/** How many pings may hang at once: a database that is silent must not collect questions. */
const mostPings = 3

/** How old figures may be: some of them read every run. */
const figuresMs = 10_000

const states = ['queued', 'running', 'waiting', 'paused', 'succeeded', 'failed', 'rejected', 'cancelled'] as const

/** Counts requests by route and status; the route is the template, so that no id becomes a label. */
export class Meter {
  readonly registry = new Registry()
  readonly #requests: Counter<'method' | 'route' | 'status'>

  constructor() {
    collectDefaultMetrics({ register: this.registry })
    this.#requests = new Counter({
      name: 'qp_http_requests_total',
      help: 'requests by route template and status',
      labelNames: ['method', 'route', 'status'],
      registers: [this.registry],
    })
  }

  count(request: FastifyRequest, reply: FastifyReply): void {
    // Anybody may send any method to anywhere: what no route knows is one series.
    const route = request.routeOptions.url
    const method = route === undefined ? 'other' : request.method
    this.#requests.inc({ method, route: route ?? 'none', status: String(reply.statusCode) })
  }
}

/** The operator's port: alive, ready, and figures. For loopback or a network of one's own: it asks for no key. */
export function openOps(watched: Watched, meter: Meter, log: HttpLog): FastifyInstance {
  const app = openServer(log, () => undefined)
  const refresh = addFigures(watched, meter.registry, log)
  let pings = 0
  const isReady = async (): Promise<boolean> => {
    if (pings >= mostPings) return false
    pings++
    const asked = watched
      .ping()
      .then(() => true)
      .catch(() => false)
      .finally(() => pings--)
    return Promise.race([asked, afterMs(pingMs)])
  }
  app.get('/healthz', () => ({ status: 'pass' }))
  app.get('/readyz', async (_request, reply) => {
    const ready = await isReady()
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'pass' : 'fail' })
  })
  app.get('/metrics', async (_request, reply) => {
    await refresh()
    return reply.type(meter.registry.contentType).send(await meter.registry.metrics())
  })
  return app
}

const afterMs = (ms: number): Promise<false> =>
  new Promise((resolve) => {
    setTimeout(() => resolve(false), ms).unref()
  })

/** Gauges of what the database holds, and what brings them up to date when they are old. */
function addFigures(watched: Watched, registry: Registry, log: HttpLog): () => Promise<void> {
  const gauge = (name: string, help: string, labelNames: readonly string[] = []) =>
    new Gauge({ name, help, labelNames, registers: [registry] })
  const runs = gauge('qp_runs', 'runs by state', ['state'])
  const attempts = gauge('qp_attempts_day', 'tries of runs begun within a day, by outcome', ['outcome'])
  const denials = new Counter({
    name: 'qp_denials_total',
    help: 'tries that were denied, by surface',
    labelNames: ['surface'],
    registers: [registry],
  })
  const one = {
    queueAgeSeconds: gauge('qp_queue_age_seconds', 'how long the run queued longest has waited'),
    openGates: gauge('qp_open_gates', 'gates that wait for a decision'),
    outboxWaiting: gauge('qp_outbox_waiting', 'messages that are not sent yet'),
    outboxAgeSeconds: gauge('qp_outbox_age_seconds', 'how long the oldest of them has waited'),
    cardsFailing: gauge('qp_cards_failing', 'cards that could not be shown when it was last tried'),
    eventsWaiting: gauge('qp_events_waiting', 'events from networks that are not dealt with yet'),
    eventsQuarantined: gauge('qp_events_quarantined', 'events put aside for an operator'),
    slackRotationsFailed: gauge('qp_slack_rotations_failed', 'Slack apps whose token could not be rotated'),
    schedulesFailed: gauge('qp_schedules_failed', 'schedules that failed the last time, audit-chain among them'),
  } as const
  const refresh = async (): Promise<void> => {
    const figures = await watched.figures()
    for (const state of states) runs.set({ state }, figures.runs[state] ?? 0)
    for (const [outcome, count] of Object.entries(figures.attempts)) attempts.set({ outcome }, count)
    denials.reset()
    for (const [surface, count] of Object.entries(figures.denials)) denials.inc({ surface }, count)
    for (const [name, shown] of Object.entries(one)) shown.set(figures[name as keyof typeof one])
  }
  const up = gauge('qp_database_up', '1 when the database answered the last time somebody looked')
  let askedAt = Number.NEGATIVE_INFINITY
  return async () => {
    if (performance.now() - askedAt < figuresMs) return
    askedAt = performance.now()
    const answered = refresh().then(
      () => true,
      (error: unknown) => {
        log('warn', 'the figures could not be read', { error })
        return false
      },
    )
    up.set((await Promise.race([answered, afterMs(pingMs)])) ? 1 : 0)
  }
}
