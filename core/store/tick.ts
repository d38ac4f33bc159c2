import { z } from 'zod'
import type { Database } from './database.ts'
import { statement } from './statement.ts'

/** When a schedule runs: every so often, counted from midnight UTC, by the database's clock. */
export type Rhythm = {
  readonly name: string
  readonly everyMs: number
  /** How far into each period its tick lies. */
  readonly offsetMs: number
  /** How long a tick may take. */
  readonly boundMs: number
}

/** A tick that its bound has left behind for this long belongs to nobody any more: its statements have timed out. */
const graceMs = 120_000

const buryTicks = statement({
  name: 'bury_ticks',
  params: ['schedule', 'afterMs'],
  row: z.object({ tick: z.date() }),
  sql: `
    update app.ticks t set outcome = 'died'
    where t.schedule = :schedule::text and t.outcome = 'running'
      and t.started_at < app.clock_now() - :afterMs::float8 * interval '1 millisecond'
    returning t.tick`,
})

const beginTick = statement({
  name: 'begin_tick',
  params: ['schedule', 'everyMs', 'offsetMs'],
  row: z.object({ tick: z.string() }),
  sql: `
    insert into app.ticks (schedule, tick)
    select :schedule::text, case
        when :everyMs::float8 is null then app.clock_now()
        else date_bin(:everyMs::float8 * interval '1 millisecond', app.clock_now(),
          timestamptz '2000-01-01 00:00+00' + :offsetMs::float8 * interval '1 millisecond')
      end
    on conflict do nothing
    returning tick::text`,
})

const endTick = statement({
  name: 'end_tick',
  params: ['schedule', 'tick', 'outcome', 'detail'],
  row: z.object({ schedule: z.string() }),
  sql: `
    update app.ticks t set outcome = :outcome::text, detail = :detail::jsonb, finished_at = app.clock_now()
    where t.schedule = :schedule::text and t.tick = :tick::timestamptz and t.outcome = 'running'
    returning t.schedule`,
})

/** The tick that is ours now, exactly as the server wrote it, or null; and the ticks found dead on the way. */
export type Begun = { readonly tick: string | null; readonly died: readonly Date[] }

/**
 * Takes the latest tick of a schedule for this process, or, `extra`, one of this very moment. Null: another process has
 * had it, or the one before is still under way. Of any number of processes one gets it.
 */
export async function takeTick(db: Database, rhythm: Rhythm, extra: boolean): Promise<Begun> {
  const { name: schedule, boundMs, everyMs, offsetMs } = rhythm
  return db.transaction(async (tx) => {
    const died = await tx.run(buryTicks, { schedule, afterMs: boundMs + graceMs })
    const [begun] = await tx.run(beginTick, { schedule, everyMs: extra ? null : everyMs, offsetMs })
    return { tick: begun?.tick ?? null, died: died.map(({ tick }) => tick) }
  })
}

/** Ends a tick. False: it took so long that it counts as dead. */
export async function finishTick(
  db: Database,
  { schedule, tick }: { readonly schedule: string; readonly tick: string },
  { outcome, detail }: { readonly outcome: 'done' | 'failed'; readonly detail: Readonly<Record<string, unknown>> },
): Promise<boolean> {
  return (await db.run(endTick, { schedule, tick, outcome, detail })).length > 0
}

/** The last tick of a schedule, if it ever ran. */
export const readLastTick = statement({
  name: 'read_last_tick',
  params: ['schedule'],
  row: z.object({
    tick: z.date(),
    startedAt: z.date(),
    finishedAt: z.date().nullable(),
    outcome: z.enum(['running', 'done', 'failed', 'died']),
    detail: z.record(z.string(), z.unknown()),
  }),
  sql: `
    select t.tick, t.started_at, t.finished_at, t.outcome, t.detail from app.ticks t
    where t.schedule = :schedule::text
    order by t.tick desc
    limit 1`,
})

/** From when on a schedule that looks back must look: a little before its last tick that was done, or as far as it looks at most. */
export const findLookBack = statement({
  name: 'find_look_back',
  params: ['schedule', 'mostMs', 'overlapMs'],
  row: z.object({ since: z.date() }),
  sql: `
    select greatest(
      app.clock_now() - :mostMs::float8 * interval '1 millisecond',
      (select t.tick from app.ticks t where t.schedule = :schedule::text and t.outcome = 'done'
       order by t.tick desc limit 1) - :overlapMs::float8 * interval '1 millisecond') as since`,
})

/** How many of these schedules failed the last time, or died of it. */
export const countFailedSchedules = statement({
  name: 'count_failed_schedules',
  params: ['schedules'],
  row: z.object({ failed: z.number() }),
  sql: `
    select count(*)::integer as failed
    from unnest(:schedules::text[]) known(name)
    cross join lateral (
      select t.outcome from app.ticks t
      where t.schedule = known.name and t.outcome <> 'running'
      order by t.tick desc
      limit 1
    ) last
    where last.outcome <> 'done'`,
})
