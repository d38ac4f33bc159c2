import { remindOfOpenGates } from '../core/store/reminder.ts'
import type { Schedule } from './work.ts'

const batch = 500

/** Puts a reminder into the outbox for each open gate whose interval has passed. */
export const gateReminders: Schedule = {
  name: 'gate-reminders',
  says: 'reminds people of gates that wait, as often as policy says',
  everyMs: 60_000,
  offsetMs: 0,
  boundMs: 60_000,
  work: async ({ db, signal }) => {
    let reminded = 0
    for (let last = batch; last === batch && !signal.aborted; reminded += last) {
      last = await remindOfOpenGates(db, batch)
    }
    return { reminded }
  },
}
