import { access, constants, mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Fault } from '../../core/model/problem.ts'
import type { Sandbox, SandboxOrder, SandboxResult } from '../../core/workshop.ts'
import { type RunningProcess, startProcess } from '../process/run.ts'
import { bwrapArguments, type Places } from './command.ts'
import { type Group, makeGroup } from './group.ts'
import { filterFor } from './seccomp.ts'
import { isLargerThan, watchUse } from './watch.ts'

export type BubblewrapOptions = {
  /** Absolute; the few files that every sandbox shows are made below it. */
  readonly stateDir: string
  /** Where bwrap is looked for. */
  readonly path: string
}

/** Programs in namespaces of their own, by bubblewrap; see `Sandbox` for what is promised and docs/sandbox.md for how. */
export function createBubblewrap(options: BubblewrapOptions): Sandbox {
  let places: Promise<Places & { readonly filter: string }> | null = null
  const prepared = () =>
    (places ??= prepare(options.stateDir).catch((error: unknown) => {
      places = null
      throw error
    }))
  let isKnownToWork = false
  const missing = async (): Promise<string | null> => {
    if (isKnownToWork) return null
    const why = await tryOnce(options, await prepared())
    isKnownToWork = why === null
    return why
  }
  return {
    missing,
    run: async (order, signal) => {
      const why = await missing()
      if (why !== null) throw new Fault({ code: 'PRECONDITION_FAILED', message: why, retryable: false })
      return await run(options, await prepared(), order, signal)
    },
  }
}

const accounts = 'root:x:0:0::/:/usr/sbin/nologin\nagent:x:1000:1000::/home/agent:/bin/sh\n'
const groups = 'root:x:0:\nagent:x:1000:\n'

async function prepare(stateDir: string): Promise<Places & { readonly filter: string }> {
  const root = join(stateDir, 'sandbox')
  const etc = join(root, 'etc')
  for (const shown of ['alternatives', 'ssl/certs']) await mkdir(join(etc, shown), { recursive: true })
  const filter = join(root, 'filter.bpf')
  const files = {
    'etc/passwd': accounts,
    'etc/group': groups,
    'etc/hosts': '127.0.0.1 localhost\n::1 localhost\n',
    'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
    'etc/ld.so.cache': '',
    'filter.bpf': filterFor(process.arch),
  }
  for (const [name, content] of Object.entries(files)) await writeFile(join(root, name), content)
  const bridge = fileURLToPath(new URL('./bridge.mjs', import.meta.url))
  return { etc, filter, bridge, node: process.execPath }
}

const notInstalled =
  'bubblewrap is not installed, and nothing that an agent wrote runs without it. Install it with apt-get install bubblewrap (Debian, Ubuntu) or dnf install bubblewrap (Fedora).'

async function isIn(path: string, program: string): Promise<boolean> {
  for (const folder of path.split(':')) {
    const found = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    )
    if (found) return true
  }
  return false
}

/** Whether `true` runs in it: the kernel may forbid what the program needs. */
async function tryOnce(
  options: BubblewrapOptions,
  places: Places & { readonly filter: string },
): Promise<string | null> {
  if (process.platform !== 'linux') return 'Agents need a sandbox, which needs Linux: run the worker there.'
  if (!(await isIn(options.path, 'bwrap'))) return notInstalled
  const limits = {
    timeoutMs: 10_000,
    memoryBytes: 1e9,
    processes: 64,
    outputBytes: 1e5,
    scratchBytes: 1e6,
    folderBytes: 1e6,
  }
  const order = { folder: places.etc, command: ['true'], env: {}, stdin: null, mounts: [], bridge: null, limits }
  try {
    const { exitCode, stderr } = await run(options, places, order, new AbortController().signal)
    if (exitCode === 0) return null
    const said = stderr.trim().split('\n').at(-1) ?? ''
    const allow = (await isForbidden())
      ? ' This kernel forbids user namespaces: set kernel.unprivileged_userns_clone=1 and user.max_user_namespaces above 0 (and on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0) with sysctl.'
      : ' In a container, user namespaces must be allowed (docs/sandbox.md).'
    return `The sandbox does not start (${said}).${allow}`
  } catch (error) {
    if (error instanceof Fault) return error.message
    throw error
  }
}

