import { statfs } from 'node:fs/promises'
import { runProcess } from '../process/run.ts'

type Check = { readonly status: 'pass' | 'warn' | 'fail'; readonly message: string }

/** The oldest git that can be told to read no configuration but ours (GIT_CONFIG_GLOBAL). */
const oldestGit = [2, 32] as const

const lowDiskBytes = 1_000_000_000

/** Checks of the machine itself: runtime, git, disk. */
export const hostProbes = (host: {
  readonly stateDir: string
  readonly path: string
}): Readonly<Record<string, () => Promise<Check>>> => ({
  runtime: () => Promise.resolve(checkRuntime(process.versions.node)),
  git: () => checkGit(host.path),
  disk: () => checkDisk(host.stateDir),
})

function checkRuntime(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isNew = major > 22 || (major === 22 && minor >= 18)
  return {
    status: isNew ? 'pass' : 'fail',
    message: isNew ? `Node ${version}` : `Node ${version} is too old: use 22.18 or newer`,
  }
}

async function checkGit(path: string): Promise<Check> {
  const { stdout } = await runProcess({
    command: 'git',
    args: ['--version'],
    cwd: '/',
    env: { PATH: path },
    timeoutMs: 10_000,
    maxOutputBytes: 10_000,
  })
  const version = /(\d+)\.(\d+)/.exec(stdout.toString())
  const [major, minor] = [Number(version?.[1] ?? 0), Number(version?.[2] ?? 0)]
  const isNew = major > oldestGit[0] || (major === oldestGit[0] && minor >= oldestGit[1])
  return {
    status: isNew ? 'pass' : 'fail',
    message: isNew ? `git ${version?.[0]}` : `git ${version?.[0]} is too old: use ${oldestGit.join('.')} or newer`,
  }
}

async function checkDisk(folder: string): Promise<Check> {
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  const text = `${(free / 1e9).toFixed(1)} GB free`
  return free < lowDiskBytes
    ? { status: 'warn', message: `only ${text}: free some` }
    : { status: 'pass', message: text }
}
