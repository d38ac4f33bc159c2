import type { Outcome } from '../model/outcome.ts'
import { Defect } from '../model/problem.ts'
import type { Run } from '../model/run.ts'
import type { SettleContext } from '../model/settle.ts'
import { currentItem, failedRun, gateExpired, parkAsInvariant, postponed, released, settle } from '../model/settle.ts'
import type { Transition } from '../model/transition.ts'
import type { Pipeline, Recipes } from '../pipeline.ts'
import type { Database } from '../store/database.ts'
import type { People } from '../store/people.ts'
import { listSignals } from '../store/run.ts'
import type { StartDraft } from '../store/start.ts'
import { uuidv7 } from '../store/uuid.ts'
import type { StopCause } from './attempt.ts'
import { Attempt, deadlineFault, moreTime } from './attempt.ts'
import type { CallBook } from './call-book.ts'
import type { Lease } from './lease.ts'
import type { ProgressBoard } from './progress-board.ts'
import type { Purse } from './purse.ts'
import type { SettleLane } from './settle-lane.ts'
import type { EngineLog, EngineSettings } from './settings.ts'
import { draftRun } from '../store/draft-run.ts'

/** What driving runs needs; one per shift. */
export type Vehicle = {
  readonly db: Database
  readonly people: People
  readonly lease: Lease
  readonly lane: SettleLane
  readonly purse: Purse
  readonly calls: CallBook
  readonly progress: ProgressBoard
  readonly recipes: Recipes
  readonly settings: EngineSettings
  readonly log: EngineLog
  /** True when no further step may start here. */
  readonly stopping: () => boolean
}

/** One run aboard a worker: takes it step by step until it parks, ends, or belongs to somebody else. */
export class Drive {
  readonly #vehicle: Vehicle
  #run: Run
  #attempt: Attempt | null = null
  /** When the run's time is up, on the monotonic clock; counted once, when it came aboard. */
  readonly #deadlineAt: number | null

  constructor(vehicle: Vehicle, run: Run) {
    this.#vehicle = vehicle
    this.#run = run
    this.#deadlineAt = run.deadlineInMs === null ? null : performance.now() + run.deadlineInMs
  }

  get runId(): string {
    return this.#run.id
  }

  /** Stops the try under way for a cause; what follows is decided when it has stopped. */
  stop(cause: StopCause): void {
    this.#attempt?.stop(cause)
  }

  /** Resolves when the run is off this worker, with how it stands, or null when it was lost or is given back by the shift. */
  async toTheEnd(): Promise<Run | null> {
    const { lease, stopping } = this.#vehicle
    while (lease.holds && !stopping()) {
      const next = await this.#step()
      if (next === null || next.state !== 'running') return next
      this.#run = next
    }
    return null
  }

