import type { Drive } from '../../core/engine/drive.ts'
import type { Outcome as StepOutcome } from '../../core/model/outcome.ts'
import { Fault } from '../../core/model/problem.ts'
import type { StepContext } from '../../core/pipeline.ts'
import type { Outcome, Ride as Expected } from './model.ts'
import { outcomeOf } from './outcomes.ts'
import { retryAfterMs } from './recipes.ts'

/** A run aboard a worker: the engine's own drive, whose step bodies end when the test says so. */
export class Ride {
  #drive: Drive | null = null
  #body: PromiseWithResolvers<StepOutcome> | null = null
  #entered = Promise.withResolvers<void>()
  #over: Promise<unknown> | null = null
  #isOver = false
  #isStopped = false

  get state(): Expected['state'] {
    if (this.#isOver) return 'over'
    return this.#body ? 'body' : 'claimed'
  }

  /** What every step of the run does aboard: wait to be told how it ends. */
  enter(ctx: StepContext): Promise<StepOutcome> {
    const body = Promise.withResolvers<StepOutcome>()
    ctx.signal.addEventListener('abort', () => {
      this.#isStopped = true
      body.reject(new Error('stopped'))
    })
    this.#body = body
    this.#entered.resolve()
    return body.promise
  }

  /** Lets the drive go until it is in a body or off. */
  async begin(drive: Drive): Promise<void> {
    this.#drive = drive
    this.#over = drive.toTheEnd().then(() => (this.#isOver = true))
    await this.#rest()
  }

  /** Ends the body under way, and waits for the next one or the end. */
  async finish(outcome: Outcome): Promise<void> {
    const body = this.#leave()
    if (outcome.kind === 'fault') body?.reject(faultOf(outcome.code))
    else if (outcome.kind === 'defect') body?.reject(new Error('boom'))
    else body?.resolve(outcomeOf(outcome))
    await this.#rest()
  }

  /** Tells the body under way that somebody asked; a step may ignore it. */
  async stop(cause: 'pause' | 'cancel'): Promise<void> {
    this.#isStopped = false
    this.#drive?.stop(cause)
    if (!this.#isStopped) return
    this.#leave()
    await this.#rest()
  }

  /** Gives up without writing, as a worker does that lost its lease. */
  async abandon(): Promise<void> {
    this.#drive?.stop('lease')
    await this.#over
    this.#isOver = true
  }

  #leave(): PromiseWithResolvers<StepOutcome> | null {
    const body = this.#body
    this.#body = null
    this.#entered = Promise.withResolvers<void>()
    return body
  }

  async #rest(): Promise<void> {
    await Promise.race([this.#entered.promise, this.#over])
  }
}

const faultOf = (code: Extract<Outcome, { kind: 'fault' }>['code']): Fault =>
  new Fault({
    code,
    message: 'the world said no',
    retryable: code === 'TRANSIENT_NETWORK' || code === 'MODEL_OUTPUT_INVALID',
    retryAfterMs,
  })
