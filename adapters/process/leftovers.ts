import { createHash, randomBytes } from 'node:crypto'
import { readdir, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { findProcess, isRunningStill } from './process-table.ts'

/** Containers that share a folder do not see each other's processes, and their numbers mean something else there. */
const host = createHash('sha256').update(hostname()).digest('hex').slice(0, 6)

let startedAt: Promise<string> | null = null

/**
 * A name for something this process makes for a while, which no other has: `name.a1b2c3-4711-99-5e6f7a8b`. It says whose it
 * is, so that whoever comes later can tell what nobody will ever take away.
 */
export async function ownName(name: string): Promise<string> {
  startedAt ??= findProcess(process.pid).then((entry) => entry?.startedAt ?? '')
  return `${name}.${host}-${process.pid}-${await startedAt}-${randomBytes(4).toString('hex')}`
}

/** Longer than anything is made for: what other machines have left. */
const keepMs = 24 * 60 * 60 * 1_000

/** Removes what is in a folder under such names and whose process is gone. What cannot be removed stays; others may do the same at once. */
export async function sweepLeftovers(
  folder: string,
  remove = (path: string): Promise<void> => rm(path, { recursive: true, force: true }),
): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name)
    const [, owner, process] = /\.([0-9a-f]{6})-(\d+-\d*)-[0-9a-f]{8}$/.exec(name) ?? []
    if (owner === undefined || process === undefined) continue
    const isLeft = owner === host ? !(await isRunningStill(process)) : await isOld(path)
    if (isLeft) await remove(path).catch(() => undefined)
  }
}

async function isOld(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => null)
  return found !== null && Date.now() - found.mtimeMs > keepMs
}
