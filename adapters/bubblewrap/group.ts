import { access, constants, mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ownName, sweepLeftovers } from '../process/leftovers.ts'
import type { SandboxLimits } from '../../core/workshop.ts'

/** Control groups of one sandbox: what the kernel itself counts there cannot be outrun. */
export type Group = {
  /** Folders whose `cgroup.procs` the first process writes itself into. */
  readonly folders: readonly string[]
  /** Both processes and memory are counted there, so that nobody else need count them. */
  readonly isWhole: boolean
  /** Whether the kernel has ended something in it for want of memory. */
  ranOut(): Promise<boolean>
  /** Once nothing is in them. */
  remove(): Promise<void>
}

const mount = '/sys/fs/cgroup'

/** Trees of version 1 that sandboxes are put into. */
const kinds = ['pids', 'memory', 'cpu'] as const

/**
 * A sandbox's part of the processors where others want them too, of the usual 100 and 1024: a quarter, so that what nobody
 * trusts does not slow down the worker, its database and its other runs. Where nobody else wants them it has them all.
 */
const weight = { 'cpu.weight': 25 }
const shares = { 'cpu.shares': 256 }

/**
 * A group for one sandbox where this account may make one, which takes root on the host: it is the only account whose
 * processes no `ulimit -u` counts. None (null) elsewhere: there that limit holds, and the watch is the second one.
 */
export async function makeGroup(limits: SandboxLimits): Promise<Group | null> {
  if (process.getuid?.() !== 0) return null
  const name = await ownName('quantapilot')
  const isUnified = await isThere(join(mount, 'cgroup.controllers'))
  const folders = isUnified ? await unified(name, limits) : await separate(name, limits)
  if (folders.length === 0) return null
  return {
    folders,
    isWhole: isUnified || ['pids', 'memory'].every((kind) => folders.includes(join(mount, kind, name))),
    ranOut: async () => {
      for (const folder of folders)
        for (const file of ['memory.events', 'memory.oom_control'])
          if (/^oom_kill [1-9]/m.test(await readFile(join(folder, file), 'utf8').catch(() => ''))) return true
      return false
    },
    remove: async () => {
      for (const folder of folders) await removeEmpty(folder)
    },
  }
}

/** Takes away the groups of killed processes: the kernel keeps them until somebody does. */
export async function sweepGroups(): Promise<void> {
  for (const tree of [mount, ...kinds.map((kind) => join(mount, kind))]) await sweepLeftovers(tree, rmdir)
}

const isThere = (path: string): Promise<boolean> =>
  access(path, constants.F_OK).then(
    () => true,
    () => false,
  )

/** Version 2: one tree for all. Its root may hold groups beside processes. */
async function unified(name: string, { processes, memoryBytes }: SandboxLimits): Promise<readonly string[]> {
  const enabled = await readFile(join(mount, 'cgroup.subtree_control'), 'utf8').catch(() => '')
  if (!/\bpids\b/.test(enabled)) return []
  return await made(join(mount, name), {
    'pids.max': processes,
    'memory.max': memoryBytes,
    'memory.swap.max': 0,
    ...weight,
  })
}

/** Version 1: a tree for each thing that is counted. */
async function separate(name: string, { processes, memoryBytes }: SandboxLimits): Promise<readonly string[]> {
  return [
    ...(await made(join(mount, 'pids', name), { 'pids.max': processes })),
    ...(await made(join(mount, 'memory', name), { 'memory.limit_in_bytes': memoryBytes })),
    ...(await made(join(mount, 'cpu', name), shares)),
  ]
}

/** The folder, where it could be made and its first limit holds; a limit that this kernel does not know is left out. */
async function made(folder: string, limits: Readonly<Record<string, number>>): Promise<readonly string[]> {
  try {
    await mkdir(folder)
  } catch {
    return []
  }
  const [[first, value] = ['', 0], ...more] = Object.entries(limits)
  try {
    await writeFile(join(folder, first), `${value}`)
  } catch {
    await removeEmpty(folder)
    return []
  }
  for (const [file, each] of more) await writeFile(join(folder, file), `${each}`).catch(() => undefined)
  return [folder]
}

/** The kernel lets go of the dead a moment after they have ended. */
async function removeEmpty(folder: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const isGone = await rmdir(folder).then(
      () => true,
      (error: unknown) => error instanceof Error && 'code' in error && error.code === 'ENOENT',
    )
    if (isGone) return
    await delay(20)
  }
}
