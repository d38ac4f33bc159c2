import { setTimeout as delay } from 'node:timers/promises'
import type { Run } from '../model/run.ts'
import { isOver } from '../model/run.ts'
import type { Recipes } from '../pipeline.ts'
import { listAlone } from '../store/claim.ts'
import type { Database, Session } from '../store/database.ts'
import type { People } from '../store/people.ts'
import type { StartDraft } from '../store/start.ts'
import { startRuns } from '../store/start.ts'
import type { EngineLog, EngineSettings } from './settings.ts'
import { Shift } from './shift.ts'
import { grantFreeLocks, reap, wake } from './sweep.ts'

export type WorkerOptions = {
  readonly db: Database
  readonly people: People
  readonly recipes: Recipes
  readonly settings: EngineSettings
  readonly log: EngineLog
  /** Runs one run in a process of its own and resolves when that process has ended. */
  readonly isolate: (runId: string) => Promise<void>
}

/**
 * Claims runs and drives them; sweeps; begins a new shift when it lost its lease. Wakes on a notification at once and
 * by itself each `pollMs`.
 */
export class Worker {
  readonly #options: WorkerOptions
  readonly #isolated = new Set<string>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #moments = new Set<NodeJS.Timeout>()
  #shift: Shift | null = null
  #listener: Session | null = null
  readonly #stopping = new AbortController()
  /** The change to another shift under way, or the last one. */
  #change: Promise<void> = Promise.resolve()
  #claiming = false
  #claimAgain = false
  /** False once a claim came back with nothing: until somebody says otherwise, a free place needs no claim. */
  #maybeMore = true

  constructor(options: WorkerOptions) {
    this.#options = options
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted
  }

  /** Registers and begins to work. Throws when the database is away; later outages are ridden out. */
  async begin(): Promise<void> {
    const { settings } = this.#options
    await this.#reap()
    await this.#beginShift()
    await this.#listen()
    this.#every(settings.pollMs, () => this.#poll())
    this.#every(settings.reapMs, () => this.#reap())
    this.poke()
  }

  /** Says that runs may be ready. Cheap; may be called at any time. */
  poke(): void {
    this.#maybeMore = true
    void this.#claim()
  }

  /** Starts a run, here at once when there is room; queued runs go to whoever has room first. */
  async start(draft: StartDraft): Promise<Run> {
    const shift = this.#shift
    if (!shift) return (await startRuns(this.#options.db, [draft], null))[0] as Run
    const run = await shift.start(draft)
    if (run.state === 'queued') this.poke()
    return run
  }

  /** Takes nothing more, settles or gives back what it holds, and ends its lease. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    for (const timer of [...this.#timers, ...this.#moments]) clearTimeout(timer)
    await this.#listener?.end()
    // A shift that begins meanwhile would go on beating, and keep the process alive.
    await this.#change
    await this.#shift?.end()
    this.#shift = null
  }

  async #beginShift(): Promise<void> {
    const shift = await Shift.begin({ ...this.#options, onParked: (run) => this.#onParked(run) })
    shift.lost.addEventListener('abort', () => {
      this.#change = this.#loseShift(shift)
    })
    this.#shift = shift
  }

  async #loseShift(shift: Shift): Promise<void> {
    this.#options.log('warn', 'the lease is over: another worker takes the runs', {})
    this.#shift = null
    await shift.abandon()
    while (!this.#stopped && this.#shift === null) {
      try {
        await this.#beginShift()
      } catch {
        const { signal } = this.#stopping
        await delay(this.#options.settings.pollMs, undefined, { signal }).catch(() => undefined)
      }
    }
    this.poke()
  }

  /** A short wait ends here without the next poll; an ended run may have freed a lock or the last child of a parent. */
  #onParked(run: Run): void {
    const { db, settings } = this.#options
    if (run.state === 'waiting' && run.dueInMs !== null && run.dueInMs <= settings.pollMs) {
      this.#later(() => void this.#poll(), Math.max(1, run.dueInMs))
    }
    if (isOver(run.state) && run.parentId !== null) void this.#poll()
    else if (isOver(run.state) && run.lockKey !== null)
      void this.#guarded(() => grantFreeLocks(db)).then(() => this.poke())
    else if (this.#maybeMore || settings.actorCap !== null) void this.#claim()
  }

  async #poll(): Promise<void> {
    const { db } = this.#options
    await this.#guarded(() => wake(db))
    await this.#guarded(async () => this.#shift?.heedInterrupts())
    await this.#claim()
    await this.#guarded(() => this.#isolate())
  }

  async #reap(): Promise<void> {
    const { db, settings } = this.#options
    const ready = await this.#guarded(() => reap(db, settings.deathsAloneAllowed))
    if (ready) this.poke()
  }

