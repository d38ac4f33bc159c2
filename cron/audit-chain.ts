import { Fault } from '../core/model/problem.ts'
import { readChain } from '../core/store/audit-chain.ts'
import type { Schedule } from './work.ts'

/** Reads the whole audit and keeps where it stands outside the database; fails, and moves no anchor, where it does not hold. */
export const auditChain: Schedule = {
  name: 'audit-chain',
  says: 'proves the audit whole, and keeps where it stands apart from the database',
  everyMs: 5 * 60_000,
  offsetMs: 0,
  boundMs: 4 * 60_000,
  work: async ({ db, anchors, log }) => {
    const chain = await readChain(db, anchors)
    if (chain.kind === 'broken') {
      const { seq, problem } = chain
      log('error', 'the audit does not hold', { entry: seq, problem })
      throw new Fault({
        code: 'PRECONDITION_FAILED',
        message: `The audit does not hold. Entry ${seq}: ${problem}`,
        retryable: false,
      })
    }
    await anchors.keep(chain.end)
    return { entries: chain.end.seq }
  },
}
