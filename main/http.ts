import type { Figures, GatePages, Holder, Product } from '../bot/http/house.ts'
import type { Receivers } from './intake.ts'
import { Intake } from './intake.ts'
import { openPublic } from '../bot/http/http.ts'
import { Meter, openOps } from '../bot/http/ops.ts'
import { portOf } from '../bot/http/server.ts'
import type { Http, Ops } from '../config.ts'
import { databaseProbes, examine } from '../core/commands/doctor.ts'
import { execute } from '../core/commands/execute.ts'
import { denyActor } from '../core/commands/greet.ts'
import { hashOfKey } from '../core/commands/keys.ts'
import type { Desk } from '../core/commands/desk.ts'
import type { Actor } from '../core/model/actor.ts'
import { handleOf } from '../core/model/handle.ts'
import { accepted, assert, Fault } from '../core/model/problem.ts'
import { findKey } from '../core/store/api-key.ts'
import { loadArtifact } from '../core/store/artifact.ts'
import { measureCards } from '../core/store/card.ts'
import type { Database } from '../core/store/database.ts'
import {
  countAttempts,
  countRunStates,
  countWaiting,
  findRunOfGate,
  listProjects,
  ping,
} from '../core/store/metrics.ts'
import { measureOutbox } from '../core/store/outbox.ts'
import { countFailedSlackTokens } from '../core/store/slack-token.ts'
import { countFailedSchedules } from '../core/store/tick.ts'
import { schedules } from '../cron/schedule.ts'
import type { House } from './house.ts'
import { version } from './house.ts'

/** The servers under way. */
export type HttpServers = {
  readonly port: number
  readonly opsPort: number
  /** Answers what has been asked, takes nothing more, and lets the event under way end. */
  close(): Promise<void>
}

/** One server under way. */
export type HttpServer = { readonly port: number; close(): Promise<void> }

type Serving = Pick<House, 'desk' | 'denials' | 'log'> & { readonly config: { readonly http: Http | null } }

/**
 * Opens the public port and the operator's. Throws a Fault when one is taken. What networks send is kept before it is
 * answered, and handed on from here.
 */
export async function openHttp(
  { desk, denials, log, config }: Serving,
  receivers: Receivers,
  gatePages: GatePages | null,
): Promise<HttpServers> {
  const { http } = config
  assert(http, 'HTTP is served although no port was asked for')
  const meter = new Meter()
  const intake = new Intake(desk, receivers, log)
  const app = await openPublic({
    product: productOf(desk),
    webhooks: intake.webhooks,
    gatePages,
    allowances: { requestsPerHour: 1_000, runsPerHour: http.runsPerHour, failuresPerHour: 1_000 },
    meter,
    log,
  })
  const ops = openOps({ ping: () => desk.db.run(ping, {}), figures: () => figuresOf(desk.db, denials) }, meter, log)
  const close = async (): Promise<void> => {
    await Promise.all([app.close(), ops.close()])
    await intake.stop()
  }
  try {
    await app.listen({ host: http.host, port: http.port })
    await ops.listen({ host: http.opsHost, port: http.opsPort })
  } catch (cause) {
    await close()
    throw cannotListen(cause)
  }
  intake.start()
  return { port: portOf(app), opsPort: portOf(ops), close }
}

/** Opens the operator's port alone, for a process that serves no API. Throws a Fault when it is taken. */
export async function openProbes(
  { desk, denials, log }: Pick<House, 'desk' | 'denials' | 'log'>,
  { host, port }: Ops,
): Promise<HttpServer> {
  const ops = openOps(
    { ping: () => desk.db.run(ping, {}), figures: () => figuresOf(desk.db, denials) },
    new Meter(),
    log,
  )
  try {
    await ops.listen({ host, port })
  } catch (cause) {
    await ops.close()
    throw cannotListen(cause)
  }
  return { port: portOf(ops), close: () => ops.close() }
}

const cannotListen = (cause: unknown): Fault =>
  new Fault({
    code: 'PRECONDITION_FAILED',
    message: `HTTP cannot be served (${cause instanceof Error ? cause.message : String(cause)}): set QP_HTTP_PORT and QP_OPS_PORT to free ports.`,
    retryable: false,
    cause,
  })

function productOf(desk: Desk): Product {
  const { db } = desk
  // Between letting a holder in and doing what they ask, roles may change: they travel with the holder of one request.
  const actors = new WeakMap<Holder, Actor>()
  const actorOf = (holder: Holder): Actor => {
    const actor = actors.get(holder)
    assert(actor, 'a holder of a key came from elsewhere')
    return actor
  }
  return {
    version,
    identify: async (secret) => {
      const [row] = await db.run(findKey, { sha256: hashOfKey(secret) })
      if (!row) return null
      const holder = { keyId: row.id, label: row.label, scopes: row.scopes }
      const { actorId: id, roles, lent, label } = row
      actors.set(holder, { id, roles, lent, label, surface: 'http', at: null })
      return holder
    },
    ask: async (holder, command, deliveryId) => {
      let isReplay = false
      const onRepeat = (): void => {
        isReplay = true
      }
      const result = await execute({ ...desk, onRepeat }, actorOf(holder), command, deliveryId)
      return { result, isReplay }
    },
    deny: (holder, why) => denyActor(desk, actorOf(holder), why),
    projects: async (holder, page) => {
      const may = await execute(desk, actorOf(holder), { kind: 'runs', page: 1 }, '')
      if (!may.ok) return may
      return accepted(await db.run(listProjects, { most: projectsAPage, skip: (page - 1) * projectsAPage }))
    },
    runOfGate: async (gate) => {
      const [row] = await db.run(findRunOfGate, { gate })
      return row ? handleOf(row.number) : null
    },
    bytes: (sha256) => loadArtifact(db, sha256),
    health: () => {
      const { database, workers, outbox, cards } = databaseProbes(db, () => Date.now())
      const probes = { ...(database && { database }), ...(workers && { workers }), ...(outbox && { outbox }) }
      return examine(version, { ...probes, ...(cards && { cards }) })
    },
  }
}

const projectsAPage = 20

async function figuresOf(db: Database, denials: House['denials']): Promise<Figures> {
  const [states, attempts, [waiting], [outbox], [cards], [slack], [ticks]] = await Promise.all([
    db.run(countRunStates, {}),
    db.run(countAttempts, {}),
    db.run(countWaiting, {}),
    db.run(measureOutbox, {}),
    db.run(measureCards, {}),
    db.run(countFailedSlackTokens, {}),
    db.run(countFailedSchedules, { schedules: schedules.map(({ name }) => name) }),
  ])
  const queued = states.find(({ state }) => state === 'queued')
  return {
    runs: Object.fromEntries(states.map(({ state, runs }) => [state, runs])),
    queueAgeSeconds: (queued?.oldestMs ?? 0) / 1000,
    attempts: Object.fromEntries(attempts.map(({ outcome, attempts: count }) => [outcome, count])),
    openGates: waiting?.gates ?? 0,
    eventsWaiting: waiting?.intake ?? 0,
    eventsQuarantined: waiting?.quarantined ?? 0,
    outboxWaiting: outbox?.waiting ?? 0,
    slackRotationsFailed: slack?.failed ?? 0,
    schedulesFailed: ticks?.failed ?? 0,
    outboxAgeSeconds: (outbox?.oldestMs ?? 0) / 1000,
    denials: Object.fromEntries(denials),
    cardsFailing: cards?.failing ?? 0,
  }
}
