import type { Json } from '../model/json.ts'
import { signal } from '../model/intervene.ts'
import type { Result } from '../model/problem.ts'
import { accepted, refused } from '../model/problem.ts'
import { applyLocked } from '../store/apply.ts'
import type { Database } from '../store/database.ts'
import { insertSignal, lockRun } from '../store/run.ts'
import { uuidv7 } from '../store/uuid.ts'

/** Tells a run something, once per call: wakes it when it waits for just this, else the signal is kept until it does. */
export function sendSignal(
  db: Database,
  run: string,
  name: string,
  payload: Json,
): Promise<Result<{ readonly id: string }>> {
  return db.transaction(async (tx) => {
    const row = await lockRun(tx, run)
    if (!row) return refused('not_found', 'There is no such run.')
    const sent = { id: uuidv7(), name, payload }
    const next = signal(row, sent)
    if (!next.ok) return next
    await applyLocked(tx, next.value)
    await tx.run(insertSignal, { run, ...sent, consumed: next.value.consumedSignal !== null })
    return accepted({ id: sent.id })
  })
}
