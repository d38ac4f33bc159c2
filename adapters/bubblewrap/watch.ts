import { lstat, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SandboxLimits } from '../../core/workshop.ts'

/** Of Linux on the processors we know. */
const pageBytes = 4096

/** How often memory and processes are looked at, and how often the folder, which takes longer. */
const lookMs = 100
const folderEvery = 10

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
  let looks = 0
  let timer: NodeJS.Timeout | null = null
  const look = async (): Promise<void> => {
    const { processes, memoryBytes } = await useOf(pid, limits.processes)
    if (processes > limits.processes || memoryBytes > limits.memoryBytes) return onOverstep('memory')
    const isFull = looks++ % folderEvery === 0 && (await isLargerThan(folder, limits.folderBytes))
    if (isFull) return onOverstep('disk')
    if (timer !== null) timer = setTimeout(() => void look(), lookMs)
  }
  timer = setTimeout(() => void look(), lookMs)
  return () => {
    clearTimeout(timer ?? undefined)
    timer = null
  }
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

/** Stops counting as soon as the answer is known. */
async function isLargerThan(folder: string, maxBytes: number): Promise<boolean> {
  let bytes = 0
  const left = [folder]
  for (let path = left.pop(); path !== undefined && bytes <= maxBytes; path = left.pop()) {
    for (const entry of await readdir(path, { withFileTypes: true }).catch(() => [])) {
      const each = join(path, entry.name)
      if (entry.isDirectory()) left.push(each)
      else bytes += ((await lstat(each).catch(() => null))?.blocks ?? 0) * 512
    }
  }
  return bytes > maxBytes
}
