import type { Gate } from '../../core/model/decide.ts'
import { decide, mayDecide, verdictOf } from '../../core/model/decide.ts'
import { cancel, parkAsDeadLetter, pause, resume, retry, signal } from '../../core/model/intervene.ts'
import type { Outcome as StepOutcome } from '../../core/model/outcome.ts'
import type { Result } from '../../core/model/problem.ts'
import type { Run } from '../../core/model/run.ts'
import { currentItem, failedRun, gateExpired, settle } from '../../core/model/settle.ts'
import { aRun } from '../../core/model/test-run.ts'
import type { Transition } from '../../core/model/transition.ts'
import type { Pipeline } from '../../core/pipeline.ts'
import type { Answer, Near } from './commands.ts'
import type { Action, Ask, Outcome, Ride as Expected } from './model.ts'
import { pipelinesOf } from './pipelines.ts'
import type { Person, RecipeName } from './recipes.ts'
import { leaseMs, retryAfterMs } from './recipes.ts'
import { outcomeOf } from './outcomes.ts'
import type { Seen, View } from './view.ts'

const pipelines = pipelinesOf(() => Promise.resolve({ kind: 'aborted' }))

type Vote = {
  readonly actorId: Person
  readonly inPlaceOf: null
  readonly choice: 'approved' | 'rejected' | 'changes_requested'
}

/** What Postgres keeps of a run, kept in a variable. */
type Row = {
  run: Run
  holder: number | null
  dueAt: number | null
  queuedAt: number
  tries: number
  readonly deadlineAt: number | null
  readonly gates: { gate: Gate; readonly votes: Vote[] }[]
  readonly signals: string[]
}

type Ride = {
  readonly worker: number
  readonly row: Row
  /** The run as it came aboard. */
  readonly claimed: Run
  state: Expected['state']
}

type Worker = { isLive: boolean; beatAt: number }

/** The pure core without a database: its decisions, carried out on plain variables. */
export class Memory implements Near {
  readonly #rows: Row[] = []
  readonly #workers: Worker[] = []
  readonly #rides: Ride[] = []
  #now = 0
  #ids = 0
  #taken: readonly number[] = []
  #meanwhile: string | null = null

  perform(action: Action): Answer {
    this.#taken = []
    this.#meanwhile = null
    const said = this.#act(action)
    return { said, facts: { taken: this.#taken, meanwhile: this.#meanwhile } }
  }

  look(): View {
    return { runs: this.#rows.map((row) => seenOf(row)), rides: this.#rides.map(({ state }) => state) }
  }

  #act(action: Action): string {
    switch (action.kind) {
      case 'start':
        this.#start(action)
        break
      case 'hire':
        this.#workers.push({ isLive: true, beatAt: this.#now })
        break
      case 'claim':
        this.#claim(action.worker, this.#best(action.worker, action.room))
        break
      case 'claimAlone':
        this.#claim(action.worker, this.#alone(action))
        break
      case 'drive':
      case 'finish':
        this.#ride(action)
        break
      case 'heed':
        this.#heed(action.worker)
        break
      case 'beat':
        this.#beat(action.worker, this.#now)
        break
      case 'crash':
        this.#beat(action.worker, this.#now - leaseMs - 1)
        this.#reap()
        break
      case 'signOff':
        this.#signOff(action.worker)
        break
      case 'clock':
        this.#now += action.ms
        break
      case 'expire':
        this.#now += action.ms
        this.#wake()
        break
      case 'reap':
        this.#reap()
        break
      case 'wake':
        this.#wake()
        break
      default:
        return this.#ask(action)
    }
    return 'ok'
  }

  #start({ recipe, locked, priority }: Extract<Action, { kind: 'start' }>): void {
    const pipeline = pipelines[recipe] as Pipeline
    const lock = locked ? ({ lockKey: 'key', lockState: 'behind' } as const) : {}
    const run = aRun({
      ...lock,
      pipeline: recipe,
      state: 'queued',
      fence: 0,
      plan: pipeline.plan(null),
      priority,
      startedBy: 'anna',
    })
    const deadlineAt = pipeline.deadlineMs === null ? null : this.#now + pipeline.deadlineMs
    const bare = { holder: null, dueAt: null, tries: 0, gates: [], signals: [] }
    this.#rows.push({ ...bare, run, queuedAt: this.#now, deadlineAt })
  }

  // ---------------------------------------------------------------- what SQL does

  /** The run with its times counted from now, as every statement returns it. */
  #read({ run, dueAt, deadlineAt }: Row): Run {
    const inMs = (at: number | null) => (at === null ? null : at - this.#now)
    return { ...run, dueInMs: inMs(dueAt), deadlineInMs: inMs(deadlineAt) }
  }

  #write(row: Row, { was, now, attempt, openGate, closeGate, consumedSignal }: Transition): void {
    this.#put(row, now)
    if (attempt) row.tries++
    if (now.dueInMs !== was.dueInMs) row.dueAt = now.dueInMs === null ? null : this.#now + now.dueInMs
    if (now.waitingFor === 'gate' && row.deadlineAt !== null)
      row.dueAt = Math.min(row.dueAt ?? row.deadlineAt, row.deadlineAt)
    const closing = row.gates.find(({ gate }) => gate.verdict === null)
    if (closeGate && closing) closing.gate = { ...closing.gate, verdict: closeGate }
    if (openGate)
      row.gates.push({
        gate: { ...openGate, runId: now.id, artifactSha256: null, escalatedAt: null, verdict: null },
        votes: [],
      })
    if (consumedSignal && row.signals.includes(consumedSignal))
      row.signals.splice(row.signals.indexOf(consumedSignal), 1)
  }

