import { counted } from '../model/counted.ts'
import { problemsOfRole, whyAsLogin } from '../store/assert-role.ts'
import type { AnchorStore } from '../keys.ts'
import { readChain } from '../store/audit-chain.ts'
import { measureCards } from '../store/card.ts'
import type { Database } from '../store/database.ts'
import { checkInvariants } from '../store/invariants.ts'
import { measureOutbox } from '../store/outbox.ts'
import { appRole, readRole } from '../store/role.ts'
import { readServer } from '../store/server.ts'
import { countLiveWorkers } from '../store/worker.ts'

export type Health = {
  readonly version: string
  readonly status: 'pass' | 'warn' | 'fail'
  readonly checks: Readonly<Record<string, Check>>
}

export type Check = { readonly status: 'pass' | 'warn' | 'fail'; readonly message: string }

/** A check by name; one that throws fails with its error's sentence. */
export type Probe = () => Promise<Check>

/** Runs every probe and sums up: the worst status wins. */
export async function examine(version: string, probes: Readonly<Record<string, Probe>>): Promise<Health> {
  const checks: Record<string, Check> = {}
  for (const [name, probe] of Object.entries(probes)) {
    checks[name] = await probe().catch((error: unknown) => ({
      status: 'fail' as const,
      message: error instanceof Error ? error.message : String(error),
    }))
  }
  const all = Object.values(checks).map((check) => check.status)
  const status = all.includes('fail') ? 'fail' : all.includes('warn') ? 'warn' : 'pass'
  return { version, status, checks }
}

/** Server settings that make a commit durable, and how far the clocks are apart. */
export const databaseProbes = (db: Database, now: () => number): Readonly<Record<string, Probe>> => ({
  database: async () => {
    const [server] = await db.run(readServer, {})
    if (!server) return { status: 'fail', message: 'the server did not say who it is' }
    const weak = [
      server.fsync === 'on' ? null : 'fsync is off',
      server.fullPageWrites === 'on' ? null : 'full_page_writes is off',
      server.synchronousCommit === 'on' ? null : 'synchronous_commit is off',
    ].filter((problem) => problem !== null)
    const name = `PostgreSQL ${server.serverVersion}`
    return weak.length === 0
      ? { status: 'pass', message: `${name}, durable` }
      : { status: 'fail', message: `${name}: ${weak.join(', ')}` }
  },
  role: async () => {
    const [state] = await db.run(readRole, { role: appRole })
    if (!state) return { status: 'fail', message: 'the server did not say who we are' }
    if (state.acting !== appRole) return { status: 'warn', message: whyAsLogin(state) }
    const problems = problemsOfRole(state)
    return problems.length === 0
      ? { status: 'pass', message: `acts as ${appRole}, which can change neither history nor the schema` }
      : { status: 'fail', message: problems.join(' ') }
  },
  clock: async () => {
    const before = now()
    const [server] = await db.run(readServer, {})
    const apartMs = Math.abs((server?.now.getTime() ?? 0) - (before + now()) / 2)
    return apartMs > 5_000
      ? {
          status: 'warn',
          message: `this machine's clock is ${Math.round(apartMs / 1000)} s off the database's: set it by NTP`,
        }
      : { status: 'pass', message: `within ${Math.round(apartMs)} ms of the database` }
  },
  workers: async () => {
    const [count] = await db.run(countLiveWorkers, {})
    return count && count.live > 0
      ? { status: 'pass', message: `${count.live} live` }
      : { status: 'warn', message: 'none is live: commands work by themselves, or start one with npm start' }
  },
  outbox: async () => {
    const [outbox] = await db.run(measureOutbox, {})
    const late = (outbox?.oldestMs ?? 0) > 60_000
    return { status: late ? 'warn' : 'pass', message: counted(outbox?.waiting ?? 0, 'message waits', 'messages wait') }
  },
  cards: async () => {
    const [cards] = await db.run(measureCards, {})
    return cards && cards.failing > 0
      ? { status: 'warn', message: `${cards.failing} cannot be shown for now: the log of the bot says why` }
      : { status: 'pass', message: 'all are shown' }
  },
})

/** Whether what the database keeps holds together, and the audit goes on from its anchor; reads all of it. */
export const recordProbes = (db: Database, anchors: AnchorStore): Readonly<Record<string, Probe>> => ({
  audit: async () => {
    const chain = await readChain(db, anchors)
    if (chain.kind === 'broken') return { status: 'fail', message: `entry ${chain.seq}: ${chain.problem}` }
    const { anchor, end } = chain
    const since =
      anchor === null ? 'no anchor yet' : `as on ${anchor.at.toISOString().slice(0, 16)}Z up to entry ${anchor.seq}`
    return { status: 'pass', message: `${counted(end.seq, 'entry', 'entries')}, the chain holds (${since})` }
  },
  invariants: async () => {
    const broken = Object.entries(await checkInvariants(db)).filter(([, violations]) => violations.length > 0)
    if (broken.length === 0) return { status: 'pass', message: 'all hold' }
    return {
      status: 'fail',
      message: broken.map(([name, [first]]) => `${name}: ${first?.subject} ${first?.problem}`).join('; '),
    }
  },
})
