import type { Dirent } from 'node:fs'
import { lstat, opendir } from 'node:fs/promises'
import { join } from 'node:path'
import type { SandboxLimits } from '../../core/workshop.ts'
import { pageBytes, unnamedBytes, useOf } from './process-tree.ts'

/** How long it is from one look to the next: longer after one that took long, as that at a folder of many files does. */
const lookMs = 100
const longestMs = 5_000

export type Overstep = 'memory' | 'disk'

type Watched = {
  readonly folder: string
  readonly limits: SandboxLimits
  /** Whether it ran out of memory, where the kernel itself counts processes and memory; else null. */
  readonly ranOut: (() => Promise<boolean>) | null
}

/**
 * Looks at what a sandbox uses, from outside, and says once when it is too much. A program can pass a limit for as long as
 * lies between two looks, and no longer.
 */
export function watchUse(
  pid: number,
  { folder, limits, ranOut }: Watched,
  onOverstep: (overstep: Overstep) => void,
): () => void {
  const isOutgrown = async (): Promise<boolean> => {
    const { processes, memoryBytes } = await useOf(pid, limits.processes)
    return processes > limits.processes || memoryBytes > limits.memoryBytes
  }
  const isFull = async (): Promise<boolean> =>
    await isLargerThan(folder, limits.folderBytes - (await unnamedBytes(pid, limits.processes)))
  const releases = [
    often(async () => (await (ranOut ?? isOutgrown)()) && onOverstep('memory')),
    often(async () => (await isFull()) && onOverstep('disk')),
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

/**
 * Stops counting as soon as the answer is known. Everything counts as a page at least: a disk runs out of files as it runs out
 * of bytes. What lies too deep to be looked at is too much, or it would be hidden there.
 */
export async function isLargerThan(folder: string, maxBytes: number): Promise<boolean> {
  let bytes = 0
  const left = [folder]
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    try {
      for await (const some of inBatches(path)) {
        left.push(...some.filter((entry) => entry.isDirectory()).map(pathOf))
        const all = await Promise.all(some.map((entry) => lstat(pathOf(entry)).catch(() => null)))
        bytes += all.reduce((sum, stats) => sum + Math.max((stats?.blocks ?? 0) * 512, pageBytes), 0)
        if (bytes > maxBytes) return true
      }
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENAMETOOLONG') return true
    }
  }
  return false
}

/** A folder's entries a few at a time: there may be a million of them. */
async function* inBatches(path: string): AsyncGenerator<readonly Dirent[]> {
  let some: Dirent[] = []
  for await (const entry of await opendir(path)) {
    some.push(entry)
    if (some.length < atOnce) continue
    yield some
    some = []
  }
  yield some
}

const pathOf = ({ parentPath, name }: Dirent): string => join(parentPath, name)

/** Questions to the file system under way: it answers from memory, and a few keep both sides busy. */
const atOnce = 64