  #put(row: Row, run: Run): void {
    if (run.state === 'queued' && row.run.state !== 'queued') row.queuedAt = this.#now
    if (run.state !== 'running') row.holder = null
    row.run = run
  }

  #best(worker: number, room: number): readonly Row[] {
    if (!this.#workers[worker]?.isLive) return []
    const ready = this.#rows.filter((row) => isReady(row) && !row.run.alone)
    return ready.toSorted((a, b) => b.run.priority - a.run.priority || a.queuedAt - b.queuedAt).slice(0, room)
  }

  #alone({ worker, run }: Extract<Action, { kind: 'claimAlone' }>): readonly Row[] {
    const row = this.#rows[run]
    return row && this.#workers[worker]?.isLive && isReady(row) && row.run.alone ? [row] : []
  }

  #claim(worker: number, rows: readonly Row[]): void {
    this.#taken = rows.map((row) => this.#rows.indexOf(row)).toSorted((a, b) => a - b)
    for (const at of this.#taken) {
      const row = this.#rows[at] as Row
      row.holder = worker
      row.run = { ...row.run, state: 'running', fence: row.run.fence + 1 }
      this.#rides.push({ worker, row, claimed: this.#read(row), state: 'claimed' })
    }
  }

  #beat(worker: number, at: number): void {
    const row = this.#workers[worker]
    if (row?.isLive) row.beatAt = at
  }

  #reap(): void {
    for (const worker of this.#workers) if (worker.beatAt < this.#now - leaseMs) worker.isLive = false
    for (const row of this.#rows) {
      if (row.holder === null || this.#workers[row.holder]?.isLive) continue
      const { run } = row
      if (run.alone && run.deathsAlone + 1 >= 3) this.#write(row, parkAsDeadLetter(this.#read(row)))
      else {
        const deaths = run.deaths + 1
        const deathsAlone = run.deathsAlone + (run.alone ? 1 : 0)
        this.#put(row, { ...run, state: 'queued', fence: run.fence + 1, deaths, deathsAlone, alone: deaths >= 2 })
      }
    }
  }

  #signOff(at: number): void {
    const worker = this.#workers[at] as Worker
    worker.isLive = false
    // What stopped in order holds nothing a reaper could take.
    worker.beatAt = Number.POSITIVE_INFINITY
    for (const ride of this.#rides) if (ride.worker === at) ride.state = 'over'
    for (const row of this.#rows)
      if (row.holder === at) this.#put(row, { ...row.run, state: 'queued', fence: row.run.fence + 1 })
  }

  #wake(): void {
    for (const row of this.#rows) {
      const isDue = row.run.state === 'waiting' && row.dueAt !== null && row.dueAt <= this.#now
      if (!isDue) continue
      this.#put(row, { ...row.run, state: 'queued', waitingFor: null, waitingName: null })
      row.dueAt = null
    }
    if (this.#rows.some(({ run }) => run.lockState === 'held')) return
    const line = this.#rows.filter(({ run }) => run.lockState === 'behind' && run.state === 'queued')
    const heir = line.toSorted((a, b) => b.run.priority - a.run.priority)[0]
    if (!heir) return
    heir.run = { ...heir.run, lockState: 'held' }
    heir.queuedAt = this.#now
  }

  // ---------------------------------------------------------------- what a drive does

  #ride(action: Extract<Action, { kind: 'drive' | 'finish' }>): void {
    const ride = this.#rides[action.ride] as Ride
    const outcome = action.kind === 'finish' ? stepOutcome(action.outcome) : firstOutcome(ride.claimed)
    if (outcome === null) {
      ride.state = 'body'
      return
    }
    if (action.meanwhile) this.#meanwhile = this.#ask(action.meanwhile)
    this.#settle(ride, outcome)
  }

  #settle(ride: Ride, outcome: StepOutcome | 'immediate'): void {
    const { row } = ride
    const holds = row.run.state === 'running' && row.holder === ride.worker && row.run.fence === ride.claimed.fence
    if (holds) this.#write(row, this.#decided(ride, outcome))
    ride.state = holds && row.run.state === 'running' ? 'body' : 'over'
  }

  #decided({ row, claimed }: Ride, outcome: StepOutcome | 'immediate'): Transition {
    const run = this.#read(row)
    const { cleanUp, steps } = pipelines[run.pipeline] as Pipeline
    if (outcome === 'immediate') {
      const isLate = claimed.deadlineInMs !== null && claimed.deadlineInMs <= 0
      const late = { code: 'PRECONDITION_FAILED', message: 'too late' }
      return isLate ? failedRun(run, run, late, { closeGate: 'expired' }) : gateExpired(run, cleanUp)
    }
    return settle(run, outcome, {
      retry: steps[currentItem(run).id.split('#')[0] as string]?.retry ?? 'never',
      backoff: { baseMs: 0, capMs: 0 },
      random: 0,
      gateId: `gate ${this.#ids++}`,
      durationMs: 0,
      signals: row.signals.map((id) => ({ id, name: 'go', payload: null })),
      cleanUp,
    })
  }

  #heed(worker: number): void {
    for (const ride of this.#rides) {
      if (ride.worker !== worker || ride.state !== 'body') continue
      const { run } = ride.row
      if (run.state !== 'running' || run.fence !== ride.claimed.fence || run.interrupt === null) continue
      const item = currentItem(run)
      const { steps } = pipelines[run.pipeline] as Pipeline
      const aborts = item.type === 'step' && steps[item.kind]?.onPause === 'abort'
      if (run.interrupt === 'cancel' || aborts) this.#settle(ride, { kind: 'aborted' })
    }
  }

  // ---------------------------------------------------------------- what people ask

  #ask(ask: Ask): string {
    const row = this.#rows[ask.run] as Row
    if (ask.kind === 'decide') return this.#decide(row, ask)
    const run = this.#read(row)
    const id = `signal ${this.#ids++}`
    const result = intervention(ask.kind, run, id)
    if (!result.ok) return result.refusal.code
    this.#write(row, result.value)
    if (ask.kind === 'signal' && result.value.consumedSignal === null) row.signals.push(id)
    return 'ok'
  }

  #decide(row: Row, { choice, as }: Extract<Ask, { kind: 'decide' }>): string {
    if (as === 'dora') return 'not_allowed'
    const run = this.#read(row)
    const open = row.gates.find(({ gate }) => gate.verdict === null)
    const last = row.gates.at(-1)?.gate.verdict
    if (!open) return !last ? 'not_found' : last === 'expired' || last === 'withdrawn' ? 'stale' : 'already_decided'
    if (run.waitingFor !== 'gate' || (run.dueInMs !== null && run.dueInMs <= 0)) return 'stale'
    const voter = { actorId: as, pseudonym: as, roles: ['operator', 'approver'], lent: [] } as const
    const may = mayDecide(open.gate, { starter: run.startedBy, votes: open.votes }, voter)
    if (!may.ok) return may.refusal.code
    open.votes.push({ actorId: as, inPlaceOf: null, choice: choices[choice] })
    const verdict = verdictOf(open.gate.policy, open.votes)
    if (verdict) {
      const { cleanUp } = pipelines[run.pipeline] as Pipeline
      this.#write(row, decide(run, open.gate, { verdict, cleanUp }))
      open.gate = { ...open.gate, verdict }
    }
    return 'ok'
  }
}

