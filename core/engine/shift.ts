import { hostname } from 'node:os'
import { setImmediate as turn } from 'node:timers/promises'
import { systemActor } from '../model/actor.ts'
import type { Run } from '../model/run.ts'
import type { Recipes } from '../pipeline.ts'
import { claimAlone, claimRuns, listInterrupted, lockClaims } from '../store/claim.ts'
import type { Database } from '../store/database.ts'
import { isConnectionLost } from '../store/database.ts'
import type { People } from '../store/people.ts'
import type { StartDraft } from '../store/start.ts'
import { startRuns } from '../store/start.ts'
import { uuidv7 } from '../store/uuid.ts'
import { insertWorker, requeueOwn, stopWorker } from '../store/worker.ts'
import type { StopCause } from './attempt.ts'
import { CallBook } from './call-book.ts'
import { Drive } from './drive.ts'
import { Lane } from './lane.ts'
import { Lease } from './lease.ts'
import { ProgressBoard } from './progress-board.ts'
import { Purse } from './purse.ts'
import type { EngineLog, EngineSettings } from './settings.ts'
import { SettleLane } from './settle-lane.ts'
import { describeWorker } from './sweep.ts'

/** What the shifts of a worker share. */
export type Workplace = {
  readonly db: Database
  readonly people: People
  readonly recipes: Recipes
  readonly settings: EngineSettings
  readonly log: EngineLog
  /** Called when runs may have become ready: one parked for a moment, or a lock key is free. */
  readonly onParked: (run: Run) => void
}

/**
 * One registration of a worker: a row that beats, and the runs it holds. When the lease is lost the shift is over and
 * the worker begins another under a new id.
 */
export class Shift {
  readonly #place: Workplace
  readonly #lease: Lease
  readonly #lane: SettleLane
  readonly #purse: Purse
  readonly #calls: CallBook
  readonly #progress: ProgressBoard
  readonly #births: Lane<StartDraft, Run>
  readonly #aboard = new Map<Drive, Promise<void>>()
  /** Runs that are being born here. */
  readonly #unborn = new Set<string>()
  /** True when runs may be ours by their row that nobody drives: the answer was lost that would have said so. */
  #mayHoldStrays = false
  /** The giving back of strays under way, or the last one. */
  #givingBack: Promise<unknown> = Promise.resolve()
  #stopping = false

  private constructor(place: Workplace, lease: Lease) {
    this.#place = place
    this.#lease = lease
    this.#lane = new SettleLane(place.db, lease)
    this.#purse = new Purse(place.db, lease, { money: place.settings.money, log: place.log })
    this.#calls = new CallBook(place.db, { texts: place.settings.texts, log: place.log })
    this.#progress = new ProgressBoard(place.db, place.log)
    this.#births = new Lane((drafts) => this.#born(drafts), 512)
  }

  /** Registers and begins to beat. */
  static async begin(place: Workplace): Promise<Shift> {
    const { db, settings } = place
    const lease = new Lease(db, uuidv7(), settings)
    const description = describeWorker(hostname(), process.pid)
    await db.run(insertWorker, { worker: lease.worker, leaseMs: settings.leaseMs, description })
    lease.start()
    return new Shift(place, lease)
  }

  get lost(): AbortSignal {
    return this.#lease.lost
  }

  /** How many more runs it could take. */
  get room(): number {
    return this.#stopping || !this.#lease.holds ? 0 : Math.max(0, this.#place.settings.concurrency - this.#aboard.size)
  }

  /** Takes what is ready, up to its room; answers how many it took, null when it had no room to look. One at a time. */
  async claim(): Promise<number | null> {
    await this.#giveBackStrays()
    const room = this.room
    if (room === 0) return null
    const runs = await this.#claimUpTo(room).catch(this.#suspectStrays)
    for (const run of runs) void this.#board(run)
    return runs.length
  }

  /** Takes one run that must run alone and drives it until it is off; false when it was gone. */
  async claimAlone(runId: string): Promise<boolean> {
    const [run] = await this.#place.db.run(claimAlone, { worker: this.#lease.worker, run: runId })
    if (run) await this.#board(run)
    return run !== undefined
  }

  /** Starts a run: here at once, leased at birth, when there is room and no cap or lock stands against it; else queued. */
  start(draft: StartDraft): Promise<Run> {
    return this.#births.submit(draft)
  }

