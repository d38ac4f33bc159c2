import { numberOf } from '../model/handle.ts'
import type { Result } from '../model/problem.ts'
import { accepted, refused } from '../model/problem.ts'
import type { Run } from '../model/run.ts'
import type { Executor } from '../store/database.ts'
import { lockRunByNumber } from '../store/run.ts'

/** The run behind a handle, its row locked until the transaction ends. */
export async function lockedRun(tx: Executor, handle: string): Promise<Result<Run>> {
  const number = numberOf(handle)
  const run = number === null ? undefined : await lockRunByNumber(tx, number)
  return run ? accepted(run) : refused('not_found', `There is no run ${handle}.`, 'See /runs for the latest.')
}
