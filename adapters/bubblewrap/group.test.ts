import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { canMakeServices, groupsOfAll, makeService, saidIn } from '../../test/support/services.ts'

const nobody = 65534

/** Modules are loaded before the process becomes the account, which may not be allowed to read them. */
const begin = (account: number) => `
  import { spawn } from 'node:child_process'
  import { once } from 'node:events'
  import { readFileSync } from 'node:fs'
  import { makeGroup, sweepGroups } from ${JSON.stringify(join(import.meta.dirname, 'group.ts'))}
  process.setgroups([]); process.setgid(${account}); process.setuid(${account})
  const make = () => makeGroup({ processes: 50, memoryBytes: 100e6 })
  const moveIn = async (folder) => {
    const script = 'echo $$ > "$0/cgroup.procs" && echo in && exec sleep 600'
    const child = spawn('sh', ['-c', script, folder], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
    await once(child.stdout, 'data')
    return child
  }`

/** Makes a group, moves a process in, and says what holds there; null where none can be made. */
const makes = (account = 0) => `${begin(account)}
  const group = await make()
  if (group === null) console.log('null')
  else {
    const [folder] = group.folders
    const { pid } = await moveIn(folder)
    const path = readFileSync('/proc/' + pid + '/cgroup', 'utf8').trim().split('::')[1]
    const read = (file) => readFileSync(folder + '/' + file, 'utf8').trim()
    const limits = ['pids.max', 'memory.max', 'memory.swap.max', 'cpu.weight'].map(read)
    console.log(JSON.stringify({ folder, path, limits, holds: [...group.holds] }))
    await group.remove()
  }
  process.exit()`

/** A container's tree of groups begins at its own; only one that is privileged may write there. */
const contained = (mode: 'ro' | 'rw') => {
  const mount = `umount ${groupsOfAll} && mount -t cgroup2 -o ${mode} cgroup2 ${groupsOfAll} && exec "$@"`
  return ['unshare', '--cgroup', '--mount', 'sh', '-c', mount, 'sh']
}

async function service(options?: { readonly handedTo: number }) {
  const made = await makeService(options)
  onTestFinished(made.remove)
  return made
}

/** Where version 2 is missing, the run says so at its end; nothing here passes by not being run. */
describe.runIf(canMakeServices())('with control groups of version 2', { timeout: 90_000 }, () => {
  const held = {
    path: expect.stringMatching(/\/quantapilot\.[^/]+$/),
    limits: ['50', '124997632', '0', '25'],
    holds: ['processes', 'memory'],
  }

  test('the kernel holds a sandbox where nothing manages the groups', () => {
    const said = saidIn(groupsOfAll, makes()) as { folder: string }
    expect(said).toMatchObject(held)
    expect(dirname(said.folder)).toBe(groupsOfAll)
    expect(existsSync(said.folder)).toBe(false)
  })

  test('and beside the service that root’s worker is, for what limits the slice limits its sandboxes', async () => {
    const { slice, own } = await service()
    const said = saidIn(own, makes()) as { folder: string }
    expect(said).toMatchObject(held)
    expect(dirname(said.folder)).toBe(slice)
  })

  test.each([0, nobody])('and inside a service that was handed to the worker’s account, %i', async (account) => {
    const { service: handed, own } = await service({ handedTo: account })
    const said = saidIn(own, makes(account)) as { folder: string }
    expect(said).toMatchObject(held)
    expect(dirname(said.folder)).toBe(handed)
  })

  test('no group is made by an account that was handed none, nor in a container, and none is in the way', async () => {
    const { own } = await service()
    expect(saidIn(own, makes(nobody))).toBe(null)
    expect(saidIn(own, makes(), contained('ro'))).toBe(null)
    expect(saidIn(own, makes(), contained('rw'))).toBe(null)
  })

  test('what a killed worker left is ended and taken away by the next one, in whichever of the two groups', async () => {
    const { own } = await service({ handedTo: nobody })
    const left = saidIn(
      own,
      `${begin(nobody)}
      const [folder] = (await make()).folders
      const { pid } = await moveIn(folder)
      console.log(JSON.stringify({ folder, pid }))
      process.exit()`,
    ) as { folder: string; pid: number }
    expect([existsSync(left.folder), existsSync(`/proc/${left.pid}`)]).toEqual([true, true])
    saidIn(own, `${begin(nobody)}; await sweepGroups(); console.log('null'); process.exit()`)
    expect(existsSync(left.folder)).toBe(false)
    await expect.poll(() => existsSync(`/proc/${left.pid}`)).toBe(false)
  })
})
