import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { groupFolders } from '../../adapters/bubblewrap/group.ts'
import { type RunningProcess, startProcess } from '../../adapters/process/run.ts'
import { openProvider } from '../agents/provider.ts'
import { allGranted, type FakeGitHub, startGitHub } from './github/github.ts'
import { openState, program, type State } from './program.ts'
import { laySlowGit, type SlowGit } from './trap.ts'
import { scriptedAgent, workshopOf } from './workshop.ts'

/** The program's own worker, a process that may be killed, with an agent of ours in the real sandbox behind the real meter. */
export type Foundry = {
  readonly state: State
  /** Null where the repositories are folders. */
  readonly github: FakeGitHub | null
  readonly git: SlowGit
  /** What the provider was sent so far. */
  readonly heard: readonly string[]
  /** Starts another worker; it is gone when the test ends. */
  start(): Promise<RunningProcess>
  /** What workers have made for a while and not taken away: folders, sockets, control groups. */
  leftovers(): Promise<readonly string[]>
}

export type FoundryPlan = {
  readonly host: 'github' | 'folder'
  /** What the model has the agent do, one after the other. */
  readonly commands: readonly string[]
  /** The n-th answer of a conversation goes out when this has resolved. */
  readonly ready?: (n: number) => Promise<void>
  /** Another agent than ours, as its folder and the variables that name it; the provider is asked nothing then. */
  readonly agent?: { readonly folder: string; readonly variables: Readonly<Record<string, string>> }
}

const worldGit = { allowedHosts: ['localhost'] }

const agentFile = join(import.meta.dirname, '../agents/talking-agent.mjs')

export async function openFoundry({ host, commands, ready, agent }: FoundryPlan): Promise<Foundry> {
  const dir = await mkdtemp(join(tmpdir(), 'qp-foundry-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const github = host === 'github' ? await startGitHub() : null
  // The house only plans: it must know that there will be code, and makes none itself.
  const nobody = scriptedAgent(() => Promise.reject(new Error('no agent works here')))
  const state = await openState(undefined, {}, { codeHost: null, git: worldGit, workshop: workshopOf(nobody) })
  const provider = await openProvider(commands, ready)
  onTestFinished(async () => void (await provider.close()))
  const git = await laySlowGit(join(dir, 'git'))
  const [agents, scratch] = [join(dir, 'agents'), join(dir, 'tmp')]
  await mkdir(agents)
  await mkdir(scratch)
  await (agent ? cp(agent.folder, agents, { recursive: true }) : copyFile(agentFile, join(agents, 'agent.mjs')))
  const ours = {
    QP_MODEL: 'compatible/m',
    QP_MODEL_BASE_URL: provider.url,
    QP_AGENT: 'command',
    QP_AGENT_COMMAND: 'agent.mjs',
  }
  const variables = {
    PATH: git.path,
    TMPDIR: scratch,
    // A start buries whoever died here at once: on a busy machine a short lease is lost by itself.
    QP_LEASE_MS: '20000',
    QP_AGENTS_DIR: agents,
    ...(agent?.variables ?? ours),
    ...(github ? variablesOf(github) : {}),
  }
  const pids: number[] = []
  const start = async (): Promise<RunningProcess> => {
    const { env, ...rest } = program(state, 'start', '--role', 'worker')
    const worker = await startProcess({ ...rest, env: { ...env, ...variables }, stderr: 'inherit' })
    pids.push(worker.pid)
    onTestFinished(async () => void (await worker.kill({ signal: 'SIGKILL' })))
    return worker
  }
  return {
    state,
    github,
    git,
    heard: provider.heard,
    start,
    leftovers: () => leftIn(state, { scratch, pids }),
  }
}

function variablesOf(github: FakeGitHub): Readonly<Record<string, string>> {
  const permissions = { ...allGranted, statuses: 'read' }
  const identity = github.app([{ repositories: ['olivia/shop'], permissions }])
  return {
    GITHUB_APP_ID: identity.appId,
    GITHUB_PRIVATE_KEY: identity.privateKey,
    GITHUB_API_URL: `${github.url}/api/v3`,
    NODE_EXTRA_CA_CERTS: github.caFile,
    QP_GIT_CA_FILE: github.caFile,
    QP_ALLOWED_HOSTS: 'localhost',
  }
}

type Traces = { readonly scratch: string; readonly pids: readonly number[] }

async function leftIn({ stateDir }: State, { scratch, pids }: Traces): Promise<readonly string[]> {
  const ours = new RegExp(`^quantapilot\\.\\w+-(?:${pids.join('|')})-`)
  const names = async (folder: string, pattern = /^/): Promise<readonly string[]> =>
    (await readdir(folder).catch(() => [])).filter((name) => pattern.test(name)).map((name) => join(folder, name))
  const groups = (await groupFolders()).map((folder) => names(folder, ours))
  const found = await Promise.all([
    names(join(stateDir, 'work')),
    names(join(stateDir, 'sandbox'), /^agent-home/),
    names(join(stateDir, 'git', 'scratch')),
    names(scratch),
    ...groups,
  ])
  return found.flat()
}

/** How many processes of this machine have it in their command line. */
export async function processesWith(mark: string): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return lines.filter((line) => line.includes(mark)).length
}
