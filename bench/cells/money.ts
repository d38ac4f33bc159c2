import type pg from 'pg'
import type { Ask, Level } from '../../core/store/call.ts'
import { reserve } from '../../core/store/reserve.ts'
import { settleUses } from '../../core/store/settle-uses.ts'
import { startRuns } from '../../core/store/start.ts'
import { uuidv7 } from '../../core/store/uuid.ts'
import { insertWorker } from '../../core/store/worker.ts'
import type { Bed } from '../bed.ts'
import { open, withClient } from '../bed.ts'
import { draft, trivial } from '../recipes.ts'
import type { Figure } from '../report.ts'
import { median, rounded } from '../report.ts'

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

/** The same trips to the server and to the disk, with one bare row each: a commit that waits, and one that does not. */
const bareSql = {
  insert: 'insert into bare (id, n) values ($1, 0)',
  update: `update bare set n = n + 1 from (select set_config('synchronous_commit', 'off', true)) o where id = $1`,
}

/** Calls whose worst case is reserved and whose use is settled, with all levels on, in a second. */
export async function money(bed: Bed): Promise<Figure[]> {
  const address = await bed.make('money')
  const db = open(address)
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
    const perSecond = async (count: number, work: () => Promise<void>): Promise<number> => {
      const startedAt = performance.now()
      await work()
      return (count / (performance.now() - startedAt)) * 1_000
    }
    const inCalls = (size: number, calls: number) =>
      perSecond(calls, async () => {
        for (let done = 0; done < calls; done += size) await call(size)
      })
    const bare = (client: pg.Client, pairs: number) =>
      perSecond(pairs, async () => {
        for (let n = 0; n < pairs; n++) {
          const values = [uuidv7()]
          await client.query({ name: 'bare insert', text: bareSql.insert, values })
          await client.query({ name: 'bare update', text: bareSql.update, values })
        }
      })
    await call(64)
    const factor = bed.quick ? 1 : 4
    const ones: number[] = []
    const many: number[] = []
    const bares: number[] = []
    await withClient(address, async (client) => {
      await client.query('create table bare (id uuid primary key, n integer not null)')
      for (let round = 0; round < 5; round++) {
        bares.push(await bare(client, 250 * factor))
        ones.push(await inCalls(1, 500 * factor))
      }
    })
    for (let round = 0; round < 5; round++) many.push(await inCalls(256, 5_120 * factor))
    const sayAll = (rates: readonly number[]): string => rates.map(rounded).join(' ')
    return [
      {
        name: 'reserve and settle, one at a time',
        value: median(ones),
        unit: '/s',
        bound: { atLeast: 1_000 },
        note: sayAll(ones),
      },
      {
        name: 'the same against two bare statements',
        value: median(ones.map((rate, n) => rate / (bares[n] ?? Number.NaN))),
        unit: 'x',
        note: `bare ${sayAll(bares)}`,
      },
      {
        name: 'reserve and settle, batches of 256',
        value: median(many),
        unit: '/s',
        bound: { atLeast: 8_000 },
        note: sayAll(many),
      },
    ]
  } finally {
    await db.close()
  }
}
