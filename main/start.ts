import { once } from 'node:events'
import type { Ask } from '../bot/surface.ts'
import { exitCodes } from '../bot/terminal/command-line.ts'
import type { Screen } from '../bot/terminal/screen.ts'
import type { Config, Ops, Role } from '../config.ts'
import { counted } from '../core/model/counted.ts'
import { repeatErasures } from '../core/store/forget.ts'
import { checkAgent } from './checks.ts'
import { openScheduler } from './cron.ts'
import { endAll } from './end-all.ts'
import type { House } from './house.ts'
import { version } from './house.ts'
import { assertReachable } from './reach.ts'
import type { Bot } from './surfaces.ts'
import { startBot } from './surfaces.ts'

type Start = {
  readonly screen: Screen
  readonly house: House
  readonly role: Role
  readonly askAs: (house: House) => Promise<Ask>
  readonly signal: AbortSignal
}

/** A part of the program that is under way, and how it is stopped in order. */
type Part = {
  /** Begins what must come last; resolves when the part ended by itself, which most never do. */
  live?(): Promise<unknown>
  stop(): Promise<void>
}

/** `qp start`: the parts of a role, until the process is told to stop or a person leaves the terminal. */
export async function start(opening: Start): Promise<number> {
  const { screen, house, role, signal } = opening
  screen.print(`QuantaPilot ${version}`, `✓ database  ${house.databaseKind}, schema up to date`)
  if (role === 'migrate') return exitCodes.done
  // Before anybody is heard: a restored backup has brought back who they were, and what they might do.
  const repeated = await repeatErasures(house.db, house.desk.people)
  if (repeated > 0)
    screen.print(`! erasures  ${counted(repeated, 'person', 'people')} of a restored backup erased again`)
  const parts: Part[] = []
  try {
    if (role === 'all' || role === 'cron') parts.push(await beCron(screen, house))
    if (role === 'all' || role === 'bot') parts.push(...(await beBot(opening)))
    if (!servesApi(opening) && house.config.ops) parts.push(await beProbed(screen, house, house.config.ops))
    // Last: whoever sees a worker may take the process for ready.
    if (role === 'all' || role === 'worker') parts.push(await beWorker(screen, house))
    const isAttended = screen.isInteractive && (role === 'all' || role === 'bot')
    screen.print(isAttended ? 'Type /help. Ctrl-C stops; runs survive.' : 'No terminal here: working until stopped.')
    const lives = parts.flatMap((part) => part.live?.() ?? [])
    if (!signal.aborted) await Promise.race([once(signal, 'abort'), ...lives])
  } finally {
    // The last one first: nobody is asked for anything while the rest ends.
    await endAll(parts.toReversed().map((part) => () => part.stop()))
  }
  return exitCodes.done
}

/** Its end comes with the house, which gives back what it holds. */
async function beWorker(screen: Screen, house: House): Promise<Part> {
  await house.work()
  const models = house.config.models.map(({ name }) => name)
  screen.print(
    `✓ author    ${models.length === 0 ? 'built-in (no model key)' : [...models, 'built-in'].join(', then ')}`,
  )
  const { agent } = house.config
  screen.print(await sayAgent(house.config))
  if (agent !== null)
    screen.print(
      house.config.reviews && models.length > 0
        ? `✓ review    ${models.join(', then ')}`
        : `– review    off: no model judges a change by its criteria (${house.config.reviews ? 'QP_MODEL' : 'QP_REVIEW'})`,
    )
  return { stop: () => Promise.resolve() }
}

/** A worker whose agent is missing works all the same: documents need none. */
async function sayAgent(config: Config): Promise<string> {
  if (config.agent === null) return '– agent     off: runs end after the documents; set QP_AGENT (docs/agents.md)'
  const { status, message } = await checkAgent(config)
  return status === 'pass'
    ? `✓ agent     ${config.agent.name}, in a sandbox`
    : `! agent     ${message}; until then runs end after the documents`
}

async function beCron(screen: Screen, house: House): Promise<Part> {
  const { scheduler, close } = await openScheduler(house)
  scheduler.start()
  screen.print('✓ schedules run here')
  return {
    stop: async () => {
      await scheduler.stop()
      await close()
    },
  }
}

/** The surfaces, and the server that programs and networks call, where a port was asked for. */
async function beBot({ screen, house, role, askAs }: Start): Promise<readonly Part[]> {
  assertReachable(house.config)
  const bot = await startBot({ screen, house, askAs })
  return servesApi({ house, role }) ? [bot, await beServer(screen, house, bot)] : [bot]
}

const servesApi = ({ house, role }: Pick<Start, 'house' | 'role'>): boolean =>
  house.config.http !== null && (role === 'all' || role === 'bot')

async function beProbed(screen: Screen, house: House, ops: Ops): Promise<Part> {
  const { openProbes } = await import('./http.ts')
  const server = await openProbes(house, ops)
  screen.print(`✓ probes    port ${server.port}`)
  return { stop: () => server.close() }
}

async function beServer(screen: Screen, house: House, { receivers, gatePages }: Bot): Promise<Part> {
  const { openHttp } = await import('./http.ts')
  const servers = await openHttp(house, receivers, gatePages)
  screen.print(`✓ http      port ${servers.port}; metrics and probes on port ${servers.opsPort}`)
  return { stop: () => servers.close() }
}
