import { readdir, readFile, stat } from 'node:fs/promises'

/** Of Linux on the processors we know. */
export const pageBytes = 4096

/**
 * A process and what descends from it: nothing leaves the tree, since the sandbox's own first process adopts orphans. Whoever
 * makes more of them than it may is not counted to the end, which would take longer than to make them.
 */
async function* treeOf(root: number, most: number): AsyncGenerator<number> {
  const left = [root]
  let seen = 0
  for (let pid = left.pop(); pid !== undefined && seen <= most; pid = left.pop()) {
    seen++
    yield pid
    // Each thread has its own children.
    for (const thread of await readdir(`/proc/${pid}/task`).catch(() => [])) {
      const children = await readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')
      left.push(...children.split(' ').filter(Boolean).map(Number))
    }
  }
}

/** What a tree of processes uses, as far as one more than `most` of them. */
export async function useOf(root: number, most: number): Promise<{ processes: number; memoryBytes: number }> {
  let memoryBytes = 0
  let processes = 0
  for await (const pid of treeOf(root, most)) {
    processes++
    const memory = await readFile(`/proc/${pid}/statm`, 'utf8').catch(() => '')
    // Resident without what is shared with others: libraries would count once for each process.
    const [, resident = 0, shared = 0] = memory.split(' ').map(Number)
    memoryBytes += (resident - shared) * pageBytes
  }
  return { processes, memoryBytes }
}

/** Bytes of the files that a tree of processes holds open and no folder names: they stay on the disk until they are closed. */
export async function unnamedBytes(root: number, most: number): Promise<number> {
  const found = new Map<string, number>()
  for await (const pid of treeOf(root, most)) {
    for (const descriptor of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const stats = await stat(`/proc/${pid}/fd/${descriptor}`).catch(() => null)
      if (stats?.isFile() && stats.nlink === 0) found.set(`${stats.dev}:${stats.ino}`, stats.blocks * 512)
    }
  }
  return [...found.values()].reduce((sum, bytes) => sum + bytes, 0)
}
