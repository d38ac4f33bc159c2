// Measures QuantaPilot on this machine, prints each figure beside its target, and writes results.json.
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startEmbeddedPostgres } from '../adapters/embedded-postgres/start.ts'
import type { Bed } from './bed.ts'
import { bedOn, withClient } from './bed.ts'
import { approve } from './cells/approve.ts'
import { chat } from './cells/chat.ts'
import { demo } from './cells/demo.ts'
import { firstStep } from './cells/first-step.ts'
import { history } from './cells/history.ts'
import { intake } from './cells/intake.ts'
import { kill } from './cells/kill.ts'
import { money } from './cells/money.ts'
import { parked } from './cells/parked.ts'
import { steps } from './cells/steps.ts'
import type { Figure } from './report.ts'
import { lineOf, machine, verdictOf } from './report.ts'

const cells: Readonly<Record<string, { readonly title: string; readonly measure: (bed: Bed) => Promise<Figure[]> }>> = {
  1: { title: 'steps per second', measure: steps },
  2: { title: 'start to first step', measure: firstStep },
  3: { title: 'approve to next step', measure: approve },
  4: { title: 'kill -9', measure: kill },
  5: { title: 'parked runs', measure: parked },
  6: { title: 'history', measure: history },
  7: { title: 'npm run demo', measure: demo },
  8: { title: 'chat', measure: chat },
  9: { title: 'webhooks', measure: intake },
  10: { title: 'money', measure: money },
}

const { values } = parseArgs({ options: { only: { type: 'string' }, quick: { type: 'boolean', default: false } } })
const asked = values.only?.split(',') ?? Object.keys(cells)
const unknown = asked.find((name) => !(name in cells))
if (unknown !== undefined) {
  console.error(`There is no cell ${unknown}: --only takes ${Object.keys(cells).join(',')}.`)
  process.exit(2)
}

// A bench that hangs ends by itself.
const alarm = new AbortController()
const alarmTimer = setTimeout(() => alarm.abort(new Error('the bench took longer than 15 minutes')), 900_000)
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => alarm.abort(new Error(`ended by ${signal}`)))
const ended = new Promise<never>((_, reject) => {
  alarm.signal.addEventListener('abort', () => reject(alarm.signal.reason as Error))
})
ended.catch(() => undefined)

const dir = await mkdtemp(join(tmpdir(), 'quantapilot-bench-'))
// When root runs the bench, the server's own user has to get in.
await chmod(dir, 0o755)
const server = await startEmbeddedPostgres({ dir: join(dir, 'pg'), durable: true, signal: alarm.signal })
const bed = bedOn(server.connection, dir, values.quick)
try {
  await Promise.race([measureAll(), ended])
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  clearTimeout(alarmTimer)
  await bed.drop().catch((error: unknown) => console.error(error))
  await server.stop()
  await rm(dir, { recursive: true, force: true })
}
process.exit()

async function measureAll(): Promise<void> {
  const version = await withClient(server.connection, (client) => client.query<{ version: string }>('select version()'))
  const on = machine(dir, version.rows[0]?.version ?? 'unknown')
  console.log(`${on.cpu}, ${on.cores} cores, ${on.memoryGb} GB, ${on.system}, node ${on.node}\n${on.postgres}`)
  console.log(
    `fdatasync of 8 kB: ${on.fdatasyncMs} ms${values.quick ? '\n--quick: short sizes, for orientation only' : ''}\n`,
  )
  const results: Record<string, unknown>[] = []
  for (const name of asked) {
    const startedAt = performance.now()
    const { title, figures } = await measureOne(name)
    for (const figure of figures) {
      console.log(lineOf(figure))
      results.push({ cell: title, ...figure, verdict: verdictOf(figure) })
    }
    console.log(`  (${title}: ${Math.round((performance.now() - startedAt) / 1000)} s)\n`)
  }
  const report = { at: new Date().toISOString(), quick: values.quick, machine: on, figures: results }
  await writeFile(join(import.meta.dirname, 'results.json'), `${JSON.stringify(report, null, 2)}\n`)
}

/** A cell that fails is a figure too, so that the others are still measured. */
async function measureOne(name: string): Promise<{ readonly title: string; readonly figures: readonly Figure[] }> {
  const cell = cells[name]
  if (!cell) throw new RangeError(`there is no cell ${name}`)
  try {
    return { title: cell.title, figures: await cell.measure(bed) }
  } catch (error) {
    process.exitCode = 1
    console.error(error)
    return { title: cell.title, figures: [{ name: `${cell.title} failed`, value: 1, unit: '', bound: { atMost: 0 } }] }
  }
}
