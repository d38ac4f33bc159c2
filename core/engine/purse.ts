import type { Amount } from '../model/amount.ts'
import { MoneyRefused, raisePolicy, suggestedRaise } from '../model/money-request.ts'
import type { GatePolicy } from '../model/plan.ts'
import { Fault } from '../model/problem.ts'
import { sayRefusal } from '../model/refusal-of-money.ts'
import type { Within } from '../pipeline.ts'
import type { Ask, Level, Use } from '../store/call.ts'
import { type Executor, isConnectionLost, sqlState } from '../store/database.ts'
import type { Reserved } from '../store/reserve.ts'
import { reserve } from '../store/reserve.ts'
import { settleUses } from '../store/settle-uses.ts'
import { uuidv7 } from '../store/uuid.ts'
import { Lane } from './lane.ts'
import type { Lease } from './lease.ts'
import { pauseAfter } from './pause.ts'
import type { EngineLog, MoneySettings } from './settings.ts'

/** Who asks, and for which step. */
export type Payer = {
  readonly run: string
  readonly fence: number
  readonly step: string
  readonly project: string | null
  readonly actor: string
}

type Over = { readonly overMicros: number; readonly overTokens: number }

/** Nobody has refused: the run belongs to another worker by now. */
export type Refused = Fault | 'lost'

/** An id is asked for once: what is there already was made, and its answer lost with those of its neighbours. */
const foundMade =
  ({ length }: readonly Ask[]) =>
  (error: unknown): readonly Reserved[] => {
    if (length === 1 && sqlState(error) === uniqueViolation) return [{ granted: true, refusals: [] }]
    throw error
  }

const uniqueViolation = '23505'

/** Sets money aside and books it for all the runs of one worker; what comes at once goes to the database at once. */
export class Purse {
  readonly #lease: Pick<Lease, 'worker' | 'holds' | 'lost'>
  readonly #money: MoneySettings
  readonly #log: EngineLog
  readonly #asks: Lane<Ask, Reserved>
  readonly #uses: Lane<Use, Over | null>
  readonly #settling = new Set<Promise<Over | null>>()

