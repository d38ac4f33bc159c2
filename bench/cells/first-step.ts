import type { Bed } from '../bed.ts'
import { open, until, withClient } from '../bed.ts'
import { workerOn } from '../crew.ts'
import { bareCommit, latencyFigures } from '../latency.ts'
import { draft, trivial } from '../recipes.ts'
import type { Figure } from '../report.ts'

/** From the call that starts a run to the first line of its first step, with nothing else going on. */
export async function firstStep(bed: Bed): Promise<Figure[]> {
  const samples = bed.quick ? 200 : 1_000
  const address = await bed.make('first')
  const db = open(address)
  let begunAt: number | null = null
  const recipe = trivial(1, () => {
    begunAt = performance.now()
  })
  const worker = workerOn(db, recipe)
  await worker.begin()
  try {
    return await withClient(address, async (client) => {
      const commit = await bareCommit(client)
      const times: number[] = []
      const commits: number[] = []
      for (let n = -20; n < samples; n++) {
        begunAt = null
        const startedAt = performance.now()
        const run = await worker.start(draft(recipe))
        await until('the first step', 10_000, () => begunAt !== null)
        if (n >= 0) times.push(Number(begunAt) - startedAt)
        await until('the end of the run', 10_000, async () => {
          const { rows } = await client.query({ name: 'over', text: overSql, values: [run.id] })
          return rows.length === 1
        })
        const took = await commit()
        if (n >= 0) commits.push(took)
      }
      return latencyFigures('start to first step', times, commits)
    })
  } finally {
    await worker.stop()
    await db.close()
  }
}

const overSql = "select 1 from app.runs where id = $1 and state = 'succeeded'"
