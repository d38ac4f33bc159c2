import { mkdir, mkdtemp, readdir, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import { createBubblewrap } from '../../adapters/bubblewrap/sandbox.ts'
import type { SandboxLimits, SandboxResult } from '../../core/workshop.ts'
import { openTestHouse } from '../support/house.ts'
import { kind, pipelineOf, startRunOf } from '../support/recipe.ts'

/** Two of these burn a processor each while the rest of the script drives the sandbox into its limit. */
const burn = '(while :; do :; done) & (while :; do :; done) & '

/** What a sandbox is driven into, and what is to end it. */
export const hostile = {
  time: { script: `${burn} sleep 60`, ends: 'time' },
  memory: {
    script: `${burn} node -e 'const a = []; setInterval(() => a.push(Buffer.alloc(3e7, 1)), 5)'`,
    ends: 'memory',
  },
  processes: {
    script: `${burn} i=0; while [ $i -lt 400 ]; do sleep 60 & i=$((i+1)); done 2>/dev/null; sleep 60`,
    ends: 'time',
  },
  output: {
    script: `${burn} while :; do i=0; while [ $i -lt 50 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done; sleep 0; done`,
    ends: 'output',
  },
  disk: { script: `${burn} i=0; while :; do i=$((i+1)); head -c 3000000 /dev/zero > big$i; done`, ends: 'disk' },
} as const

export type Limit = keyof typeof hostile

const limits: SandboxLimits = {
  timeoutMs: 30_000,
  memoryBytes: 400_000_000,
  processes: 300,
  outputBytes: 1_000_000,
  scratchBytes: 20_000_000,
  folderBytes: 100_000_000,
}

/**
 * Steps per second that the runs of one worker make, alone and beside a sandbox that is driven into a limit again and again,
 * side by side in alternating rounds. Answers with both medians and how the sandbox ended each time.
 */
export async function besideSandbox(
  limit: Limit,
  { rounds, roundMs }: { readonly rounds: number; readonly roundMs: number },
) {
  let steps = 0
  const step = kind(() => Promise.resolve({ kind: 'done', output: ++steps }))
  const last = kind(async () => {
    await startRunOf(house, 'endless')
    return { kind: 'done', output: ++steps }
  })
  const names = Array.from({ length: 100 }, (_, n) => `s${n}`)
  const endless = pipelineOf('endless', { ...Object.fromEntries(names.map((name) => [name, step])), last })
  const house = await openTestHouse({ endless })
  await house.work()
  const dir = await mkdtemp(join(tmpdir(), 'qp-beside-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const sandbox = createBubblewrap({ stateDir: dir, path: '/usr/bin:/bin' })
  for (let n = 0; n < 4; n++) await startRunOf(house, 'endless')
  const measure = async (isOver = (): boolean => true): Promise<number> => {
    const [before, from] = [steps, performance.now()]
    do await delay(roundMs)
    while (!isOver())
    return ((steps - before) / (performance.now() - from)) * 1_000
  }
  const before = await usedBytes(dir)
  const [alone, beside, ended]: [number[], number[], SandboxResult[]] = [[], [], []]
  await measure()
  for (let round = 0; round < rounds; round++) {
    alone.push(await measure())
    const stop = new AbortController()
    const attack = (async () => {
      while (!stop.signal.aborted) {
        const folder = join(dir, 'work')
        await mkdir(folder)
        const order = {
          folder,
          command: ['sh', '-c', hostile[limit].script],
          env: {},
          stdin: null,
          mounts: [],
          bridge: null,
          limits: { ...limits, timeoutMs: hostile[limit].ends === 'time' ? 2_500 : limits.timeoutMs },
        }
        const result = await sandbox.run(order, stop.signal).catch(() => null)
        if (result) ended.push(result)
        await rm(folder, { recursive: true, force: true })
      }
    })()
    const times = ended.length
    beside.push(await measure(() => ended.length > times))
    stop.abort()
    await attack
  }
  expect(await readdir(dir), 'nothing but what each sandbox shows').toEqual(['sandbox'])
  await expect.poll(async () => (await usedBytes(dir)) - before, { timeout: 10_000 }).toBeLessThan(20_000_000)
  return { alone: median(alone), beside: median(beside), ended: ended.map((result) => result.ended) }
}

const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[values.length >> 1] ?? 0

async function usedBytes(folder: string): Promise<number> {
  const { blocks, bfree, bsize } = await statfs(folder)
  return (blocks - bfree) * bsize
}
