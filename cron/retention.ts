import { systemActor } from '../core/model/actor.ts'
import { Fault } from '../core/model/problem.ts'
import { appendAudit } from '../core/store/audit.ts'
import type { Database } from '../core/store/database.ts'
import { purgeDeliveries } from '../core/store/purge-deliveries.ts'
import { purgeLapsed } from '../core/store/purge-lapsed.ts'
import {
  purgeArtifacts,
  purgeHistory,
  purgeListMonths,
  purgeListRuns,
  purgeMonth,
  purgeRuns,
  purgeTicks,
  purgeTraces,
} from '../core/store/retention.ts'
import { purgerRole } from '../core/store/role.ts'
import type { Hands, Schedule } from './work.ts'

/** Removes finished runs whose retention has passed, bytes that nobody names any more, and what came in or lapsed long ago. */
export const retention: Schedule = {
  name: 'retention',
  says: 'removes finished runs whose time is over, what only they used, old deliveries, and what lapsed',
  everyMs: 24 * 3_600_000,
  offsetMs: 3 * 3_600_000,
  boundMs: 3_600_000,
  work: async ({ purger, retentionDays, names, log, signal }) => {
    if (purger === null) throw mayNotPurge()
    const purge: Purge = { db: purger, mostDays: retentionDays, log, signal }
    const runs = await removeRuns(purge)
    const months = await dropMonths(purge)
    const artifacts = await removeArtifacts(purge)
    const deliveries = await removeDeliveries(purge)
    const [lapsed] = await purger.run(purgeLapsed, {})
    for (const schedule of names) await purger.run(purgeTicks, { schedule })
    return { runs, months, artifacts, deliveries, lapsed: lapsed?.removed ?? 0 }
  },
}

type Purge = Pick<Hands, 'log' | 'signal'> & { readonly db: Database; readonly mostDays: number }

const mayNotPurge = (): Fault =>
  new Fault({
    code: 'PRECONDITION_FAILED',
    message: `This login may not remove runs: have an administrator run GRANT ${purgerRole} TO it, or let another process run this schedule.`,
    retryable: false,
  })

const page = 500
const batch = 100
const firstId = '00000000-0000-0000-0000-000000000000'

/** Walks over all runs once, and removes the due ones a batch at a time, each with its audit entry in one commit. */
async function removeRuns({ db, mostDays, signal }: Purge): Promise<number> {
  const months = await db.run(purgeListMonths, { mostDays })
  const whole = new Set(months.filter(({ isWhole }) => isWhole).map(({ month }) => month))
  let removed = 0
  for (let after: string | undefined = firstId; after !== undefined && !signal.aborted; ) {
    const rows: readonly { id: string; isDue: boolean }[] = await db.run(purgeListRuns, { after, most: page, mostDays })
    const due = rows.filter(({ isDue }) => isDue).map(({ id }) => id)
    for (let first = 0; first < due.length && !signal.aborted; first += batch) {
      removed += await removeBatch({ db, mostDays, whole }, due.slice(first, first + batch))
    }
    after = rows.length === page ? rows.at(-1)?.id : undefined
  }
  return removed
}

type Batch = Pick<Purge, 'db' | 'mostDays'> & { readonly whole: ReadonlySet<string> }

async function removeBatch({ db, mostDays, whole }: Batch, due: readonly string[]): Promise<number> {
  return db.transaction(async (tx) => {
    const gone = await tx.run(purgeRuns, { runs: due, mostDays })
    const runs = gone.map(({ id }) => id)
    if (runs.length === 0) return 0
    await tx.run(purgeTraces, { runs })
    // Where a whole month goes, its history goes with the month.
    const byRow = runs.filter((id) => !whole.has(monthOf(id)))
    if (byRow.length > 0) await tx.run(purgeHistory, { runs: byRow })
    const entry = { actorId: systemActor, action: 'run.purge', runId: null, correlationId: null, target: 'retention' }
    await appendAudit(tx, [{ ...entry, contentSha256: null, detail: { runs } }])
    return runs.length
  })
}

/** `2026_08`: the month in the first 48 bits of a uuid v7. */
const monthOf = (id: string): string =>
  new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)).toISOString().slice(0, 7).replace('-', '_')

/** A month that is in use right now is dropped another day. */
async function dropMonths({ db, mostDays, log, signal }: Purge): Promise<number> {
  let dropped = 0
  for (const { month } of await db.run(purgeListMonths, { mostDays })) {
    if (signal.aborted) break
    try {
      const [answer] = await db.run(purgeMonth, { month })
      if (answer?.isDropped) dropped++
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      log('warn', 'a month of history is in use and is dropped another time', { month })
    }
  }
  return dropped
}

async function removeArtifacts({ db, signal }: Purge): Promise<number> {
  let removed = 0
  for (let after: string | null = ''; after !== null && !signal.aborted; ) {
    const [found]: { last: string | null; removed: number }[] = await db.run(purgeArtifacts, { after, most: page })
    removed += found?.removed ?? 0
    after = found?.last ?? null
  }
  return removed
}

/** Walks over what came in once, a page to a statement. */
async function removeDeliveries({ db, signal }: Purge): Promise<number> {
  let removed = 0
  for (const purge of purgeDeliveries) {
    let place: { source: string | null; deliveryId: string | null } = { source: '', deliveryId: '' }
    while (place.source !== null && !signal.aborted) {
      const [found] = await db.run(purge, { ...place, most: page })
      removed += found?.removed ?? 0
      place = found ?? { source: null, deliveryId: null }
    }
  }
  return removed
}