const isReady = ({ run }: Row): boolean => run.state === 'queued' && run.lockState !== 'behind'

/** What a drive does with a run that came aboard before any step: null runs the step. */
function firstOutcome(run: Run): StepOutcome | 'immediate' | null {
  if (currentItem(run).type === 'gate') return 'immediate'
  const isLate = run.ending === 'succeeded' && run.deadlineInMs !== null && run.deadlineInMs <= 0
  if (isLate) return faultOutcome('PRECONDITION_FAILED', false)
  return run.interrupt ? { kind: 'aborted' } : null
}

function stepOutcome(outcome: Outcome): StepOutcome {
  if (outcome.kind === 'defect') return { kind: 'defect', message: 'boom' }
  if (outcome.kind !== 'fault') return outcomeOf(outcome)
  return faultOutcome(outcome.code, outcome.code === 'TRANSIENT_NETWORK' || outcome.code === 'MODEL_OUTPUT_INVALID')
}

const faultOutcome = (code: Extract<StepOutcome, { kind: 'fault' }>['code'], retryable: boolean): StepOutcome => ({
  kind: 'fault',
  code,
  message: 'the world said no',
  retryable,
  retryAfterMs,
})

const choices = { approve: 'approved', reject: 'rejected', changes: 'changes_requested' } as const