  async #step(): Promise<Run | null> {
    const startedAt = performance.now()
    this.#attempt = null
    if (this.#deadlineAt !== null) this.#run = { ...this.#run, deadlineInMs: this.#timeLeft(startedAt) }
    const recipe = this.#vehicle.recipes(this.#run.pipeline, this.#run.pipelineVersion)
    const immediate = (run: Run): Transition | null => immediateTransition(run, recipe, this.#vehicle.settings)
    // Made anew of a run that somebody changed meanwhile: the first one would never be written.
    if (immediate(this.#run)) return this.#commit((run) => immediate(run) ?? released(run), null)
    const outcome = await this.#try(recipe as Pipeline)
    if (outcome.kind === 'aborted' && this.#mustLetGo()) return null
    const context = {
      retry: this.#kindOf(recipe as Pipeline)?.retry ?? 'never',
      retries: this.#retries(),
      backoff: this.#vehicle.settings.backoff,
      random: Math.random(),
      gateId: uuidv7(),
      durationMs: Math.round(performance.now() - startedAt),
      cleanUp: recipe?.cleanUp ?? null,
    } as const
    return this.#commit((run, signals) => settle(run, outcome, { ...context, signals }), outcome)
  }

  /** Cleaning up is not work the deadline bounds: a run that is stopped late leaves as little behind as one in time. */
  #timeLeft(now: number): number | null {
    return this.#deadlineAt === null || this.#run.ending !== 'succeeded' ? null : this.#deadlineAt - now
  }

  /** Shutdown and a lost lease give the run back as a whole; nothing is settled for it here. */
  #mustLetGo(): boolean {
    const cause = this.#attempt?.cause
    return cause === 'shutdown' || cause === 'lease' || !this.#vehicle.lease.holds
  }

  #retries(): number | null {
    return this.#attempt?.retries ?? null
  }

  #kindOf(recipe: Pipeline) {
    const item = currentItem(this.#run)
    return item.type === 'step' ? recipe.steps[item.kind] : undefined
  }

  async #try(recipe: Pipeline): Promise<Outcome> {
    const item = currentItem(this.#run)
    const kind = this.#kindOf(recipe)
    if (item.type !== 'step' || !kind)
      return { kind: 'defect', message: `pipeline ${recipe.name} has no step of kind ${item.id}` }
    if (this.#run.deadlineInMs !== null && this.#run.deadlineInMs <= 0) return deadlineFault
    if (this.#run.interrupt && this.#run.interrupt !== 'hold') return { kind: 'aborted' }
    const { db, people, lease, purse, calls, progress } = this.#vehicle
    this.#attempt = new Attempt(kind)
    return this.#attempt.run({ db, people, lease, purse, calls, progress, run: this.#run, item })
  }

  /**
   * Commits what `change` makes of the run; a run that was changed meanwhile is looked at again, its signals too: one
   * that came between must not be slept through.
   */
  async #commit(
    change: (run: Run, signals: SettleContext['signals']) => Transition,
    outcome: Outcome | null,
  ): Promise<Run | null> {
    for (;;) {
      const signals = await this.#signalsFor(outcome)
      const { transition, children } = this.#decided((run) => change(run, signals), outcome)
      const settled = await this.#send(transition, children)
      if (settled.kind === 'written') return settled.run
      if (settled.kind === 'lost') return null
      this.#run = { ...settled.run, deadlineInMs: this.#run.deadlineInMs }
    }
  }

  /** A decision that meets an impossible state parks the run instead of guessing. */
  #decided(
    change: (run: Run) => Transition,
    outcome: Outcome | null,
  ): { transition: Transition; children: StartDraft[] } {
    try {
      const transition = change(this.#run)
      const children = transition.children.map((child) =>
        draftRun(this.#vehicle.recipes, { ...child, parent: this.#run }),
      )
      return { transition, children }
    } catch (error) {
      this.#vehicle.log('error', 'a run met an impossible state', { run: this.#run.id, outcome: outcome?.kind, error })
      return { transition: parkAsInvariant(this.#run, sayDefect(error), null), children: [] }
    }
  }

  async #send(transition: Transition, children: readonly StartDraft[]) {
    const { lane, log } = this.#vehicle
    try {
      return await lane.settle({ transition, children })
    } catch (error) {
      // The row itself is refused (a constraint, a value Postgres cannot hold): keep the evidence, park the run.
      log('error', 'a settlement was refused', { run: this.#run.id, error })
      const parked = parkAsInvariant(this.#run, `The result could not be stored: ${sayDefect(error)}`, null)
      return lane.settle({ transition: parked, children: [] })
    }
  }

  async #signalsFor(outcome: Outcome | null) {
    const waitsForSignal = outcome?.kind === 'wait' && outcome.wait.kind === 'signal'
    return waitsForSignal ? this.#vehicle.db.run(listSignals, { run: this.#run.id }) : []
  }
}

/** What happens to a claimed run without running a step: nobody decided its gate, or nobody here knows its recipe. */
function immediateTransition(run: Run, recipe: Pipeline | null, settings: EngineSettings): Transition | null {
  if (!recipe) {
    const reason = `This worker does not know ${run.pipeline} version ${run.pipelineVersion}: start a worker of that version, or /cancel.`
    return postponed(run, reason, settings.pollMs * 30)
  }
  if (run.position >= run.plan.length) return parkAsInvariant(run, 'The run stands behind the end of its plan.', null)
  const item = currentItem(run)
  if (item.type === 'step') return null
  if (run.deadlineInMs !== null && run.deadlineInMs <= 0) {
    return failedRun(
      run,
      run,
      {
        code: 'PRECONDITION_FAILED',
        message: `The run reached its deadline before gate ${item.name} was decided. ${moreTime}`,
      },
      { closeGate: 'expired' },
    )
  }
  return gateExpired(run, recipe.cleanUp)
}

const sayDefect = (error: unknown): string =>
  error instanceof Defect || error instanceof Error ? error.message : String(error)
