import { settle } from '../../core/model/settle.ts'
import { productionBackoff } from '../../core/model/retry.ts'
import { apply } from '../../core/store/apply.ts'
import { startRuns } from '../../core/store/start.ts'
import { uuidv7 } from '../../core/store/uuid.ts'
import { insertWorker } from '../../core/store/worker.ts'
import type { Address, Bed } from '../bed.ts'
import { open, walBytes, withClient } from '../bed.ts'
import { engineOn } from '../crew.ts'
import { floorOn, floorSql } from '../floor.ts'
import { draft, trivial } from '../recipes.ts'
import type { Figure } from '../report.ts'
import { median, rounded } from '../report.ts'

const stepsPerRun = 5

/** Steps per second of the engine against the floor of the same minute. */
export async function steps(bed: Bed): Promise<Figure[]> {
  console.log(`the floor, on 16 connections:\n${floorSql}\n`)
  const runs = bed.quick ? 400 : 2_000
  const address = await bed.make('steps')
  const floor = await floorOn(address)
  try {
    // A cold floor would flatter whoever is measured first.
    await floor.measure(runs * 5)
    const figures: Figure[] = []
    const sides = [
      { name: 'settle alone, batches of 256', atLeast: 1.5, make: () => settleAlone(address, runs) },
      { name: 'whole engine, 256 in flight', atLeast: 0.8, make: () => whole(address, 256, runs) },
      { name: 'whole engine, 16 in flight', atLeast: 0.4, make: () => whole(address, 16, runs) },
    ]
    for (const { name, atLeast, make } of sides) {
      const measured = await paired(
        address,
        { measure: () => floor.measure(runs * 2) },
        await make(),
        bed.quick ? 3 : 5,
      )
      figures.push({
        name: `${name} / floor`,
        value: measured.ratio,
        unit: 'x',
        bound: { atLeast },
        note: measured.note,
      })
      figures.push({ name: `${name}, WAL per step`, value: measured.walKb, unit: 'kB', bound: { atMost: 1.5 } })
    }
    return figures
  } finally {
    await floor.close()
  }
}

type Side = {
  /** Does the work once and answers with its steps and seconds. */
  measure(): Promise<{ steps: number; seconds: number }>
  stop(): Promise<void>
}

/** The side between two measures of the floor, again and again. */
async function paired(address: Address, floor: { measure(): Promise<number> }, side: Side, pairs: number) {
  const ratios: number[] = []
  const rates: number[] = []
  const floors = [await floor.measure()]
  const wal: number[] = []
  try {
    await withClient(address, async (client) => {
      for (let pair = 0; pair < pairs; pair++) {
        const before = await walBytes(client)
        const { steps, seconds } = await side.measure()
        wal.push(((await walBytes(client)) - before) / steps / 1000)
        floors.push(await floor.measure())
        rates.push(steps / seconds)
        ratios.push(steps / seconds / (((floors.at(-1) ?? 0) + (floors.at(-2) ?? 0)) / 2))
      }
    })
  } finally {
    await side.stop()
  }
  const list = (values: readonly number[]) => values.map(rounded).join(' ')
  const note = `${list(rates)} steps/s; floor ${list(floors)}; ratios ${list(ratios)}`
  return { ratio: median(ratios), walKb: median(wal), note }
}

async function whole(address: Address, inFlight: number, runs: number): Promise<Side> {
  const engine = await engineOn(address, trivial(stepsPerRun), inFlight)
  await engine.drive(inFlight)
  return {
    measure: async () => ({ steps: runs * stepsPerRun, seconds: await engine.drive(runs) }),
    stop: () => engine.stop(),
  }
}

/** Only the recording: 256 runs that advance together on one connection. The starting of the runs is not counted. */
async function settleAlone(address: Address, runs: number): Promise<Side> {
  const db = open(address, 1)
  const worker = uuidv7()
  await db.run(insertWorker, { worker, leaseMs: 3_600_000, description: 'bench' })
  const batch = 256
  const rounds = Math.ceil((runs * stepsPerRun) / batch)
  const recipe = trivial(rounds + 1)
  const context = {
    retry: 'io',
    backoff: productionBackoff,
    random: 0.5,
    durationMs: 1,
    signals: [],
    cleanUp: null,
  } as const
  const measure = async () => {
    const drafts = Array.from({ length: batch }, () => draft(recipe))
    let aboard = await startRuns(db, drafts, worker)
    let seconds = 0
    for (let round = 0; round < rounds; round++) {
      const startedAt = performance.now()
      const settled = aboard.map((run) =>
        settle(run, { kind: 'done', output: { ok: true } }, { ...context, gateId: uuidv7() }),
      )
      const written = await apply(db, settled, { worker })
      seconds += (performance.now() - startedAt) / 1000
      if (written.size !== batch) throw new Error(`only ${written.size} of ${batch} settlements were written`)
      aboard = settled.map(({ now, events }) => ({ ...now, eventSeq: now.eventSeq + events.length }))
    }
    return { steps: rounds * batch, seconds }
  }
  return { measure, stop: () => db.close() }
}
