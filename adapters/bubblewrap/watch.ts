import { lstat, opendir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SandboxLimits } from '../../core/workshop.ts'

/** Of Linux on the processors we know. */
const pageBytes = 4096

/** How often memory and processes are looked at, and how often the folder, which takes longer. */
const lookMs = 100
const folderEvery = 10

/** A look that takes long is followed by a rest of so many times that, up to so long: the worker has other runs. */
const restTimes = 4
const mostRestMs = 5_000

/** What a file takes at least, so that a great many empty ones are found out too. */
const entryBytes = 4096

export type Overstep = 'memory' | 'disk'

type Watched = {
  readonly folder: string
  readonly limits: SandboxLimits
  /** The kernel itself counts processes and memory: only the folder is looked at. */
  readonly isCounted: boolean
}

/**
 * Looks at what a sandbox uses, from outside, and says once when it is too much. A program can pass a limit for as long as
 * lies between two looks, and no longer.
 */
export function watchUse(
  pid: number,
  { folder, limits, isCounted }: Watched,
  onOverstep: (overstep: Overstep) => void,
): () => void {
  let looks = 0
  let timer: NodeJS.Timeout | null = null
  const look = async (): Promise<void> => {
    const from = performance.now()
    if (!isCounted && (await usesTooMuch(pid, limits))) return onOverstep('memory')
    const isFull = looks++ % folderEvery === 0 && (await isLargerThan(folder, limits.folderBytes))
    if (isFull) return onOverstep('disk')
    const restMs = Math.min(mostRestMs, restTimes * (performance.now() - from))
    if (timer !== null) timer = setTimeout(() => void look(), Math.max(lookMs, restMs))
  }
  timer = setTimeout(() => void look(), lookMs)
  return () => {
    clearTimeout(timer ?? undefined)
    timer = null
  }
}

async function usesTooMuch(pid: number, limits: SandboxLimits): Promise<boolean> {
  const { processes, memoryBytes } = await useOf(pid, limits.processes)
  return processes > limits.processes || memoryBytes > limits.memoryBytes
}

/** Everything that descends from a process: nothing leaves the tree, since the sandbox's own first process adopts orphans. */
async function useOf(root: number, most: number): Promise<{ processes: number; memoryBytes: number }> {
  let memoryBytes = 0
  let processes = 0
  const left = [root]
  // Whoever makes more of them than it may is not counted to the end: that would take longer than it takes to make them.
  for (let pid = left.pop(); pid !== undefined && processes <= most; pid = left.pop()) {
    processes++
    const memory = await readFile(`/proc/${pid}/statm`, 'utf8').catch(() => '')
    // Resident without what is shared with others: libraries would count once for each process.
    const [, resident = 0, shared = 0] = memory.split(' ').map(Number)
    memoryBytes += (resident - shared) * pageBytes
    // Each thread has its own children.
    for (const thread of await readdir(`/proc/${pid}/task`).catch(() => [])) {
      const children = await readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')
      left.push(...children.split(' ').filter(Boolean).map(Number))
    }
  }
  return { processes, memoryBytes }
}

/** Stops counting as soon as the answer is known. What lies too deep to be looked at is too much, or it would be hidden there. */
async function isLargerThan(folder: string, maxBytes: number): Promise<boolean> {
  let bytes = 0
  const left = [folder]
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    try {
      // A few at a time: there may be a million in one folder.
      for await (const entry of await opendir(path)) {
        const each = join(path, entry.name)
        if (entry.isDirectory()) left.push(each)
        const blocks = entry.isDirectory() ? 0 : ((await lstat(each).catch(() => null))?.blocks ?? 0)
        bytes += Math.max(entryBytes, blocks * 512)
        if (bytes > maxBytes) return true
      }
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENAMETOOLONG') return true
    }
  }
  return false
}
