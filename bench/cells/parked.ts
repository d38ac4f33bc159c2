import { setTimeout as delay } from 'node:timers/promises'
import { systemActor } from '../../core/model/actor.ts'
import { claimRuns } from '../../core/store/claim.ts'
import { startRuns } from '../../core/store/start.ts'
import { uuidv7 } from '../../core/store/uuid.ts'
import { insertWorker } from '../../core/store/worker.ts'
import type { Address, Bed } from '../bed.ts'
import { open } from '../bed.ts'
import { fill } from '../fill.ts'
import { Foreman } from '../foreman.ts'
import { draft, trivial } from '../recipes.ts'
import type { Figure } from '../report.ts'
import { median, percentile, rounded } from '../report.ts'

/** What 100,000 parked runs cost a worker, against 1,000. */
export async function parked(bed: Bed): Promise<Figure[]> {
  const many = bed.quick ? 20_000 : 100_000
  const [few, full] = [await bed.make('parked_few'), await bed.make('parked_many')]
  const plan = trivial(3).plan(null)
  await fill(few, 'parked', 1_000, plan)
  await fill(full, 'parked', many, plan)
  const idle: { readonly few: Idle; readonly many: Idle }[] = []
  for (let round = 0; round < (bed.quick ? 1 : 3); round++) {
    const [a, b] = await Promise.all([idleWorker(few, bed.quick), idleWorker(full, bed.quick)])
    idle.push({ few: a, many: b })
  }
  const claims = { few: await claimTimes(few, bed.quick), many: await claimTimes(full, bed.quick) }
  const cpu = (of: 'few' | 'many') => median(idle.map((round) => round[of].cpuPercent))
  return [
    {
      name: `${many} parked: claim p99`,
      value: percentile(claims.many, 99),
      unit: 'ms',
      bound: { atMost: 20 },
      note: `p50 ${rounded(median(claims.many))} ms; with 1,000 parked p50 ${rounded(median(claims.few))}, p99 ${rounded(percentile(claims.few, 99))}`,
    },
    {
      name: `${many} parked: idle worker, of one core`,
      value: cpu('many'),
      unit: '%',
      bound: { atMost: 1 },
      note: `with 1,000 parked ${rounded(cpu('few'))} %`,
    },
    {
      name: `${many} parked: worker memory above that with 1,000`,
      value: median(idle.map((round) => round.many.memoryMb - round.few.memoryMb)),
      unit: 'MB',
      bound: { atMost: 20 },
      note: `${rounded(median(idle.map((round) => round.many.memoryMb)))} MB in all`,
    },
  ]
}

type Idle = { readonly cpuPercent: number; readonly memoryMb: number }

/** A worker process with nothing to do, observed after it has settled down. */
async function idleWorker(address: Address, quick: boolean): Promise<Idle> {
  const foreman = await Foreman.hire({ address, recipe: 'trivial', ledgerFile: '', settings: {} })
  try {
    await delay(4_000)
    const before = await foreman.usage()
    await delay(quick ? 5_000 : 12_000)
    const after = await foreman.usage()
    const cpuPercent = (100 * (after.cpuMs - before.cpuMs)) / (after.atMs - before.atMs)
    return { cpuPercent, memoryMb: after.rssBytes / 1e6 }
  } finally {
    await foreman.dismiss()
  }
}

/** Milliseconds that a claim takes which finds one ready run. */
async function claimTimes(address: Address, quick: boolean): Promise<readonly number[]> {
  const db = open(address, 1)
  const recipe = trivial(1)
  const worker = uuidv7()
  await db.run(insertWorker, { worker, leaseMs: 3_600_000, description: 'bench' })
  const times: number[] = []
  try {
    for (let n = -10; n < (quick ? 200 : 1_000); n++) {
      await startRuns(db, [draft(recipe)], null)
      const startedAt = performance.now()
      const taken = await db.run(claimRuns, { worker, room: 1, actorCap: null, systemActor })
      if (n >= 0) times.push(performance.now() - startedAt)
      if (taken.length !== 1) throw new Error(`a claim found ${taken.length} runs instead of one`)
    }
    return times
  } finally {
    await db.close()
  }
}
