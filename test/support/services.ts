import { execFileSync, spawn } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { chown, mkdir, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export const groupsOfAll = '/sys/fs/cgroup'

/** Whether this is root on a host with control groups of version 2, who can make groups as a manager of services does. */
export function canMakeServices(): boolean {
  if (process.getuid?.() !== 0 || !existsSync(join(groupsOfAll, 'cgroup.controllers'))) return false
  const isRoot = !existsSync(join(groupsOfAll, 'cgroup.type'))
  const handed = readFileSync(join(groupsOfAll, isRoot ? 'cgroup.controllers' : 'cgroup.subtree_control'), 'utf8')
  try {
    accessSync(join(groupsOfAll, 'cgroup.procs'), constants.W_OK)
  } catch {
    return false
  }
  return /\bmemory\b/.test(handed) && /\bpids\b/.test(handed)
}

const controllers = '+cpu +memory +pids'

/**
 * A slice with a service in it, which holds a process: nothing may be limited below it. `handedTo`: the service is that
 * account's, and its process in a group of its own below it, as systemd does with `Delegate=yes` and `DelegateSubgroup=`.
 */
export async function makeService({ handedTo }: { readonly handedTo?: number } = {}) {
  const slice = join(groupsOfAll, `test-${process.pid}.slice`)
  const service = join(slice, 'worker.service')
  const own = handedTo === undefined ? service : join(service, 'main')
  await mkdir(own, { recursive: true })
  for (const folder of [groupsOfAll, slice]) await writeFile(join(folder, 'cgroup.subtree_control'), controllers)
  if (handedTo !== undefined)
    for (const folder of [service, own])
      for (const file of ['', 'cgroup.procs', 'cgroup.threads', 'cgroup.subtree_control'])
        await chown(join(folder, file), handedTo, handedTo)
  const neighbour = spawn('sleep', ['600'], { stdio: 'ignore' })
  await writeFile(join(own, 'cgroup.procs'), `${neighbour.pid}`)
  return {
    slice,
    service,
    own,
    remove: async () => {
      await writeFile(join(slice, 'cgroup.kill'), '1')
      for (const folder of new Set([own, service, slice])) await retried(() => rmdir(folder))
    },
  }
}

/** The kernel lets go of the dead a moment after they have ended. */
async function retried(work: () => Promise<void>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    try {
      return await work()
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  await work()
}

/** What a module says that runs in that group; `before` may put the process elsewhere first. */
export function saidIn(own: string, code: string, before: readonly string[] = []): unknown {
  const enter = ['-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', own, ...before]
  const node = [process.execPath, '--no-warnings', '--input-type=module', '-e', code]
  return JSON.parse(execFileSync('sh', [...enter, ...node], { encoding: 'utf8' }))
}
