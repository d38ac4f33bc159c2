import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { until } from './bed.ts'
import type { FromWorker, Order, ToWorker } from './worker-process.ts'

type Step = Extract<FromWorker, { kind: 'step' }>
type Usage = Extract<FromWorker, { kind: 'usage' }>

/** A forked worker: what it has reported, and how to end it. */
export class Foreman {
  readonly steps: Step[] = []
  readonly #child: ChildProcess
  #ready = false
  #started = false
  #usage: Usage | null = null

  private constructor() {
    const execArgv = ['--disable-warning=ExperimentalWarning']
    this.#child = fork(join(import.meta.dirname, 'worker-process.ts'), [], { execArgv })
    this.#child.on('message', (message: FromWorker) => this.#hear(message))
  }

  /** Forks a worker and resolves when it works. */
  static async hire(order: Order): Promise<Foreman> {
    const foreman = new Foreman()
    foreman.#say({ kind: 'begin', ...order })
    await until('a worker process', 15_000, () => foreman.#ready)
    return foreman
  }

  /** Starts runs there, leased at birth. */
  async start(count: number): Promise<void> {
    this.#started = false
    this.#say({ kind: 'start', count })
    await until('the start of runs', 30_000, () => this.#started)
  }

  /** Processor time used so far and memory held. */
  async usage(): Promise<{ readonly cpuMs: number; readonly rssBytes: number; readonly atMs: number }> {
    this.#usage = null
    this.#say({ kind: 'usage' })
    await until('the usage of a worker', 10_000, () => this.#usage !== null)
    const { cpuMs, rssBytes, atNs } = this.#usage as unknown as Usage
    return { cpuMs, rssBytes, atMs: Number(BigInt(atNs)) / 1e6 }
  }

  /** kill -9. */
  async kill(): Promise<void> {
    if (!this.#isAlive) return
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exit
  }

  /** In order, and by force after ten seconds. */
  async dismiss(): Promise<void> {
    if (!this.#isAlive) return
    const exit = once(this.#child, 'exit')
    this.#say({ kind: 'stop' })
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000)
    await exit
    clearTimeout(timer)
  }

  get #isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  #say(message: ToWorker): void {
    this.#child.send(message)
  }

  #hear(message: FromWorker): void {
    if (message.kind === 'ready') this.#ready = true
    else if (message.kind === 'started') this.#started = true
    else if (message.kind === 'usage') this.#usage = message
    else this.steps.push(message)
  }
}

/** The machine's monotonic clock in milliseconds, the same for all processes. */
export const machineNow = (): number => Number(process.hrtime.bigint()) / 1e6

/** When the step's body began, on that clock. */
export const msOf = ({ atNs }: Step): number => Number(BigInt(atNs)) / 1e6
