import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ownName, sweepLeftovers } from './leftovers.ts'
import { runProcess } from './run.ts'

test('what a process that has ended left is swept, and nothing of one that runs, of another machine, or of somebody else', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'qp-left-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const code = `import { ownName } from ${JSON.stringify(join(import.meta.dirname, 'leftovers.ts'))}
    process.stdout.write(await ownName('other'))`
  const args = ['--input-type=module', '-e', code]
  const limits = { timeoutMs: 10_000, maxOutputBytes: 1_000 }
  const other = await runProcess({ command: process.execPath, args, cwd: dir, ...limits })
  const gone = other.stdout.toString()
  expect(gone).toMatch(/^other\.[0-9a-f]{6}-\d+-\d*-[0-9a-f]{8}$/)
  const elsewhere = gone.replace(/\.[0-9a-f]{6}-/, '.ffffff-')
  const kept = [await ownName('mine'), elsewhere, 'notes.txt', 'agent-home-x1'].toSorted()
  for (const name of [gone, ...kept]) await mkdir(join(dir, name, 'below'), { recursive: true })
  await sweepLeftovers(dir)
  expect((await readdir(dir)).toSorted()).toEqual(kept)
})
