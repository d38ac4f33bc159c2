import type { Screen } from '../bot/terminal/screen.ts'
import { exitCodes, misused } from '../bot/terminal/command-line.ts'
import { nearest } from '../core/model/nearest.ts'
import { Database } from '../core/store/database.ts'
import { choosePurger } from '../core/store/role.ts'
import { readLastTick } from '../core/store/tick.ts'
import { deliveryReconciliation } from '../cron/delivery-reconciliation.ts'
import { schedules } from '../cron/schedule.ts'
import type { Ticked } from '../cron/scheduler.ts'
import { Scheduler } from '../cron/scheduler.ts'
import type { Schedule } from '../cron/work.ts'
import type { House } from './house.ts'

export type OpenScheduler = { readonly scheduler: Scheduler; readonly close: () => Promise<void> }

/** The schedules of this process, each part of them as the role it needs. Stop the scheduler before `close`. */
export async function openScheduler(house: House): Promise<OpenScheduler> {
  const { connection, db, role, config, log, deliveries, desk } = house
  const open = (name: string, as: string | null): Database =>
    new Database(connection, {
      name: `quantapilot ${name}`,
      poolSize: 1,
      role: as,
      onIdleError: (error) => log('warn', 'an idle database connection broke', { error: error.message }),
    })
  const owner = open('owner', null)
  try {
    const as = await choosePurger(owner, role)
    const purger = as === undefined ? null : open('purger', as)
    const close = async (): Promise<void> => void (await Promise.all([owner.close(), purger?.close()]))
    const { retentionDays } = config
    const webhooks = deliveries && { deliveries, people: desk.people }
    // Asked for by hand, it says what to set.
    const used = schedules.filter((schedule) => webhooks !== null || schedule !== deliveryReconciliation)
    return { scheduler: new Scheduler({ db, owner, purger, retentionDays, webhooks, log }, used), close }
  } catch (error) {
    await owner.close()
    throw error
  }
}

type Shell = { readonly screen: Screen; readonly json: boolean }

/** `qp cron`: when each schedule ran last; `qp cron --once <schedule>`: runs one now, unless it is under way. */
export async function cron(
  shell: Shell,
  [flag, name, ...rest]: readonly string[],
  inHouse: (work: (house: House) => Promise<number>) => Promise<number>,
): Promise<number> {
  if (flag === undefined) return inHouse((house) => list(shell, house))
  const schedule = schedules.find((known) => known.name === name)
  if (flag === '--once' && schedule && rest.length === 0) return inHouse((house) => runOnce(shell, house, schedule))
  return misused(shell, ...sayWrong(flag, name, rest))
}

/** What is wrong with what was typed, and the next step. */
function sayWrong(flag: string, name: string | undefined, rest: readonly string[]): readonly [string, string] {
  const names = schedules.map((known) => known.name)
  const usage = 'Usage: qp cron | qp cron --once <schedule>'
  if (flag !== '--once') return [`cron does not know ${flag}.`, usage]
  if (name === undefined) return ['Which schedule?', `There are ${names.join(', ')}.`]
  if (rest[0] !== undefined && names.some((known) => known === name)) return [`cron does not know ${rest[0]}.`, usage]
  const meant = nearest(name, names)
  return [
    `There is no schedule ${name}.`,
    meant === null ? `There are ${names.join(', ')}.` : `Did you mean qp cron --once ${meant}?`,
  ]
}

async function runOnce({ screen, json }: Shell, house: House, schedule: Schedule): Promise<number> {
  const { scheduler, close } = await openScheduler(house)
  try {
    const ticked = await scheduler.fire(schedule, true)
    if (json) screen.output.write(`${JSON.stringify({ ok: ticked.kind === 'done', ...ticked })}\n`)
    else screen.print(sayTick(schedule, ticked))
    return ticked.kind === 'done' ? exitCodes.done : exitCodes.notDone
  } finally {
    await close()
  }
}

function sayTick({ name }: Schedule, ticked: Ticked): string {
  switch (ticked.kind) {
    case 'done':
      return `✓ ${name}  ${sayFigures(ticked.detail)}`
    case 'failed':
      return `✗ ${name}  ${ticked.message}`
    case 'not-ours':
      return `! ${name}  is under way in another process: try again in a while.`
  }
}

const sayFigures = (figures: Readonly<Record<string, unknown>>): string =>
  Object.entries(figures)
    .map(([figure, value]) => `${figure} ${String(value)}`)
    .join(', ')

async function list({ screen, json }: Shell, { db }: House): Promise<number> {
  const rows = await Promise.all(
    schedules.map(async ({ name, says }) => ({
      name,
      says,
      last: (await db.run(readLastTick, { schedule: name }))[0],
    })),
  )
  if (json) {
    const listed = rows.map(({ name, last }) => ({ name, last: last ?? null }))
    screen.output.write(`${JSON.stringify({ ok: true, schedules: listed })}\n`)
    return exitCodes.done
  }
  const width = Math.max(...rows.map(({ name }) => name.length))
  for (const { name, says, last } of rows) {
    const when = last
      ? `${last.outcome} ${last.tick.toISOString().slice(0, 16)}Z  ${sayFigures(last.detail)}`
      : 'never ran'
    screen.print(`${name.padEnd(width)}  ${says}`, `${' '.repeat(width)}  ${when}`)
  }
  return exitCodes.done
}
