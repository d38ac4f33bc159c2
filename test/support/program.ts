import { userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import type { RunningProcess } from '../../adapters/process/run.ts'
import { runProcess, startProcess } from '../../adapters/process/run.ts'
import type { Pipeline } from '../../core/pipeline.ts'
import type { TestHouse, World } from './house.ts'
import { openTestHouse } from './house.ts'
import { createStateFolder } from './postgres.ts'

/** A house in a state folder of its own, and the program that is started on it as a person does. */
export type State = TestHouse & { readonly stateDir: string; readonly launcher: string }

export const product = resolve(import.meta.dirname, '../../bin/qp.mjs')

/** Opens a state folder for the product, or for another launcher that knows `more` pipelines; `world` is the house's own. */
export async function openState(
  launcher: string = product,
  more: Readonly<Record<string, Pipeline>> = {},
  world?: World,
): Promise<State> {
  const database = await createStateFolder()
  // The program takes its user for the same person as the house does.
  const { username, uid } = userInfo()
  const given = { database, account: `${username}:${uid}`, keysDir: join(database.stateDir, 'keys') }
  const house = await openTestHouse(more, given, world)
  return { ...house, stateDir: database.stateDir, launcher }
}

/** How the program is started in the state folder, under the engine's test profile. */
export const program = ({ dir, stateDir, launcher }: State, ...args: readonly string[]) => ({
  command: process.execPath,
  args: [launcher, ...args],
  cwd: dir,
  env: {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: dir,
    QP_STATE_DIR: stateDir,
    QP_LEASE_MS: '3000',
    QP_BEAT_MS: '1000',
    QP_REAP_MS: '1000',
    QP_POLL_MS: '200',
  },
})

/** What a person at a terminal sees of one command. */
export type Said = { readonly exitCode: number; readonly out: string; readonly err: string }

export async function qp(state: State, ...args: readonly string[]): Promise<Said> {
  const limits = { timeoutMs: 30_000, maxOutputBytes: 1_000_000 }
  const { exitCode, stdout, stderr } = await runProcess({ ...program(state, ...args), ...limits })
  return { exitCode, out: stdout.toString(), err: stderr }
}

/** What each of many commands says. They share a process, which loads the program once instead of each time. */
export async function qpEach(state: State, commands: readonly (readonly string[])[]): Promise<readonly Said[]> {
  const typed = { ...program(state), args: [manyCommands, JSON.stringify(commands)] }
  const env = { ...typed.env, NODE_NO_WARNINGS: '1' }
  const { exitCode, stdout, stderr } = await runProcess({
    ...typed,
    env,
    timeoutMs: 120_000,
    maxOutputBytes: 1_000_000,
  })
  if (exitCode !== 0 || stderr !== '') throw new Error(`${exitCode}: ${stderr}`)
  const parts = stdout.toString().split('\0').slice(0, -1)
  return commands.map((_, n) => ({ exitCode: Number(parts[2 * n + 1]), out: parts[2 * n] ?? '', err: '' }))
}

const manyCommands = resolve(import.meta.dirname, 'many-commands.ts')

/** What a process says until it ends; both of its outputs must be pipes. */
export async function collected({ stdout, stderr, exited }: RunningProcess): Promise<Said> {
  let [out, err] = ['', '']
  stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()))
  stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const { exitCode } = await exited
  return { exitCode, out, err }
}

/** A worker process that is started again whenever it dies, as an operator's supervisor would. */
export type Supervised = {
  /** Every process there has been, the last one under way. */
  readonly processes: readonly RunningProcess[]
  /** Lets the last one end in order; answers with its exit code. */
  stop(): Promise<number>
}

export async function superviseWorker(state: State): Promise<Supervised> {
  const processes: RunningProcess[] = []
  let stopping = false
  const start = async (): Promise<void> => {
    const worker = await startProcess(program(state, 'start'))
    processes.push(worker)
    void worker.exited.then(() => (stopping ? undefined : start()))
  }
  const stop = async (): Promise<number> => {
    stopping = true
    const exit = await processes.at(-1)?.kill({ graceMs: 30_000 })
    return exit?.exitCode ?? -1
  }
  await start()
  onTestFinished(async () => void (await stop()))
  return { processes, stop }
}

/** Waits until something is so; fails after forty seconds, or as long as is given, with what never was. */
export async function until(isThere: () => boolean | Promise<boolean>, what: string, withinMs = 40_000): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await isThere())) {
    if (performance.now() > deadline) throw new Error(`it never came to this: ${what}`)
    await delay(50)
  }
}
