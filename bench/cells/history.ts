import type { Address, Bed } from '../bed.ts'
import { walBytes, withClient } from '../bed.ts'
import { engineOn } from '../crew.ts'
import { fill } from '../fill.ts'
import { trivial } from '../recipes.ts'
import type { Figure } from '../report.ts'
import { median, rounded } from '../report.ts'

const stepsPerRun = 5

/** Steps per second with a million finished steps in the tables, against none, turn by turn. */
export async function history(bed: Bed): Promise<Figure[]> {
  const finished = bed.quick ? 100_000 : 1_000_000
  const runs = bed.quick ? 400 : 1_500
  const [fresh, old] = [await bed.make('history_none'), await bed.make('history_full')]
  await fill(old, 'finished', finished / stepsPerRun, trivial(stepsPerRun).plan(null))
  await withClient(fresh, (client) => client.query('checkpoint'))
  const pairs: { readonly none: Measured; readonly full: Measured }[] = []
  await measure(fresh, 256)
  await measure(old, 256)
  for (let pair = 0; pair < (bed.quick ? 3 : 5); pair++) {
    // Whoever goes second finds a warmer machine: they take turns.
    const none = pair % 2 === 0 ? await measure(fresh, runs) : null
    const full = await measure(old, runs)
    pairs.push({ none: none ?? (await measure(fresh, runs)), full })
  }
  const ratios = pairs.map(({ none, full }) => full.rate / none.rate)
  const wal = pairs.map(({ none, full }) => full.walPerStep / none.walPerStep)
  return [
    {
      name: `${finished} finished steps: steps/s against none`,
      value: median(ratios),
      unit: 'x',
      bound: { atLeast: 0.8 },
      note: `${rounded(median(pairs.map((pair) => pair.full.rate)))} steps/s; ratios ${ratios.map(rounded).join(' ')}`,
    },
    {
      name: `${finished} finished steps: WAL per step against none`,
      value: median(wal),
      unit: 'x',
      bound: { atMost: 1.1 },
      note: `${rounded(median(pairs.map((pair) => pair.full.walPerStep)) / 1000)} kB; ratios ${wal.map(rounded).join(' ')}`,
    },
  ]
}

type Measured = { readonly rate: number; readonly walPerStep: number }

async function measure(address: Address, runs: number): Promise<Measured> {
  const engine = await engineOn(address, trivial(stepsPerRun), 256)
  try {
    return await withClient(address, async (client) => {
      const before = await walBytes(client)
      const seconds = await engine.drive(runs)
      const steps = runs * stepsPerRun
      return { rate: steps / seconds, walPerStep: ((await walBytes(client)) - before) / steps }
    })
  } finally {
    await engine.stop()
  }
}