function intervention(kind: Exclude<Ask['kind'], 'decide'>, run: Run, id: string): Result<Transition> {
  switch (kind) {
    case 'pause':
      return pause(run, { code: 'operator', text: 'Paused by an operator.' })
    case 'resume':
      return resume(run)
    case 'retry':
      return retry(run)
    case 'cancel':
      return cancel(run, pipelines[run.pipeline as RecipeName]?.cleanUp ?? null)
    case 'signal':
      return signal(run, { id, name: 'go', payload: null })
  }
}

function seenOf({ run, holder, dueAt, tries, gates }: Row): Seen {
  return {
    state: run.state,
    waitingFor: run.waitingFor as Seen['waitingFor'],
    pausedFrom: run.pausedFrom,
    ending: run.ending,
    reason: run.reasonCode,
    interrupt: run.interrupt,
    position: run.position,
    attempt: run.attempt,
    failures: run.failures,
    tries,
    verdicts: run.verdicts,
    resume: (run.resume?.kind ?? null) as Seen['resume'],
    fence: run.fence,
    holder,
    signals: run.signalsPending,
    deaths: run.deaths,
    deathsAlone: run.deathsAlone,
    alone: run.alone,
    lock: run.lockState,
    dueAt,
    gates: gates.map(({ gate, votes }) => ({
      step: gate.stepId ?? '',
      verdict: gate.verdict,
      votes: votes.map((vote) => vote.actorId),
    })),
    plan: run.plan.map((item) => item.id),
  }
}
