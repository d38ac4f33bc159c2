import { access, constants, mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ownName, sweepLeftovers } from '../process/leftovers.ts'
import type { SandboxLimits } from '../../core/workshop.ts'

/** What the kernel itself counts cannot be outrun. */
export type Held = 'memory' | 'processes'

/** Control groups of one sandbox. */
export type Group = {
  /** Folders whose `cgroup.procs` the first process writes itself into. */
  readonly folders: readonly string[]
  /** What is counted there, so that nobody else need count it. */
  readonly holds: ReadonlySet<Held>
  /** Whether it uses more memory than it may, or the kernel has ended something in it for that. */
  ranOut(): Promise<boolean>
  /** Once nothing is in them. */
  remove(): Promise<void>
}

type Counted = Pick<SandboxLimits, 'memoryBytes' | 'processes'>

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
 * The kernel holds it to a quarter more than it may use, and the watch sees it before: at a limit of its own a program need not
 * run out of memory. The kernel takes the pages of its code away, which are read again, and nothing goes on.
 */
const boundOf = (memoryBytes: number): number => Math.round(1.25 * memoryBytes)

const heldBy: Readonly<Record<string, Held>> = {
  'pids.max': 'processes',
  'memory.max': 'memory',
  'memory.limit_in_bytes': 'memory',
}

/**
 * A group for one sandbox where this account may make one: root on most hosts, who needs it most, since no `ulimit -u` counts
 * root's processes; any account below a group that was handed to it. None (null) elsewhere: there that limit holds, and the
 * watch is the second one.
 */
export async function makeGroup(limits: Counted): Promise<Group | null> {
  const name = await ownName('quantapilot')
  const files = (await isUnified()) ? await unified(name, limits) : await separate(name, limits)
  if (files.length === 0) return null
  const folders = [...new Set(files.map((file) => dirname(file)))]
  return {
    folders,
    holds: new Set(files.flatMap((file) => heldBy[basename(file)] ?? [])),
    ranOut: async () => {
      for (const folder of folders) {
        const read = (file: string): Promise<string> => readFile(join(folder, file), 'utf8').catch(() => '')
        const [events, control, stat] = await Promise.all(
          ['memory.events', 'memory.oom_control', 'memory.stat'].map(read),
        )
        if (/^oom_kill [1-9]/m.test(`${events}\n${control}`)) return true
        // Pages of programs and files are left out: the kernel takes those back.
        const uses = [...(stat ?? '').matchAll(/^(?:anon|rss|shmem) (\d+)$/gm)].map(([, bytes]) => Number(bytes))
        if (uses.reduce((sum, bytes) => sum + bytes, 0) > limits.memoryBytes) return true
      }
      return false
    },
    remove: async () => {
      for (const folder of folders) await end(folder)
    },
  }
}

/** What the kernel would hold of a sandbox that began here and now. */
export async function heldHere(): Promise<ReadonlySet<Held>> {
  const group = await makeGroup({ processes: 64, memoryBytes: 1e9 })
  await group?.remove()
  return group?.holds ?? new Set()
}

/** Takes away the groups of killed processes: the kernel keeps them until somebody does. */
export async function sweepGroups(): Promise<void> {
  for (const folder of await groupFolders()) await sweepLeftovers(folder, end)
}

/** In which a process that runs as this one does makes groups. */
export const groupFolders = async (): Promise<readonly string[]> =>
  (await isUnified()) ? await places() : kinds.map((kind) => join(mount, kind))

const succeeds = (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => true,
    () => false,
  )

/** Version 2: one tree for all. */
const isUnified = (): Promise<boolean> => succeeds(access(join(mount, 'cgroup.controllers')))

/**
 * Where version 2 lets a group be made, the nearest first, so that what limits or ends the worker's service does so with its
 * sandboxes. A group that holds processes, as ours does, has none with limits below it, and theirs lie beside it or further
 * up; only the root of all may have both. To move in, one must be allowed to move things about in what both lie below.
 */
async function places(): Promise<readonly string[]> {
  const [, path = '/..'] = /^0::(.*)$/m.exec(await readFile('/proc/self/cgroup', 'utf8').catch(() => '')) ?? []
  const own = resolve(mount, `.${path}`)
  const isRoot = own === mount && !(await succeeds(access(join(mount, 'cgroup.type'))))
  const found: string[] = []
  for (let folder = isRoot ? mount : dirname(own); folder.startsWith(mount); folder = dirname(folder))
    if (await succeeds(access(join(folder, 'cgroup.procs'), constants.W_OK))) found.push(folder)
  return found
}

async function unified(name: string, { processes, memoryBytes }: Counted): Promise<readonly string[]> {
  for (const place of await places()) {
    const handed = join(place, 'cgroup.subtree_control')
    // Whoever manages the groups has chosen what to hand down. Where nobody does, and in what was handed to us, it is ours to do.
    if ((await readFile(handed, 'utf8')).trim() === '')
      for (const kind of kinds) await succeeds(writeFile(handed, `+${kind}`))
    const files = await made(join(place, name), {
      'pids.max': processes,
      'memory.max': boundOf(memoryBytes),
      'memory.swap.max': 0,
      ...weight,
    })
    if (files.length > 0) return files
  }
  return []
}

/** Version 1: a tree for each thing that is counted. */
async function separate(name: string, { processes, memoryBytes }: Counted): Promise<readonly string[]> {
  return [
    ...(await made(join(mount, 'pids', name), { 'pids.max': processes })),
    ...(await made(join(mount, 'memory', name), { 'memory.limit_in_bytes': boundOf(memoryBytes) })),
    ...(await made(join(mount, 'cpu', name), shares)),
  ]
}

/** The files of the limits that hold in it, where it could be made; one that this kernel does not know is left out. */
async function made(folder: string, limits: Readonly<Record<string, number>>): Promise<readonly string[]> {
  if (!(await succeeds(mkdir(folder)))) return []
  const files: string[] = []
  for (const [file, value] of Object.entries(limits))
    if (await succeeds(writeFile(join(folder, file), `${value}`))) files.push(join(folder, file))
  if (files.length === 0) await end(folder)
  return files
}

/** With whatever may still be in it, where the kernel can do that. It lets go of the dead a moment after they have ended. */
async function end(folder: string): Promise<void> {
  await succeeds(writeFile(join(folder, 'cgroup.kill'), '1'))
  for (let tries = 0; tries < 100; tries++) {
    const isGone = await rmdir(folder).then(
      () => true,
      (error: unknown) => error instanceof Error && 'code' in error && error.code === 'ENOENT',
    )
    if (isGone) return
    await delay(20)
  }
}
