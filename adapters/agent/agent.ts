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
    model: usable(options)[0]?.meter.name ?? null,
    keepsTerms: usable(options).every(({ meter }) => meter.keepsTerms),
    missing: async () => {
      if (usable(options).length === 0)
        return `${program.name} cannot speak to the provider of any model in QP_MODEL: name another one (docs/agents.md).`
      const noSandbox = await sandbox.missing()
      if (noSandbox !== null) return noSandbox
      return (await findInstallation(program, options)) === null ? program.whenMissing : null
    },
    work: async (task, desk) => {
      const installation = await findInstallation(program, options)
      const able = usable(options)
      if (installation === null || able.length === 0)
        throw new Fault({ code: 'PRECONDITION_FAILED', message: program.whenMissing, retryable: false })
      const isWanted = ({ meter }: Spoken): boolean => meter.name === task.model || meter.model === task.model
      const inOrder = [...able.filter(isWanted), ...able.filter((each) => !isWanted(each))]
      if (!task.mayChange && task.model !== null && !able.some(isWanted)) throw notHere(options, task.model)
      return await workWith(options, { task, desk, installation }, task.mayChange ? inOrder : inOrder.slice(0, 1))
    },
  }
}

const notHere = (options: AgentOptions, model: string): Fault =>
  new Fault({
    code: 'VALIDATION_ERROR',
    message: `quantapilot.yml wants the model ${model} and no other (policies.model_change_requires_gate), and ${options.program.name} cannot have it here: name one of ${usable(
      options,
    )
      .map(({ meter }) => meter.name)
      .join(', ')} in models.dev.model.`,
    retryable: false,
  })

/** With the first model that can be had. Where its provider wants no calls for long and another does, that one goes on. */
async function workWith(options: AgentOptions, order: Order, able: readonly Spoken[]): Promise<AgentReport> {
  const chosen = await firstReady(able)
  if (typeof chosen === 'number') throw noneReady(options, chosen)
  const others = able.filter(({ meter }) => meter !== chosen.meter)
  const progress = (text: string): void => order.desk.progress(`${options.program.name}: ${text}`)
  const { promptRef: prompt, maxOutputTokens, temperature } = order.task
  const terms = { prompt, maxOutputTokens, temperature }
  const line = await chosen.meter.open(chosen.spoken, { ...order.desk, progress }, terms)
  const change = new AbortController()
  const onLimit = async (): Promise<void> => {
    if (typeof (await firstReady(others)) !== 'number')
      change.abort(new DOMException('another model goes on', 'AbortError'))
  }
  // What cannot be found out changes nothing: the agent waits for its model, or gives up.
  line.limited.addEventListener('abort', () => void onLimit().catch(() => undefined))
  try {
    return await work(options, { ...order, line, change: change.signal, ...chosen })
  } catch (error) {
    if (!change.signal.aborted || order.desk.signal.aborted || line.refused.aborted) throw error
  } finally {
    await line.close()
  }
  const before = line.total()
  const report = await workWith(options, order, others)
  const { micros, tokens } = report.used
  const used = { micros: before.used.micros + micros, tokens: before.used.tokens + tokens }
  return { ...report, calls: before.calls + report.calls, used }
}

/** The first that can be called now, or in how many milliseconds one can. */
async function firstReady(able: readonly Spoken[]): Promise<Spoken | number> {
  let leastMs = Number.POSITIVE_INFINITY
  for (const each of able) {
    const waitMs = await each.meter.waitMs()
    if (waitMs <= 0) return each
    leastMs = Math.min(leastMs, waitMs)
  }
  return leastMs
}

const noneReady = ({ program }: AgentOptions, waitMs: number): Fault =>
  new Fault({
    code: 'RATE_LIMIT',
    message: `No model that ${program.name} can speak to wants calls for now: the run goes on in ${Math.ceil(waitMs / 1_000)} s, and nothing is to be done.`,
    retryable: true,
    retryAfterMs: waitMs,
  })

/** The models that this agent can speak to, and how. */
function usable({ program, meters }: AgentOptions): readonly Spoken[] {
  return meters.flatMap((meter) => {
    const spoken = program.speaks.find((each) => meter.speaks.includes(each))
    return spoken === undefined ? [] : [{ meter, spoken }]
  })
}

type Spoken = { readonly meter: ModelMeter; readonly spoken: ModelInterface }

type Order = { readonly task: AgentTask; readonly desk: AuthorDesk; readonly installation: Installation }

type Job = Spoken &
  Order & {
    readonly line: MeterLine
    /** Aborts where another model shall go on. */
    readonly change: AbortSignal
  }

/** Takes away the homes that killed processes have left. */
export const sweepHomes = (stateDir: string): Promise<void> => sweepLeftovers(stateDir)

async function work(options: AgentOptions, job: Job): Promise<AgentReport> {
  const { program, sandbox, stateDir } = options
  const { task, desk, line, installation, meter, spoken, change } = job
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
    const signal = AbortSignal.any([desk.signal, line.refused, change])
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
