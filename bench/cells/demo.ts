import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
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
  const child = spawn('npm', ['run', '--silent', 'demo', '--', '--yes'], {
    cwd: join(import.meta.dirname, '../..'),
    env: { ...process.env, QP_STATE_DIR: stateDir },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that a demo that hangs ends whole.
    detached: true,
  })
  const output: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk))
  const timer = setTimeout(() => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL'), 90_000)
  await once(child, 'close')
  clearTimeout(timer)
  const seconds = (performance.now() - startedAt) / 1000
  if (child.exitCode === 0) return seconds
  throw new Error(
    `npm run demo ended with ${child.exitCode ?? child.signalCode}:\n${Buffer.concat(output).toString('utf8').slice(-2000)}`,
  )
}
