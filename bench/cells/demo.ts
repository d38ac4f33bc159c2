import { join } from 'node:path'
import { runProcess } from '../../adapters/process/run.ts'
import type { Bed } from '../bed.ts'
import type { Figure } from '../report.ts'

/** The newcomer's minute: `npm run demo` with nothing there yet, and again. */
export async function demo(bed: Bed): Promise<Figure[]> {
  const stateDir = join(bed.dir, 'demo')
  const first = await demoSeconds(stateDir)
  const again = await demoSeconds(stateDir)
  return [
    { name: 'npm run demo, first ever', value: first, unit: 's', bound: { atMost: 15 } },
    { name: 'npm run demo, again', value: again, unit: 's', bound: { atMost: 6 } },
  ]
}

async function demoSeconds(stateDir: string): Promise<number> {
  const startedAt = performance.now()
  const { exitCode, stdout, stderr } = await runProcess({
    command: 'npm',
    args: ['run', '--silent', 'demo', '--', '--yes'],
    cwd: join(import.meta.dirname, '../..'),
    env: { ...environment(), QP_STATE_DIR: stateDir },
    timeoutMs: 90_000,
    maxOutputBytes: 1_000_000,
  })
  const seconds = (performance.now() - startedAt) / 1000
  if (exitCode === 0) return seconds
  throw new Error(`npm run demo ended with ${exitCode}:\n${`${stdout.toString('utf8')}\n${stderr}`.slice(-2000)}`)
}

/** Ours, as a newcomer's shell would hand it down. */
const environment = (): Record<string, string> =>
  Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined))
