import { escalateOpenGates } from '../core/store/reminder.ts'
import type { Schedule } from './work.ts'

const batch = 500

/** Tells the people an overdue gate is escalated to, and lets them decide it; the gate stays open. */
export const gateEscalation: Schedule = {
  name: 'gate-escalation',
  says: 'tells people of gates that nobody decided in time, and lets them decide too',
  everyMs: 60_000,
  offsetMs: 0,
  boundMs: 60_000,
  work: async ({ db, signal }) => {
    let escalated = 0
    for (let last = batch; last === batch && !signal.aborted; escalated += last) {
      last = await escalateOpenGates(db, batch)
    }
    return { escalated }
  },
}
