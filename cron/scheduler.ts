import { createTask, type ScheduledTask } from 'node-cron'
import { finishTick, takeTick } from '../core/store/tick.ts'
import type { Hands, Schedule } from './work.ts'

/** When each process asks whether a tick is due. The database answers, so clocks that differ change nothing. */
const everyFiveSeconds = '*/5 * * * * *'

export type Tools = Omit<Hands, 'signal' | 'names'>

/** What came of asking for a tick: it was done here, it failed here, or it was not ours to do. */
export type Ticked =
  | { readonly kind: 'done'; readonly detail: Readonly<Record<string, unknown>> }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'not-ours' }

/** Runs schedules in this process. Beside any number of others: each tick is one process's, and none overlaps itself. */
export class Scheduler {
  readonly #tools: Tools
  readonly #schedules: readonly Schedule[]
  readonly #stopping = new AbortController()
  readonly #busy = new Set<Promise<void>>()
  #tasks: readonly ScheduledTask[] = []

  constructor(tools: Tools, schedules: readonly Schedule[]) {
    this.#tools = tools
    this.#schedules = schedules
  }

  /** Looks at once, since ticks may have been missed while nobody ran, and every five seconds from then on. */
  start(): void {
    const { log } = this.#tools
    const say = (message: string | Error): void => log('warn', String(message), {})
    const logger = { info: () => undefined, debug: () => undefined, warn: say, error: say }
    this.#tasks = this.#schedules.map((schedule) => {
      const task = createTask(everyFiveSeconds, () => this.#look(schedule), { noOverlap: true, logger })
      void task.start()
      return task
    })
    for (const schedule of this.#schedules) void this.#look(schedule)
  }

  /** Takes no more ticks, and resolves when those under way have ended. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    for (const task of this.#tasks) await task.destroy()
    await Promise.all(this.#busy)
  }

  /** Does a schedule's latest tick, if nobody has yet; or, `extra`, one of this very moment. */
  async fire(schedule: Schedule, extra = false): Promise<Ticked> {
    const { db, log } = this.#tools
    const { tick, died } = await takeTick(db, schedule, extra)
    for (const dead of died) log('error', 'a tick of a schedule died', { schedule: schedule.name, tick: dead })
    if (tick === null) return { kind: 'not-ours' }
    const ticked = await this.#work(schedule)
    const detail = ticked.kind === 'done' ? ticked.detail : { error: ticked.message }
    const isOurs = await finishTick(db, { schedule: schedule.name, tick }, { outcome: ticked.kind, detail })
    if (!isOurs) log('error', 'a tick took longer than it may', { schedule: schedule.name, tick })
    return ticked
  }

  async #work(schedule: Schedule): Promise<Exclude<Ticked, { kind: 'not-ours' }>> {
    const { log } = this.#tools
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(schedule.boundMs)])
    try {
      const detail = await schedule.work({ ...this.#tools, names: this.#schedules.map(({ name }) => name), signal })
      if (!signal.aborted) return { kind: 'done', detail }
      return { kind: 'failed', message: this.#stopping.signal.aborted ? 'stopped half way' : 'not done in its time' }
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      log('error', 'a schedule failed', { schedule: schedule.name, error })
      return { kind: 'failed', message }
    }
  }

  async #look(schedule: Schedule): Promise<void> {
    if (this.#stopping.signal.aborted) return
    const { log } = this.#tools
    const looking = this.fire(schedule).then(
      () => undefined,
      // The database away is weather: the next look tries again.
      (error: unknown) => log('warn', 'a schedule could not be looked at', { schedule: schedule.name, error }),
    )
    this.#busy.add(looking)
    await looking
    this.#busy.delete(looking)
  }
}
