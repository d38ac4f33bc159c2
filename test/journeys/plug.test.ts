import { chmod, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runProcess, startProcess } from '../../adapters/process/run.ts'
import { makeScratch } from '../support/scratch.ts'

const launcher = resolve(import.meta.dirname, '../../bin/qp.mjs')

const program = (dir: string, ...args: readonly string[]) => ({
  command: process.execPath,
  args: [launcher, ...args],
  cwd: dir,
  env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: dir, QP_STATE_DIR: join(dir, 'state') },
})

/** Starts the demonstration and kills it, unasked, as soon as it has said so. */
async function pullThePlug(dir: string, words: RegExp): Promise<void> {
  const demo = await startProcess({ ...program(dir, 'demo', '--yes'), stdout: 'pipe' })
  let said = ''
  demo.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
    if (words.test(said)) demo.signal('SIGKILL')
  })
  await demo.exited
  expect(said).toMatch(words)
}

test('a run whose plug is pulled in every phase ends as if nothing had happened', { timeout: 120_000 }, async () => {
  const dir = await makeScratch('qp-plug-')
  // Root's database would else live outside this folder, and stay.
  await chmod(dir, 0o755)
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  // Who approves may see the documents written before the plug is pulled: the next one then begins behind them.
  for (const phase of [/1\/6/, /2\/6/, /3\/6/, /Approved by/, /[45]\/6/]) await pullThePlug(dir, phase)
  const limits = { timeoutMs: 60_000, maxOutputBytes: 1_000_000 }
  const last = await runProcess({ ...program(dir, 'demo', '--yes'), ...limits })
  expect(last.stdout.toString()).toContain('✓ 12 documents, lint 0 errors')
  expect(last).toMatchObject({ exitCode: 0 })
  const health = await runProcess({
    ...program(dir, 'doctor', '--json'),
    ...limits,
    env: { ...program(dir).env, QP_STATE_DIR: join(dir, 'state/demo') },
  })
  expect(JSON.parse(health.stdout.toString())).toMatchObject({
    checks: { invariants: { status: 'pass' }, audit: { status: 'pass' } },
  })
  const branches = await runProcess({
    ...program(dir),
    ...limits,
    command: 'git',
    args: ['-C', join(dir, 'state/demo/parcel-desk'), 'branch', '--list', 'quantapilot/*'],
  })
  expect(branches.stdout.toString().trim().split('\n')).toHaveLength(1)
})

test('a killed process that nobody has waited for is dead all the same: the next one does not wait for its lease', {
  timeout: 90_000,
}, async () => {
  const dir = await makeScratch('qp-zombie-')
  await chmod(dir, 0o755)
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const limits = { timeoutMs: 60_000, maxOutputBytes: 1_000_000 }
  const commit = 'git -c user.name=a -c user.email=a@b commit -qm shop'
  const script = `git init -q -b main && printf '# Shop\n\nThe shop must sell bread.\n' > README.md && git add . && ${commit}`
  await runProcess({ ...program(dir), ...limits, command: 'sh', args: ['-c', script] })
  const run = await runProcess({ ...program(dir, 'run', '.', '--json'), ...limits })
  const handle = /"handle":"(\w+)"/.exec(run.stdout.toString())?.[1] ?? ''

  // As in a container whose first process takes no notice of orphans.
  const { args, ...place } = program(dir, 'approve', handle)
  const negligent = ['-c', '"$0" "$@" & echo "pid $!"; exec sleep 60', place.command, ...args]
  const parent = await startProcess({ ...place, command: 'sh', args: negligent, stdout: 'pipe' })
  onTestFinished(() => parent.signal('SIGKILL'))
  let said = ''
  await new Promise<void>((arrived) => {
    parent.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (said.includes('4/6')) arrived()
    })
  })
  process.kill(Number(/pid (\d+)/.exec(said)?.[1]), 'SIGKILL')

  const startedAt = performance.now()
  const next = await runProcess({ ...program(dir, 'status', handle, '--watch'), ...limits })
  expect(next.stdout.toString()).toContain('✓ Done')
  // The lease is 30 s.
  expect(performance.now() - startedAt).toBeLessThan(25_000)
})
