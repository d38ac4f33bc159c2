import { Fault } from '../core/model/problem.ts'
import { checkInvariants } from '../core/store/invariants.ts'
import type { Schedule } from './work.ts'

/** Says what does not hold of all that the database keeps; changes nothing. */
export const invariants: Schedule = {
  name: 'invariants',
  says: 'checks that rows, history, money and the audit hold together',
  everyMs: 24 * 3_600_000,
  offsetMs: 4 * 3_600_000,
  boundMs: 3_600_000,
  work: async ({ db, log }) => {
    const checked = Object.entries(await checkInvariants(db))
    const broken = checked.filter(([, violations]) => violations.length > 0)
    for (const [invariant, violations] of broken)
      log('error', 'an invariant does not hold', { invariant, ...violations[0], found: violations.length })
    if (broken.length > 0) throw doesNotHold(broken.map(([name]) => name))
    return { checked: checked.length, broken: 0 }
  },
}

const doesNotHold = (names: readonly string[]): Fault =>
  new Fault({
    code: 'PRECONDITION_FAILED',
    message: `These do not hold: ${names.join(', ')}. See qp doctor --invariants.`,
    retryable: false,
  })
