import type { Ask, Level } from '../../core/store/call.ts'
import { reserve } from '../../core/store/reserve.ts'
import { settleUses } from '../../core/store/settle-uses.ts'
import { startRuns } from '../../core/store/start.ts'
import { uuidv7 } from '../../core/store/uuid.ts'
import { insertWorker } from '../../core/store/worker.ts'
import type { Bed } from '../bed.ts'
import { open } from '../bed.ts'
import { draft, trivial } from '../recipes.ts'
import type { Figure } from '../report.ts'
import { median } from '../report.ts'

const cap = { zone: 'Europe/Berlin', capMicros: 1e12, capTokens: 1e12 } as const

/** Every level there is besides the run's own. */
const levels = (run: string): readonly Level[] => [
  { level: 'step', about: `${run}:s`, period: null, ...cap },
  { level: 'task', about: `${run}:M-001`, period: null, ...cap },
  { level: 'project-day', about: 'shop', period: 'day', ...cap },
  { level: 'actor-day', about: 'olivia', period: 'day', ...cap },
  { level: 'instance-day', about: 'all', period: 'day', ...cap },
  { level: 'hour', about: 'all', period: 'hour', ...cap },
  { level: 'minute', about: 'all', period: 'minute', ...cap },
]

/** Calls whose worst case is reserved and whose use is settled, with all levels on, in a second. */
export async function money(bed: Bed): Promise<Figure[]> {
  const db = open(await bed.make('money'))
  const worker = uuidv7()
  try {
    await db.run(insertWorker, { worker, leaseMs: 3_600_000, description: 'bench' })
    const drafts = Array.from({ length: 64 }, () => ({ ...draft(trivial(1)), cap: { micros: 1e12, tokens: 1e12 } }))
    const runs = await startRuns(db, drafts, worker)
    const askFor = (n: number): Ask => {
      const run = runs[n % runs.length]
      if (!run) throw new Error('no run')
      const { id, fence } = run
      return { run: id, fence, id: uuidv7(), step: 's', purpose: 'call', micros: 100, tokens: 10, levels: levels(id) }
    }
    const call = async (size: number): Promise<void> => {
      const asks = Array.from({ length: size }, (_, n) => askFor(n))
      const answers = await reserve(db, worker, asks)
      if (answers.some(({ granted }) => !granted)) throw new Error(`refused: ${JSON.stringify(answers[0])}`)
      await settleUses(
        db,
        asks.map(({ run, id }) => ({ run, id, micros: 60, tokens: 6 })),
      )
    }
    const perSecond = async (size: number, calls: number): Promise<number> => {
      const rates: number[] = []
      for (let round = 0; round < 5; round++) {
        const startedAt = performance.now()
        for (let done = 0; done < calls; done += size) await call(size)
        rates.push((calls / (performance.now() - startedAt)) * 1_000)
      }
      return median(rates)
    }
    await call(64)
    const factor = bed.quick ? 1 : 4
    return [
      {
        name: 'reserve and settle, one at a time',
        value: await perSecond(1, 500 * factor),
        unit: '/s',
        bound: { atLeast: 1_000 },
      },
      {
        name: 'reserve and settle, batches of 256',
        value: await perSecond(256, 5_120 * factor),
        unit: '/s',
        bound: { atLeast: 8_000 },
      },
    ]
  } finally {
    await db.close()
  }
}