  constructor(
    db: Executor,
    lease: Pick<Lease, 'worker' | 'holds' | 'lost'>,
    { money, log }: { readonly money: MoneySettings; readonly log: EngineLog },
  ) {
    this.#lease = lease
    this.#money = money
    this.#log = log
    this.#asks = new Lane((asks) => reserve(db, lease.worker, asks).catch(foundMade(asks)), 256)
    this.#uses = new Lane(async (uses) => {
      const over = await settleUses(db, uses)
      return uses.map((use) => {
        const found = over.find(({ id }) => id === use.id)
        return found ? { overMicros: found.overMicros, overTokens: found.overTokens } : null
      })
    }, 256)
  }

  /** Answers with the reservation's id, or why there is none. */
  async reserve(
    payer: Payer,
    { micros, tokens }: Amount,
    { purpose, within }: { readonly purpose: string; readonly within: Within },
  ): Promise<{ readonly id: string } | Refused> {
    const id = uuidv7()
    const levels = this.#levelsOf(payer, within)
    const { run, fence, step } = payer
    const ask = { run, fence, step, id, purpose, micros, tokens, levels }
    const { granted, refusals } = await this.#asks.submit(ask).catch((error: unknown) => {
      // It may have been set aside all the same; the call is not made.
      if (isConnectionLost(error)) void this.settle({ run, id, micros: 0, tokens: 0 }, purpose).catch(() => undefined)
      throw error
    })
    if (granted) return { id }
    const [refusal] = refusals
    return refusal === undefined ? 'lost' : refusedFor({ micros, tokens }, refusal, within)
  }

  /**
   * Usage above what was set aside is booked in full, and said. Keeps trying while the lease holds, since nobody else knows what
   * the call cost: a booking that was made and not answered for is made no second time.
   */
  async settle(use: Use, purpose: string): Promise<void> {
    const booked = this.#booked(use)
    this.#settling.add(booked)
    const over = await booked.finally(() => this.#settling.delete(booked))
    if (over) this.#log('error', 'a call used more than its worst case', { run: use.run, purpose, ...over })
  }

  /** Resolves when what was to be booked by now is, or cannot be. */
  async idle(): Promise<void> {
    while (this.#settling.size > 0) await Promise.allSettled(this.#settling)
  }

  async #booked(use: Use): Promise<Over | null> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#uses.submit(use)
      } catch (error) {
        if (!isConnectionLost(error) || !this.#lease.holds) throw error
        await pauseAfter(tries, this.#lease.lost)
      }
    }
  }

  #levelsOf({ run, step, project, actor }: Payer, { zone, caps }: Within): readonly Level[] {
    const { actorDay, instanceDay, hour, minute, projectDay } = this.#money
    const days = { period: 'day', zone: zone ?? this.#money.zone } as const
    const server = { zone: this.#money.zone } as const
    // Where a clock is set back, an hour and its minutes come twice.
    const clock = { zone: 'UTC' } as const
    const all: readonly Level[] = [
      { level: 'step', about: `${run}:${step.replace(/#\d+$/, '')}`, period: null, ...server, ...(caps.step ?? none) },
      { level: 'task', about: `${run}:${caps.task?.name ?? ''}`, period: null, ...server, ...(caps.task ?? none) },
      ...(project === null
        ? []
        : [{ level: 'project-day', about: project, ...days, ...least(caps.projectDay ?? none, projectDay) } as const]),
      { level: 'actor-day', about: actor, period: 'day', ...server, ...actorDay },
      { level: 'instance-day', about: 'all', period: 'day', ...server, ...instanceDay },
      { level: 'hour', about: 'all', period: 'hour', ...clock, ...hour },
      { level: 'minute', about: 'all', period: 'minute', ...clock, ...minute },
    ]
    // A level that nobody caps costs nothing to keep.
    return all
      .filter(({ capMicros, capTokens }) => capMicros !== null || capTokens !== null)
      .map(({ level, about, period, zone: at, capMicros, capTokens }) => ({
        level,
        about,
        period,
        zone: at,
        capMicros,
        capTokens,
      }))
  }
}

type Cap = MoneySettings['hour']

const none: Cap = { capMicros: null, capTokens: null }

const least = (one: Cap, other: Cap): Cap => ({
  capMicros: lower(one.capMicros, other.capMicros),
  capTokens: lower(one.capTokens, other.capTokens),
})

const lower = (one: number | null, other: number | null): number | null =>
  one === null || other === null ? (one ?? other) : Math.min(one, other)

/** An hour that is full is waited for; all else is for a person to raise. */
function refusedFor(asked: Amount, refusal: Reserved['refusals'][number], { raise }: Within): Fault {
  const { level, capMicros, capTokens, endsInMs } = refusal
  const everFits =
    (capMicros === null || asked.micros <= capMicros) && (capTokens === null || asked.tokens <= capTokens)
  const isBurst = (level === 'hour' || level === 'minute') && everFits
  const message = sayRefusal(asked, refusal, everFits)
  if (level === 'run') return new MoneyRefused(message, raiseFor(asked, refusal, raise))
  if (!isBurst) return new Fault({ code: 'BUDGET_EXCEEDED', message, retryable: false })
  return new Fault({ code: 'RATE_LIMIT', message, retryable: true, retryAfterMs: Math.ceil(endsInMs ?? 1_000) })
}

/** What would let the call through, for people to grant. */
function raiseFor(asked: Amount, refusal: Reserved['refusals'][number], policy: GatePolicy = raisePolicy) {
  const { capMicros, capTokens, leftMicros, leftTokens } = refusal
  const cap = { micros: capMicros ?? 0, tokens: capTokens ?? 0 }
  const more = suggestedRaise(asked, { micros: leftMicros ?? 0, tokens: leftTokens ?? 0 }, cap)
  return { kind: 'raise', ...more, capMicros: cap.micros, capTokens: cap.tokens, because: null, policy } as const
}
