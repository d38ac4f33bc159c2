import { childrenOver, parkAsDeadLetter } from '../model/intervene.ts'
import { applyLocked } from '../store/apply.ts'
import { grantLocks, listReadyParents, wakeDue } from '../store/claim.ts'
import type { Database } from '../store/database.ts'
import { sqlState } from '../store/database.ts'
import { listChildren, lockRun } from '../store/run.ts'
import { buryKnownDead, buryWorkers, listLiveWorkers, listPoison, requeueOrphans } from '../store/worker.ts'

/** What keeps runs moving when nobody else does. Every worker sweeps; each sweep may run beside any other. */

/** Takes runs from workers whose lease is over. Answers how many are ready again. */
export async function reap(db: Database, deathsAloneAllowed: number): Promise<number> {
  await db.run(buryWorkers, {})
  const orphans = await db.run(requeueOrphans, { deathsAloneAllowed })
  await db.transaction(async (tx) => {
    for (const run of await tx.run(listPoison, { deathsAloneAllowed })) await applyLocked(tx, parkAsDeadLetter(run))
  })
  return orphans.length
}

/** What a worker says of itself in its row; `buryGone` reads it again. */
export const describeWorker = (host: string, pid: number): string => `${host} pid ${pid}`

/**
 * Declares this machine's workers dead whose process is gone, so that what they held need not wait out their lease.
 * Only for a database that no other machine uses: elsewhere a host name may be worn twice.
 */
export async function buryGone(db: Database, host: string, isAlive: (pid: number) => Promise<boolean>): Promise<void> {
  const gone: string[] = []
  for (const { id, description } of await db.run(listLiveWorkers, {})) {
    const pid = Number(description.slice(describeWorker(host, 0).length - 1))
    if (description === describeWorker(host, pid) && !(await isAlive(pid))) gone.push(id)
  }
  if (gone.length > 0) await db.run(buryKnownDead, { workers: gone })
}

/** Makes ready what may go on: waits that are over, parents whose children are, and heirs of free lock keys. */
export async function wake(db: Database): Promise<number> {
  const due = await db.run(wakeDue, { most: 1_000 })
  const heirs = await grantFreeLocks(db)
  const parents = await wakeParents(db)
  return due.length + heirs + parents
}

/** Gives free lock keys to the first in line. Losing a race against another process is no failure: it gave them. */
export async function grantFreeLocks(db: Database): Promise<number> {
  try {
    return (await db.run(grantLocks, {})).length
  } catch (error) {
    if (sqlState(error) === uniqueViolation) return 0
    throw error
  }
}

const uniqueViolation = '23505'

async function wakeParents(db: Database): Promise<number> {
  const ready = await db.run(listReadyParents, { most: 100 })
  for (const { id } of ready) {
    await db.transaction(async (tx) => {
      const parent = await lockRun(tx, id)
      if (parent?.waitingFor !== 'children') return
      const children = await tx.run(listChildren, { parent: id })
      await applyLocked(
        tx,
        childrenOver(
          parent,
          children.map((child) => ({ runId: child.id, state: child.state, reason: child.reason })),
        ),
      )
    })
  }
  return ready.length
}
