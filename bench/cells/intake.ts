import { createHmac, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { openHttp } from '../../main/http.ts'
import type { Receivers } from '../../main/intake.ts'
import type { Bed } from '../bed.ts'
import { numberFrom, open, peopleOf, withClient } from '../bed.ts'
import type { Hail, Hailed } from '../hail.ts'
import type { Figure } from '../report.ts'
import { percentile, rounded } from '../report.ts'

const secret = 'bench'

/** Signed events at 500 a second, alone and beside 2,000 unsigned ones a second: kept, how soon, and at what cost. */
export async function intake(bed: Bed): Promise<Figure[]> {
  const seconds = bed.quick ? 5 : 30
  const address = await bed.make('intake')
  const db = open(address)
  const people = await peopleOf(address)
  const webhooks = { secretOf: () => '', allowedHosts: [] }
  const desk = { db, people, recipes: () => null, pipelines: {}, mail: null, poke: () => undefined, webhooks }
  const http = { host: '127.0.0.1', port: 0, opsHost: '127.0.0.1', opsPort: 0, runsPerHour: 10 }
  const servers = await openHttp(
    { desk, denials: new Map(), log: () => undefined, config: { http } },
    { github, telegram: null, slack: null },
    null,
  )
  const genuine = { port: servers.port, perSecond: 500, seconds, secret }
  try {
    return await withClient(address, async (client) => {
      const kept = () => numberFrom(client, 'select count(*) from app.intake')
      // The first requests find nothing compiled.
      await hail({ ...genuine, seconds: 2 })
      const before = await kept()
      const alone = await hail(genuine)
      const between = await kept()
      const rss = process.memoryUsage().rss
      const [beside, flood] = await Promise.all([hail(genuine), hail({ ...genuine, perSecond: 2_000, secret: null })])
      const after = await kept()
      return [
        ...figuresOf('signed events', { ...alone, rows: between - before, p99Ms: 500 }),
        ...figuresOf('the same beside unsigned ones', { ...beside, rows: after - between, p99Ms: 1_000 }),
        {
          name: 'unsigned events',
          value: flood.times.length / (flood.tookMs / 1000),
          unit: '/s',
          note: `answers: ${JSON.stringify(flood.statuses)}`,
        },
        {
          name: 'rows of unsigned events',
          value: after - between - beside.times.length,
          unit: '',
          bound: { atMost: 0 },
        },
        {
          name: 'memory taken by the flood',
          value: (process.memoryUsage().rss - rss) / 1e6,
          unit: 'MB',
          bound: { atMost: 100 },
        },
      ]
    })
  } finally {
    await servers.close()
    await db.close()
  }
}

type Outcome = Hailed & { readonly rows: number; readonly p99Ms: number }

function figuresOf(name: string, { times, statuses, tookMs, rows, p99Ms }: Outcome): Figure[] {
  const accepted = statuses['202'] ?? 0
  return [
    {
      name: `${name} per second`,
      value: accepted / (tookMs / 1000),
      unit: '/s',
      // What is sent at 500 a second ends with the last answer.
      bound: { atLeast: 490 },
      note: `answers: ${JSON.stringify(statuses)}`,
    },
    {
      name: `${name}, p99`,
      value: percentile(times, 99),
      unit: 'ms',
      bound: { atMost: p99Ms },
      note: `p50 ${rounded(percentile(times, 50))} ms`,
    },
    { name: `${name}, accepted and lost`, value: accepted - rows, unit: '', bound: { atMost: 0 } },
  ]
}

const github: Receivers['github'] = {
  verify: (headers, raw) => {
    const right = Buffer.from(`sha256=${createHmac('sha256', secret).update(raw).digest('hex')}`)
    const given = headers['x-hub-signature-256']
    const shown = Buffer.from(typeof given === 'string' ? given : '')
    return shown.length === right.length && timingSafeEqual(shown, right)
  },
  handle: () => Promise.resolve(),
}

/** Sends from a thread of its own, as a network would not wait for our event loop. */
async function hail(workerData: Hail): Promise<Hailed> {
  const thread = new Worker(new URL('../hail.ts', import.meta.url), { workerData })
  const [done] = (await once(thread, 'message')) as [Hailed]
  await thread.terminate()
  return done
}