  /** Tells tries under way that somebody asked to pause or cancel their run. */
  async heedInterrupts(): Promise<void> {
    if (this.#aboard.size === 0) return
    const asked = await this.#place.db.run(listInterrupted, { worker: this.#lease.worker })
    const interrupts = new Map(asked.map((row) => [row.id, row.interrupt]))
    await this.#stop((drive) => interrupts.get(drive.runId) ?? null)
  }

  /**
   * Ends in order: takes nothing more, lets short work settle, books what calls cost, gives the rest back under a new fence,
   * and ends when its calls are on record, each as far as `graceMs` lets it.
   */
  async end(): Promise<void> {
    this.#stopping = true
    const { graceMs } = this.#place.settings
    const stopped = this.#stop(() => 'shutdown').then(() => this.#allOff())
    await Promise.race([stopped, wait(graceMs)])
    await this.#stop(() => 'lease')
    const over = wait(graceMs)
    // While the lease holds: a booking whose answer was lost is then made once more.
    await Promise.race([Promise.all([this.#lane.idle(), this.#purse.idle()]), over])
    try {
      await this.#signOff()
    } finally {
      await this.#lease.stop()
    }
    await Promise.race([this.#calls.idle(), over])
  }

  /** Ends because the lease is over: stops what runs, writes nothing. */
  async abandon(): Promise<void> {
    this.#stopping = true
    await this.#stop(() => 'lease')
    await this.#allOff()
    await this.#lease.stop()
  }

  async #claimUpTo(room: number): Promise<readonly Run[]> {
    const { db, settings } = this.#place
    const asked = { worker: this.#lease.worker, room, actorCap: settings.actorCap, systemActor }
    if (settings.actorCap === null) return db.run(claimRuns, asked)
    return db.transaction(async (tx) => {
      const [, claimed] = await Promise.all([tx.run(lockClaims, {}), tx.run(claimRuns, asked)])
      return claimed
    })
  }

  readonly #suspectStrays = (error: unknown): never => {
    if (isConnectionLost(error)) this.#mayHoldStrays = true
    throw error
  }

  /** Back to the queue goes what was taken and not heard of, once the database answers again. */
  async #giveBackStrays(): Promise<void> {
    if (!this.#mayHoldStrays || this.#stopping || !this.#lease.holds) return
    this.#mayHoldStrays = false
    const inHand = [...[...this.#aboard.keys()].map(({ runId }) => runId), ...this.#unborn]
    const asked = { worker: this.#lease.worker, inHand, reason: 'answer_lost' }
    const giving = this.#place.db.run(requeueOwn, asked)
    this.#givingBack = giving.catch(() => undefined)
    const strays = await giving.catch(this.#suspectStrays)
    if (strays.length > 0)
      this.#place.log('warn', 'runs whose claim was not answered are queued again', { runs: strays.length })
  }

  /** Frees what it held at once. With the database away that happens when the lease is over, and nobody waits for it here. */
  async #signOff(): Promise<void> {
    const worker = this.#lease.worker
    if (!this.#lease.holds) return
    try {
      await this.#place.db.transaction(async (tx) => {
        await tx.run(stopWorker, { worker })
        await tx.run(requeueOwn, { worker, inHand: [], reason: 'worker_stopped' })
      })
    } catch (error) {
      if (!isConnectionLost(error)) throw error
      this.#place.log('warn', 'the lease was not given back: others take its runs when it is over', { error })
    }
  }

  /** Stops tries, each in a turn of the event loop of its own: to end a call is milliseconds of work, and there may be a thousand. */
  async #stop(causeOf: (drive: Drive) => StopCause | null): Promise<void> {
    for (const drive of this.#aboard.keys()) {
      const cause = causeOf(drive)
      if (cause === null) continue
      drive.stop(cause)
      await turn()
    }
  }

  async #allOff(): Promise<void> {
    await Promise.all(this.#aboard.values())
  }

  async #born(drafts: readonly StartDraft[]): Promise<readonly Run[]> {
    const { db, settings } = this.#place
    const free = drafts
      .filter((draft) => settings.actorCap === null || draft.startedBy === systemActor)
      .slice(0, this.room)
    const here = new Set(free)
    const queued = drafts.filter((draft) => !here.has(draft))
    const born = await this.#bear(free)
    const waiting = queued.length > 0 ? await startRuns(db, queued, null) : []
    const byId = new Map([...born, ...waiting].map((run) => [run.id, run]))
    return drafts.map((draft) => byId.get(draft.id) as Run)
  }

  async #bear(drafts: readonly StartDraft[]): Promise<readonly Run[]> {
    if (drafts.length === 0) return []
    for (const { id } of drafts) this.#unborn.add(id)
    // It does not know of these.
    await this.#givingBack
    try {
      const born = await startRuns(this.#place.db, drafts, this.#lease.worker).catch(this.#suspectStrays)
      for (const run of born) if (run.state === 'running') void this.#board(run)
      return born
    } finally {
      for (const { id } of drafts) this.#unborn.delete(id)
    }
  }

  #board(run: Run): Promise<void> {
    const { onParked, ...place } = this.#place
    const { log } = place
    const hands = { lease: this.#lease, lane: this.#lane, purse: this.#purse }
    const books = { calls: this.#calls, progress: this.#progress }
    const vehicle = { ...place, ...hands, ...books, stopping: () => this.#stopping }
    const drive = new Drive(vehicle, run)
    const ride = drive
      .toTheEnd()
      .then((end) => {
        this.#aboard.delete(drive)
        if (end) onParked(end)
      })
      .catch((error: unknown) => {
        this.#aboard.delete(drive)
        if (isConnectionLost(error)) this.#mayHoldStrays = true
        log('error', 'a run fell off its worker', { run: run.id, error })
      })
    this.#aboard.set(drive, ride)
    return ride
  }
}

const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref()
  })
