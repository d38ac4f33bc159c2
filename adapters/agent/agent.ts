import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Fault } from '../../core/model/problem.ts'
import type { AuthorDesk } from '../../core/ports.ts'
import type {
  AgentProgram,
  AgentReport,
  AgentTask,
  CodingAgent,
  MeterLine,
  ModelInterface,
  ModelMeter,
  Sandbox,
  SandboxLimits,
  SandboxResult,
} from '../../core/workshop.ts'
import { ownName, sweepLeftovers } from '../process/leftovers.ts'
import { findInstallation, type Installation, type Places } from './find.ts'

export type AgentOptions = Places & {
  readonly program: AgentProgram
  /** The first one is asked unless a task names another. */
  readonly meters: readonly ModelMeter[]
  readonly sandbox: Sandbox
  /** Absolute; what an agent's home begins with is written below it. */
  readonly stateDir: string
}

const limits: Omit<SandboxLimits, 'timeoutMs'> = {
  memoryBytes: 4_000_000_000,
  processes: 512,
  outputBytes: 20_000_000,
  scratchBytes: 1_000_000_000,
  folderBytes: 2_000_000_000,
}

/** Where the meter is seen inside. */
const port = 4010

/** Stands where agents ask for a key; nothing outside the sandbox takes it for one. */
const dummyKey = 'sk-dummy-the-meter-holds-the-key'

/** A coding agent's command line in the sandbox, with the meter as its only way out; see `CodingAgent`. */
export function createCodingAgent(options: AgentOptions): CodingAgent {
  const { program, sandbox } = options
  return {
    name: program.name,
    missing: async () => {
      if (usable(options).length === 0)
        return `${program.name} cannot speak to the provider of any model in QP_MODEL: name another one (docs/agents.md).`
      const noSandbox = await sandbox.missing()
      if (noSandbox !== null) return noSandbox
      return (await findInstallation(program.executables, options)) === null ? program.whenMissing : null
    },
    work: async (task, desk) => {
      const installation = await findInstallation(program.executables, options)
      const able = usable(options)
      const chosen = able.find(({ meter }) => meter.name === task.model || meter.model === task.model) ?? able[0]
      if (installation === null || chosen === undefined)
        throw new Fault({ code: 'PRECONDITION_FAILED', message: program.whenMissing, retryable: false })
      const line = await chosen.meter.open(chosen.spoken, desk)
      try {
        return await work(options, { task, desk, line, installation, ...chosen })
      } finally {
        await line.close()
      }
    },
  }
}

/** The models that this agent can speak to, and how. */
function usable({ program, meters }: AgentOptions): readonly Spoken[] {
  return meters.flatMap((meter) => {
    const spoken = program.speaks.find((each) => meter.speaks.includes(each))
    return spoken === undefined ? [] : [{ meter, spoken }]
  })
}

type Spoken = { readonly meter: ModelMeter; readonly spoken: ModelInterface }

type Job = Spoken & {
  readonly task: AgentTask
  readonly desk: AuthorDesk
  readonly line: MeterLine
  readonly installation: Installation
}

/** Takes away the homes that killed processes have left. */
export const sweepHomes = (stateDir: string): Promise<void> => sweepLeftovers(stateDir)

async function work(options: AgentOptions, job: Job): Promise<AgentReport> {
  const { program, sandbox, stateDir } = options
  const { task, desk, line, installation, meter, spoken } = job
  const baseUrl = `http://127.0.0.1:${port}`
  const call = program.command({ prompt: task.prompt, model: meter.model, baseUrl, speaks: spoken, dummyKey })
  const home = join(stateDir, await ownName('agent-home'))
  await mkdir(home, { recursive: true, mode: 0o700 })
  try {
    await writeHome(home, call.files)
    const order = {
      folder: task.folder,
      // A home of its own to write to, begun with what the agent is configured by.
      command: ['sh', '-c', 'cp -r /qp/home/. "$HOME" && exec "$@"', 'sh', installation.command, ...call.args],
      env: { PATH: '/qp/bin:/usr/local/bin:/usr/bin:/bin', ...call.env },
      stdin: call.stdin === null ? null : Buffer.from(call.stdin),
      mounts: [...installation.mounts, { from: home, to: '/qp/home' }, { from: process.execPath, to: '/qp/bin/node' }],
      bridge: { socket: line.socket, port },
      limits: { ...limits, timeoutMs: task.timeoutMs },
    }
    const signal = AbortSignal.any([desk.signal, line.refused])
    return reportOf(program, await sandbox.run(order, signal), line)
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

async function writeHome(
  home: string,
  files: readonly { readonly path: string; readonly text: string }[],
): Promise<void> {
  for (const { path, text } of files) {
    await mkdir(dirname(join(home, path)), { recursive: true })
    await writeFile(join(home, path), text)
  }
}

/** As much of an agent's last words as people read. */
const saidShown = 4_000

function reportOf(program: AgentProgram, result: SandboxResult, line: MeterLine): AgentReport {
  const failed = result.exitCode === 0 ? 'finished' : 'failed'
  const words = program.said(result.stdout) || `${result.stdout}\n${result.stderr}`.trim()
  return {
    ended: result.ended === 'exited' ? failed : result.ended,
    said: words.slice(-saidShown),
    ...line.total(),
  }
}
