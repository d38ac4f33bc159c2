import { MoneyRefused } from '../model/money-request.ts'
import type { Outcome } from '../model/outcome.ts'
import { Defect, Fault } from '../model/problem.ts'
import type { Run } from '../model/run.ts'
import type { StepContext, StepKind } from '../pipeline.ts'
import type { Place } from './step-context.ts'
import { LeaseLost, stepContext } from './step-context.ts'

/** Why a try was stopped from outside. */
export type StopCause = 'pause' | 'cancel' | 'timeout' | 'deadline' | 'shutdown' | 'lease'

/** One try of a step under way, and the handle to stop it. */
export class Attempt {
  readonly #controller = new AbortController()
  readonly #kind: StepKind
  #cause: StopCause | null = null
  #timeoutMs: number
  #retries: number | null = null
  #timer: NodeJS.Timeout | undefined

  constructor(kind: StepKind) {
    this.#kind = kind
    this.#timeoutMs = kind.timeoutMs
  }

  /** Tries after the first that the run's own settings allow the step; null leaves it to its kind. */
  get retries(): number | null {
    return this.#retries
  }

  get cause(): StopCause | null {
    return this.#cause
  }

  /** A pause or a shutdown lets a step finish that says so; everything else stops it. The first cause stays. */
  stop(cause: StopCause): void {
    if (this.#cause !== null) return
    const mayFinish = cause === 'pause' || cause === 'shutdown'
    if (mayFinish && this.#kind.onPause === 'finish') return
    this.#cause = cause
    this.#controller.abort(new DOMException(`stopped: ${cause}`, 'AbortError'))
  }

  /**
   * Runs the step's body. Always resolves: with what the body returned, or with what its failure means. A body that
   * ignores its signal is left behind after `patienceMs`; its result is thrown away.
   */
  async run(place: Omit<Place, 'signal'>): Promise<Outcome> {
    const deadline = this.#deadlineOf(place.run)
    const left = this.#leftBehind()
    this.#setTimer()
    try {
      const body = this.#body(stepContext({ ...place, signal: this.#controller.signal }))
      return checked(await Promise.race([body, left]))
    } catch (error) {
      return this.#outcomeOf(error)
    } finally {
      clearTimeout(deadline)
      clearTimeout(this.#timer)
      // Whatever the body took for the time of its try is given back now.
      this.#controller.abort(over)
    }
  }

  async #body(ctx: StepContext): Promise<Outcome> {
    if (this.#kind.limits) {
      const { timeoutMs, retries } = await this.#kind.limits(ctx)
      ctx.signal.throwIfAborted()
      this.#timeoutMs = timeoutMs ?? this.#kind.timeoutMs
      this.#retries = retries
      this.#setTimer()
    }
    return await this.#kind.run(ctx)
  }

  #setTimer(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.stop('timeout'), Math.min(this.#timeoutMs, maxTimerMs))
  }

  #deadlineOf({ deadlineInMs }: Run): NodeJS.Timeout | undefined {
    return deadlineInMs === null
      ? undefined
      : setTimeout(() => this.stop('deadline'), Math.min(deadlineInMs, maxTimerMs))
  }

  #leftBehind(): Promise<never> {
    return new Promise((_, reject) => {
      this.#controller.signal.addEventListener('abort', () => {
        if (this.#cause === null) return
        setTimeout(() => reject(this.#controller.signal.reason), patienceMs).unref()
      })
    })
  }

  #outcomeOf(error: unknown): Outcome {
    if (this.#cause !== null) return this.#stopped(this.#cause)
    if (error instanceof LeaseLost) return { kind: 'aborted' }
    if (error instanceof Fault) {
      const { code, message, retryable, retryAfterMs } = error
      const request = error instanceof MoneyRefused ? { request: error.request } : {}
      return { kind: 'fault', code, message, retryable, retryAfterMs, ...request }
    }
    return { kind: 'defect', message: sayError(error) }
  }

  #stopped(cause: StopCause): Outcome {
    if (cause === 'timeout') {
      const message = `The step took longer than ${Math.round(this.#timeoutMs / 1000)} s.`
      return { kind: 'fault', code: 'UPSTREAM_TIMEOUT', message, retryable: true, retryAfterMs: null }
    }
    if (cause === 'deadline') return deadlineFault
    return { kind: 'aborted' }
  }
}

/** Why a signal is aborted whose try has ended by itself; one for all, since there are many. */
const over = new DOMException('the try is over', 'AbortError')

/** What helps a run whose time was too short. */
export const moreTime = 'Start a new run, or allow more time with limits.timeout_seconds in quantapilot.yml.'

/** The run's own time is up; no retry helps. */
export const deadlineFault: Outcome = {
  kind: 'fault',
  code: 'PRECONDITION_FAILED',
  message: `The run reached its deadline. ${moreTime}`,
  retryable: false,
  retryAfterMs: null,
}

/** Longest delay a Node timer takes. */
const maxTimerMs = 2 ** 31 - 1

/** How long a stopped body may take to notice. */
const patienceMs = 4_000

/** What a step returns must survive the database; what does not is the step's fault, found here and not in a batch. */
function checked(outcome: Outcome): Outcome {
  if (outcome.kind !== 'done') return outcome
  const text: string | undefined = JSON.stringify(outcome.output)
  if (text === undefined) throw new Defect('a step returned an output that is not JSON')
  return outcome
}

const sayError = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : `a step threw ${typeof error}: ${String(error)}`
