import type { Dirent } from 'node:fs'
import { lstat, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SandboxLimits } from '../../core/workshop.ts'

/** Of Linux on the processors we know. */
const pageBytes = 4096

/** How long it is from one look to the next: longer after one that took long, as that at a folder of many files does. */
const lookMs = 100
const longestMs = 1_000

export type Overstep = 'memory' | 'disk'

/**
 * Looks at what a sandbox uses, from outside, and says once when it is too much. A program can pass a limit for as long as
 * lies between two looks, and no longer.
 */
export function watchUse(
  pid: number,
  { folder, limits }: { readonly folder: string; readonly limits: SandboxLimits },
  onOverstep: (overstep: Overstep) => void,
): () => void {
  const isOutgrown = async (): Promise<boolean> => {
    const { processes, memoryBytes } = await useOf(pid, limits.processes)
    return processes > limits.processes || memoryBytes > limits.memoryBytes
  }
  const releases = [
    often(async () => (await isOutgrown()) && onOverstep('memory')),
    often(async () => (await isLargerThan(folder, limits.folderBytes)) && onOverstep('disk')),
  ]
  return () => releases.forEach((release) => release())
}

/** Looks again and again until it is released. */
function often(look: () => Promise<unknown>): () => void {
  let timer: NodeJS.Timeout | null = null
  const again = (waitMs: number): void => {
    timer = setTimeout(() => void timed(look).then((tookMs) => timer !== null && again(waitFor(tookMs))), waitMs)
  }
  again(lookMs)
  return () => {
    clearTimeout(timer ?? undefined)
    timer = null
  }
}

/** A tenth of the time is spent on looking at most, but for looks that take very long. */
const waitFor = (tookMs: number): number => Math.min(longestMs, Math.max(lookMs, 9 * tookMs))

async function timed(look: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await look()
  return performance.now() - startedAt
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

/**
 * Stops counting as soon as the answer is known. Everything counts as a page at least: a disk runs out of files as it runs out
 * of bytes.
 */
export async function isLargerThan(folder: string, maxBytes: number): Promise<boolean> {
  let bytes = 0
  const left = [folder]
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    const entries = await readdir(path, { withFileTypes: true }).catch(() => [])
    for (let at = 0; at < entries.length; at += atOnce) {
      const some = entries.slice(at, at + atOnce)
      left.push(...some.filter((entry) => entry.isDirectory()).map(pathOf))
      const all = await Promise.all(some.map((entry) => lstat(pathOf(entry)).catch(() => null)))
      bytes += all.reduce((sum, stats) => sum + Math.max((stats?.blocks ?? 0) * 512, pageBytes), 0)
      if (bytes > maxBytes) return true
    }
  }
  return false
}

const pathOf = ({ parentPath, name }: Dirent): string => join(parentPath, name)

/** Questions to the file system under way: it answers from memory, and a few keep both sides busy. */
const atOnce = 64