async function isForbidden(): Promise<boolean> {
  const read = async (name: string): Promise<string> =>
    (await readFile(`/proc/sys/${name}`, 'utf8').catch(() => '')).trim()
  const [clone, most, apparmor] = await Promise.all([
    read('kernel/unprivileged_userns_clone'),
    read('user/max_user_namespaces'),
    read('kernel/apparmor_restrict_unprivileged_userns'),
  ])
  return clone === '0' || most === '0' || apparmor === '1'
}

async function run(
  { path }: BubblewrapOptions,
  places: Places & { readonly filter: string },
  order: SandboxOrder,
  signal: AbortSignal,
): Promise<SandboxResult> {
  signal.throwIfAborted()
  const startedAt = performance.now()
  const group = await makeGroup(order.limits)
  const filter = await open(places.filter)
  try {
    const child = await startProcess({
      ...launched(bwrapArguments(order, places), group),
      cwd: '/',
      env: { PATH: path },
      stdin: order.stdin === null ? 'ignore' : 'pipe',
      stdout: 'pipe',
      stderr: 'pipe',
      inherit: [filter.fd],
      detached: true,
      whenMissing: notInstalled,
    })
    const ranOut = group?.holds.size === 2 ? () => group.ranOut() : null
    const result = await supervise(child, { order, ranOut }, signal)
    const ended = result.ended === 'exited' ? await overstepOf(order, group) : result.ended
    return { ...result, ended, durationMs: Math.round(performance.now() - startedAt) }
  } finally {
    await filter.close()
    await group?.remove()
  }
}

/** What the kernel ended it for, and what it wrote faster than the watch looks. */
async function overstepOf({ folder, limits }: SandboxOrder, group: Group | null): Promise<SandboxResult['ended']> {
  if (await group?.ranOut()) return 'memory'
  return (await isLargerThan(folder, limits.folderBytes)) ? 'disk' : 'exited'
}

/** Goes into its groups before anything else is there. */
function launched(args: readonly string[], group: Group | null) {
  if (group === null) return { command: 'bwrap', args }
  const enter = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 125; shift; done; shift; exec bwrap "$@"'
  return { command: 'sh', args: ['-c', enter, 'sh', ...group.folders, '--', ...args] }
}

/** Ends the sandbox at the first limit it passes, and returns once nothing of it is left. */
async function supervise(
  child: RunningProcess,
  { order, ranOut }: { readonly order: SandboxOrder; readonly ranOut: (() => Promise<boolean>) | null },
  signal: AbortSignal,
): Promise<Omit<SandboxResult, 'durationMs'>> {
  let ended: SandboxResult['ended'] = 'exited'
  const stop = (why: SandboxResult['ended'] | null): void => {
    if (why !== null && ended === 'exited') ended = why
    // All of it at once: bwrap's death is that of the namespace's first process, and so of every other.
    child.signal('SIGKILL')
  }
  const onAbort = (): void => stop(null)
  const timer = setTimeout(() => stop('time'), order.limits.timeoutMs)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  const release = watchUse(child.pid, { ...order, ranOut }, stop)
  const stdout = collect(child.stdout, order.limits.outputBytes, 'head', () => stop('output'))
  const stderr = collect(child.stderr, 64_000, 'tail', () => undefined)
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(order.stdin)
  const { exitCode } = await child.exited
  clearTimeout(timer)
  release()
  signal.removeEventListener('abort', onAbort)
  await Promise.all([closed(child.stdout), closed(child.stderr)])
  signal.throwIfAborted()
  return { ended, exitCode, stdout: stdout(), stderr: stderr() }
}

/** Keeps the first bytes, or the last, and says when there were more. */
function collect(stream: Readable | null, maxBytes: number, keeps: 'head' | 'tail', onMore: () => void): () => string {
  const chunks: Buffer[] = []
  let size = 0
  stream?.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    size += chunk.length
    if (size > maxBytes) onMore()
    while (size > 2 * maxBytes && chunks.length > 1)
      size -= (keeps === 'head' ? chunks.pop() : chunks.shift())?.length ?? 0
  })
  return () => {
    const all = Buffer.concat(chunks)
    return (keeps === 'head' ? all.subarray(0, maxBytes) : all.subarray(-maxBytes)).toString('utf8')
  }
}

/** The pipes close when the last process that holds them is gone. */
async function closed(stream: Readable | null): Promise<void> {
  if (stream === null || stream.closed) return
  await new Promise((resolve) => stream.once('close', resolve))
}
