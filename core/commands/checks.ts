import { signal } from '../model/intervene.ts'
import { applyLocked } from '../store/apply.ts'
import type { Database } from '../store/database.ts'
import { findRunsOfCommit } from '../store/effect.ts'
import { insertSignal, lockRun } from '../store/run.ts'
import { uuidv7 } from '../store/uuid.ts'

/**
 * Wakes the runs that wait for the checks of a commit; they ask again by themselves what those say, so that it does not
 * matter what this was about, nor whether it ever came. Answers how many were woken.
 */
export async function checksChanged(db: Database, commit: string): Promise<number> {
  const name = `checks:${commit}`
  let woken = 0
  for (const { runId } of await db.run(findRunsOfCommit, { commit })) {
    woken += await db.transaction(async (tx) => {
      const run = await lockRun(tx, runId)
      if (run?.waitingFor !== 'signal' || run.waitingName !== name) return 0
      const sent = { id: uuidv7(), name, payload: null }
      const next = signal(run, sent)
      if (!next.ok) return 0
      await applyLocked(tx, next.value)
      await tx.run(insertSignal, { run: runId, ...sent, consumed: true })
      return 1
    })
  }
  return woken
}
