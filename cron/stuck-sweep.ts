import { handleOf } from '../core/model/handle.ts'
import { measureOutbox } from '../core/store/outbox.ts'
import { checkStuckRuns } from '../core/store/stuck.ts'
import type { Schedule } from './work.ts'

/** Longer than a takeover, a backoff or a restart of the database takes. */
const lateMs = 5 * 60_000

const pausedMs = 7 * 24 * 3_600_000

/** Says which runs nothing will wake, and when messages do not get out; changes nothing. */
export const stuckSweep: Schedule = {
  name: 'stuck-sweep',
  says: 'reports runs that nothing will wake, and messages that do not get out',
  everyMs: 5 * 60_000,
  offsetMs: 0,
  boundMs: 120_000,
  work: async ({ db, log }) => {
    const stuck = await db.run(checkStuckRuns, { lateMs, pausedMs })
    for (const { number, problem } of stuck) log('error', 'a run is stuck', { run: handleOf(number), problem })
    const [outbox] = await db.run(measureOutbox, {})
    const oldestMs = outbox?.oldestMs ?? 0
    if (oldestMs > lateMs)
      log('error', 'messages do not get out', { waiting: outbox?.waiting, oldestS: Math.round(oldestMs / 1000) })
    return { stuck: stuck.length, unsent: outbox?.waiting ?? 0, oldestUnsentS: Math.round(oldestMs / 1000) }
  },
}
