import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isRunningStill, processName } from '../process/process-table.ts'

/** A process that uses the server. */
export type User = {
  /** Runs `stopServer` when nobody else uses the server, and forgets this user. */
  leave(stopServer: () => Promise<void>): Promise<void>
}

/**
 * Counts this process among those that use the server: one file each in `folder`, named for the process, so that one
 * that was killed counts no longer. Whoever leaves says so first and then looks for others; whoever enters says so first
 * and then waits for those who are leaving. Whatever the order, either the one sees the other or the other sees the one.
 */
export async function enter(folder: string, signal: AbortSignal): Promise<User> {
  await mkdir(folder, { recursive: true })
  const name = await processName()
  await writeFile(join(folder, name), '')
  while ((await living(folder)).some((other) => other.endsWith(leaving))) await delay(20, undefined, { signal })
  return { leave: (stopServer) => leave(folder, name, stopServer) }
}

const leaving = '.leaving'

async function leave(folder: string, name: string, stopServer: () => Promise<void>): Promise<void> {
  const file = join(folder, name + leaving)
  await rename(join(folder, name), file)
  try {
    const others = await living(folder)
    if (others.every((other) => other.endsWith(leaving))) await stopServer()
  } finally {
    await rm(file, { force: true })
  }
}

/** The files of processes that still run; the others are removed. */
async function living(folder: string): Promise<string[]> {
  const names: string[] = []
  for (const name of await readdir(folder)) {
    if (await isRunningStill(name.replace(leaving, ''))) names.push(name)
    else await rm(join(folder, name), { force: true })
  }
  return names
}
