import type { EventKind } from '../model/transition.ts'
import type { Database } from '../store/database.ts'
import { findRunsOfPullRequest, tellPullRequest } from '../store/pull-request.ts'
import { lockRun } from '../store/run.ts'
import { uuidv7 } from '../store/uuid.ts'

/** A pull request that is open no more. */
export type EndedPullRequest = {
  /** As people see it in a browser. */
  readonly url: string
  readonly number: number
  readonly change: 'merged' | 'closed'
}

/**
 * Tells the run that opened a pull request what became of it, and whoever follows that run; once, also when the run has
 * ended. Answers how many runs heard of it: none for a pull request of somebody else's, or one that is known.
 */
export async function endPullRequest(db: Database, { url, number, change }: EndedPullRequest): Promise<number> {
  let told = 0
  for (const { runId } of await db.run(findRunsOfPullRequest, { url })) {
    told += await db.transaction(async (tx) => {
      if (!(await lockRun(tx, runId))) return 0
      const kind: EventKind = `pull_request_${change}`
      return (await tx.run(tellPullRequest, { run: runId, kind, number, message: uuidv7() })).length
    })
  }
  return told
}