  /** One claim at a time; a poke that comes meanwhile makes one more. */
  async #claim(): Promise<void> {
    if (this.#claiming) {
      this.#claimAgain = true
      return
    }
    this.#claiming = true
    do {
      this.#claimAgain = false
      const shift = this.#shift
      const taken = await this.#guarded(async () => (shift && !this.#stopped ? shift.claim() : null))
      if (taken === null) break
      this.#maybeMore = taken > 0
      if (taken > 0) this.#claimAgain = true
    } while (this.#claimAgain && !this.#stopped)
    this.#claiming = false
  }

  async #isolate(): Promise<void> {
    const { db, isolate, log } = this.#options
    if (this.#isolated.size > 0 || this.#stopped) return
    for (const { id } of await db.run(listAlone, { room: 1 })) {
      this.#isolated.add(id)
      log('warn', 'a run that was aboard dying workers now runs alone', { run: id })
      void isolate(id)
        .catch((error: unknown) => log('error', 'the process for a lone run could not start', { run: id, error }))
        .finally(() => this.#isolated.delete(id))
    }
  }

  async #listen(): Promise<void> {
    const { db, settings } = this.#options
    let isOver = false
    // One that breaks while it begins says so twice; two in its place would double with every break.
    const again = (): void => {
      if (!isOver && !this.#stopped) this.#later(() => void this.#listen(), settings.pollMs)
      isOver = true
    }
    let listener: Session | null = null
    try {
      listener = await db.connect('listen')
      // Stopped while it connected: an open connection would keep the process from ending.
      if (this.#stopped) return await listener.end()
      this.#listener = listener
      await listener.listen('qp_ready', () => this.poke(), again)
    } catch {
      // Polling finds the work meanwhile.
      again()
      await listener?.end()
    }
  }

  /** The database away is weather: the next round tries again. */
  async #guarded<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      return await work()
    } catch (error) {
      if (!this.#stopped) this.#options.log('warn', 'a sweep failed and will be repeated', { error })
      return null
    }
  }

  #every(ms: number, work: () => Promise<void>): void {
    const round = (): void => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer)
        void work().finally(() => {
          if (!this.#stopped) round()
        })
      }, ms)
      this.#timers.add(timer)
    }
    round()
  }

  #later(work: () => void, ms: number): void {
    const timer = setTimeout(() => {
      this.#moments.delete(timer)
      work()
    }, ms)
    this.#moments.add(timer)
  }
}

/**
 * Drives one run that must run alone, in this process, until it parks or ends, or until `signal` sends it back to the
 * queue; the process should exit afterwards.
 */
export async function runAlone(
  options: Omit<WorkerOptions, 'isolate'>,
  runId: string,
  signal: AbortSignal,
): Promise<boolean> {
  const shift = await Shift.begin({ ...options, onParked: () => undefined })
  let ending: Promise<void> | null = null
  const end = (): Promise<void> => (ending ??= shift.lost.aborted ? shift.abandon() : shift.end())
  shift.lost.addEventListener('abort', () => void end())
  signal.addEventListener('abort', () => void end())
  try {
    return !signal.aborted && (await shift.claimAlone(runId))
  } finally {
    await end()
  }
}
