import { onTestFinished } from 'vitest'
import { z } from 'zod'
import type { Command } from '../../core/commands/command.ts'
import { sendSignal } from '../../core/commands/send-signal.ts'
import { signIn } from '../../core/commands/sign-in.ts'
import { Drive } from '../../core/engine/drive.ts'
import { Lease } from '../../core/engine/lease.ts'
import { CallBook } from '../../core/engine/call-book.ts'
import { ProgressBoard } from '../../core/engine/progress-board.ts'
import { Purse } from '../../core/engine/purse.ts'
import { SettleLane } from '../../core/engine/settle-lane.ts'
import { reap, wake } from '../../core/engine/sweep.ts'
import type { Actor } from '../../core/model/actor.ts'
import { systemActor } from '../../core/model/actor.ts'
import { handleOf } from '../../core/model/handle.ts'
import type { Result } from '../../core/model/problem.ts'
import type { Run } from '../../core/model/run.ts'
import type { Pipeline } from '../../core/pipeline.ts'
import { claimAlone, claimRuns, listInterrupted } from '../../core/store/claim.ts'
import type { Executor } from '../../core/store/database.ts'
import { Database } from '../../core/store/database.ts'
import { draftOf } from '../../core/store/draft-run.ts'
import type { AuditDraft } from '../../core/store/audit.ts'
import { appendAudit } from '../../core/store/audit.ts'
import { checkInvariants } from '../../core/store/invariants.ts'
import { startRuns } from '../../core/store/start.ts'
import type { Parameter, Statement } from '../../core/store/statement.ts'
import { statement } from '../../core/store/statement.ts'
import { uuidv7 } from '../../core/store/uuid.ts'
import { beat, insertWorker, requeueOwn, stopWorker } from '../../core/store/worker.ts'
import { administer } from '../support/administer.ts'
import type { TestHouse } from '../support/house.ts'
import { openTestHouse, testSettings } from '../support/house.ts'
import type { Answer, Distant } from './commands.ts'
import type { Action, Ask } from './model.ts'
import { appRole } from '../../core/store/role.ts'
import { pipelinesOf } from './pipelines.ts'
import type { Person } from './recipes.ts'
import { leaseMs, people } from './recipes.ts'
import { Ride } from './ride.ts'
import type { View } from './view.ts'

/** The worker's database: what somebody asks `meanwhile` lands between a drive's decision and its commit. */
class Crossroads extends Database {
  meanwhile: (() => Promise<void>) | null = null

  override async run<Name extends string, Row>(
    asked: Statement<Name, Row>,
    params: Readonly<Record<Name, Parameter>>,
  ): Promise<Row[]> {
    if (asked.name === 'apply_transitions') await this.#cross()
    return super.run(asked, params)
  }

  override async transaction<T>(work: (tx: Executor) => Promise<T>): Promise<T> {
    await this.#cross()
    return super.transaction(work)
  }

  async #cross(): Promise<void> {
    const { meanwhile } = this
    this.meanwhile = null
    await meanwhile?.()
  }
}

/** What all sequences of a test share: one database, its people, and the engine's complaints. */
export type Stage = {
  readonly house: TestHouse
  readonly db: Crossroads
  /** Sweeps up between sequences, which the product may not. */
  readonly owner: Database
  readonly actors: Readonly<Record<Person, Actor>>
  readonly complaints: string[]
  /** Sequences so far. */
  sequences: number
}

/** A database whose clock stands at `offset` milliseconds after a fixed day. */
export async function openStage(): Promise<Stage> {
  const house = await openTestHouse(pipelinesOf(() => Promise.resolve({ kind: 'aborted' })))
  const { connection } = house.database
  await administer(connection, 'create unlogged table public.test_clock (ms float8 not null)')
  await administer(connection, 'insert into public.test_clock values (0)')
  await administer(connection, 'grant select, update on public.test_clock to public')
  await administer(
    connection,
    `create or replace function app.clock_now() returns timestamptz language sql stable
       return (select timestamptz '2030-01-01' + c.ms * interval '1 millisecond' from public.test_clock c)`,
  )
  const db = new Crossroads(connection, {
    name: 'model test',
    role: appRole,
    poolSize: 2,
    onIdleError: () => undefined,
  })
  onTestFinished(() => db.close())
  const owner = new Database(connection, { name: 'broom', role: null, poolSize: 1, onIdleError: () => undefined })
  onTestFinished(() => owner.close())
  const entries = await Promise.all(people.map(async (person) => [person, await actorOf(house, person)] as const))
  const complaints: string[] = []
  return { house, db, owner, actors: Object.fromEntries(entries) as Record<Person, Actor>, complaints, sequences: 0 }
}

async function actorOf(house: TestHouse, person: Person): Promise<Actor> {
  const actor = await signIn(house.desk, { surface: 'terminal', account: person, label: person })
  return { ...actor, roles: person === 'dora' ? ['viewer'] : ['operator', 'approver'] }
}

const moveClock = statement({
  name: 'test_move_clock',
  params: ['ms'],
  row: z.object({}),
  sql: `update public.test_clock set ms = ms + :ms::float8`,
})

const stopBeating = statement({
  name: 'test_stop_beating',
  params: ['worker', 'ms'],
  row: z.object({}),
  sql: `
    update app.workers set beat_at = app.clock_now() - :ms::float8 * interval '1 millisecond'
    where id = :worker::uuid and state = 'live'`,
})

const seenRun = z.object({
  id: z.string(),
  holder: z.string().nullable(),
  plan: z.array(z.string()),
  gates: z.array(z.object({ step: z.string(), verdict: z.string().nullable(), votes: z.array(z.string()) })),
  state: z.string(),
  waitingFor: z.string().nullable(),
  pausedFrom: z.string().nullable(),
  ending: z.string(),
  reason: z.string().nullable(),
  interrupt: z.string().nullable(),
  position: z.number(),
  attempt: z.number(),
  failures: z.number(),
  tries: z.number(),
  verdicts: z.record(z.string(), z.string()),
  resume: z.string().nullable(),
  fence: z.number(),
  signals: z.number(),
  deaths: z.number(),
  deathsAlone: z.number(),
  alone: z.boolean(),
  lock: z.string().nullable(),
  dueAt: z.number().nullable(),
})

const lookAt = statement({
  name: 'test_look_at_runs',
  params: [],
  row: seenRun,
  sql: `
    select r.id, r.worker_id as holder, r.state, r.waiting_for, r.paused_from, r.ending, r.reason_code as reason,
      r.interrupt, r.position, r.attempt, r.failures, r.verdicts, r.resume->>'kind' as resume, r.fence,
      r.signals_pending as signals, r.deaths, r.deaths_alone, r.alone, r.lock_state as lock,
      (extract(epoch from r.due_at - timestamptz '2030-01-01') * 1000)::float8 as due_at,
      (select count(*)::integer from app.attempts a where a.run_id = r.id) as tries,
      (select json_agg(s.value->>'id') from app.plans p cross join lateral jsonb_array_elements(p.steps) s(value)
        where p.run_id = r.id and p.version = r.plan_version) as plan,
      coalesce((select json_agg(json_build_object('step', g.step_id, 'verdict', g.verdict, 'votes', coalesce(
          (select json_agg(v.actor_id order by v.delivery_id) from app.votes v where v.gate_id = g.id and v.run_id = g.run_id),
          '[]'::json)) order by g.id)
        from app.gates g where g.run_id = r.id), '[]'::json) as gates
    from app.runs r
    order by r.number`,
})

const forgetRuns = statement({
  name: 'test_forget_runs',
  params: [],
  row: z.object({}),
  sql: `
    with
      a as (delete from app.attempts), b as (delete from app.events), c as (delete from app.gates),
      d as (delete from app.votes), e as (delete from app.signals), f as (delete from app.outbox),
      g as (delete from app.budgets), h as (delete from app.run_artifacts), i as (delete from app.inbox),
      j as (delete from app.plans), k as (delete from app.runs), l as (delete from app.workers)
    update public.test_clock set ms = 0`,
})

/** Nobody vacuums the test server, and dead rows slow every sequence a little more; but each time, it costs new plans. */
const sweepUp = statement({
  name: 'test_sweep_up',
  params: [],
  row: z.object({}),
  sql: `
    truncate app.runs, app.plans, app.attempts, app.events, app.gates, app.votes, app.signals, app.inbox, app.outbox,
      app.budgets, app.run_artifacts, app.workers, audit.entries`,
})

/** The audit of nothing begins anew, or each sequence would check the chain of all before it. */
const beginAudit = statement({
  name: 'test_begin_audit',
  params: [],
  row: z.object({}),
  sql: `update audit.head set seq = 0, hash = repeat('0', 64)`,
})

/** People keep their roles, of which the audit must know. */
const listRoles = statement({
  name: 'test_list_roles',
  params: [],
  row: z.object({ actor: z.string(), roles: z.array(z.string()) }),
  sql: `select r.actor_id as actor, array_agg(r.role) as roles from app.actor_roles r group by r.actor_id`,
})

const sequencesPerSweep = 50

const grantOf = ({ actor, roles }: z.infer<typeof listRoles.row>): AuditDraft => ({
  actorId: actor,
  action: 'role.grant',
  runId: null,
  correlationId: null,
  target: `actor:${actor}`,
  contentSha256: null,
  detail: { roles },
})

type WorkerOf = {
  readonly id: string
  readonly lease: Lease
  readonly lane: SettleLane
  readonly aboard: Map<string, Ride>
}

type Aboard = { readonly ride: Ride; readonly run: Run; readonly worker: WorkerOf }

/** One sequence against the engine on Postgres: the engine's own code, moved step by step under a clock of ours. */
export class Real implements Distant {
  readonly #stage: Stage
  readonly #runs: Run[] = []
  readonly #workers: WorkerOf[] = []
  readonly #rides: Aboard[] = []
  /** Runs that claims of the action under way took. */
  #taken: readonly number[] = []
  #meanwhile: string | null = null

  constructor(stage: Stage) {
    this.#stage = stage
  }

  async perform(action: Action): Promise<Answer> {
    this.#taken = []
    this.#meanwhile = null
    const said = await this.#act(action)
    return { said, facts: { taken: this.#taken, meanwhile: this.#meanwhile } }
  }

  async look(): Promise<View> {
    const rows = await this.#stage.house.db.run(lookAt, {})
    const runs = rows.map(({ id, holder, ...row }, at) => ({
      ...row,
      holder: holder === null ? null : this.#workers.findIndex((worker) => worker.id === holder),
      gates: row.gates.map((gate) => ({ ...gate, votes: gate.votes.map((voter) => this.#personOf(voter)) })),
      ...(id === this.#runs[at]?.id ? {} : { id }),
    }))
    return { runs, rides: this.#rides.map(({ ride }) => ride.state) } as View
  }

  /** What broke while the sequence ran: invariants, and what the engine calls errors. */
  async close(): Promise<readonly unknown[]> {
    const { house, complaints } = this.#stage
    for (const { ride } of this.#rides) await ride.abandon()
    const broken = Object.entries(await checkInvariants(house.db)).filter(([, violations]) => violations.length > 0)
    await this.#stage.owner.run(forgetRuns, {})
    if (++this.#stage.sequences % sequencesPerSweep === 0) {
      await this.#stage.owner.run(sweepUp, {})
      await this.#stage.owner.run(beginAudit, {})
      const holders = await this.#stage.owner.run(listRoles, {})
      await house.db.transaction((tx) => appendAudit(tx, holders.map(grantOf)))
    }
    return [...broken, ...complaints.splice(0)]
  }

  async #act(action: Action): Promise<string> {
    const { house, db } = this.#stage
    switch (action.kind) {
      case 'start':
        return this.#start(action)
      case 'hire':
        return this.#hire()
      case 'claim':
        return this.#claim(action)
      case 'claimAlone':
        return this.#claimAlone(action)
      case 'drive':
      case 'finish':
        return this.#ride(action)
      case 'heed':
        return this.#heed(this.#worker(action.worker))
      case 'beat':
        await db.run(beat, { worker: this.#worker(action.worker).id })
        return 'ok'
      case 'crash':
        await db.run(stopBeating, { worker: this.#worker(action.worker).id, ms: leaseMs + 1 })
        await reap(house.db, 3)
        return 'ok'
      case 'signOff':
        return this.#signOff(this.#worker(action.worker))
      case 'clock':
        await db.run(moveClock, { ms: action.ms })
        return 'ok'
      case 'expire':
        await db.run(moveClock, { ms: action.ms })
        await wake(house.db)
        return 'ok'
      case 'reap':
        await reap(house.db, 3)
        return 'ok'
      case 'wake':
        await wake(house.db)
        return 'ok'
      default:
        return this.#ask(action)
    }
  }

  async #start({ recipe, locked, priority }: Extract<Action, { kind: 'start' }>): Promise<string> {
    const { house, actors } = this.#stage
    const starter = { startedBy: actors.anna.id, correlationId: uuidv7(), projectId: null, priority, retryOf: null }
    const draft = draftOf(house.desk.pipelines[recipe] as Pipeline, locked ? 'key' : null, starter)
    this.#runs.push(...(await startRuns(house.db, [draft], null)))
    return 'ok'
  }

  async #hire(): Promise<string> {
    const { db } = this.#stage
    // Its own clock is not the test's: only the database's row says when its lease is over.
    const lease = new Lease(db, uuidv7(), { leaseMs: 3_600_000, beatMs: 3_600_000 })
    await db.run(insertWorker, { worker: lease.worker, leaseMs, description: 'model test' })
    this.#workers.push({ id: lease.worker, lease, lane: new SettleLane(db, lease), aboard: new Map() })
    return 'ok'
  }

  async #claim({ worker, room }: Extract<Action, { kind: 'claim' }>): Promise<string> {
    const by = this.#worker(worker)
    this.#board(by, await this.#stage.db.run(claimRuns, { worker: by.id, room, actorCap: null, systemActor }))
    return 'ok'
  }

  async #claimAlone({ worker, run }: Extract<Action, { kind: 'claimAlone' }>): Promise<string> {
    const by = this.#worker(worker)
    this.#board(by, await this.#stage.db.run(claimAlone, { worker: by.id, run: this.#runs[run]?.id ?? '' }))
    return 'ok'
  }

  #board(worker: WorkerOf, claimed: readonly Run[]): void {
    const runs = claimed.toSorted((a, b) => a.number - b.number)
    this.#taken = runs.map((run) => this.#runs.findIndex(({ id }) => id === run.id))
    for (const run of runs) {
      const ride = new Ride()
      worker.aboard.set(run.id, ride)
      this.#rides.push({ ride, run, worker })
    }
  }

  async #ride(action: Extract<Action, { kind: 'drive' | 'finish' }>): Promise<string> {
    const { db } = this.#stage
    const { meanwhile } = action
    if (meanwhile) db.meanwhile = async () => void (this.#meanwhile = await this.#ask(meanwhile))
    const { ride, run, worker } = this.#rides[action.ride] as Aboard
    if (action.kind === 'finish') await ride.finish(action.outcome)
    else await ride.begin(new Drive(this.#vehicle(worker), run))
    db.meanwhile = null
    return 'ok'
  }

  #vehicle({ lease, lane, aboard }: WorkerOf) {
    const { db, complaints, house } = this.#stage
    const known = pipelinesOf((ctx) => (aboard.get(ctx.runId) as Ride).enter(ctx))
    return {
      db,
      people: house.desk.people,
      lease,
      lane,
      purse: new Purse(db, lease, { money: testSettings.money, log: () => undefined }),
      calls: new CallBook(db, { texts: testSettings.texts, log: () => undefined }),
      progress: new ProgressBoard(db, () => undefined),
      recipes: (name: string) => known[name] ?? null,
      settings: { ...testSettings, backoff: { baseMs: 0, capMs: 0 } },
      log: (_: string, message: string, fields: unknown) =>
        void complaints.push(`${message}: ${JSON.stringify(fields)}`),
      stopping: () => false,
    }
  }

  async #heed(worker: WorkerOf): Promise<string> {
    const asked = await this.#stage.db.run(listInterrupted, { worker: worker.id })
    for (const { id, interrupt } of asked) await worker.aboard.get(id)?.stop(interrupt)
    return 'ok'
  }

  async #signOff(worker: WorkerOf): Promise<string> {
    for (const ride of worker.aboard.values()) await ride.abandon()
    await this.#stage.db.transaction(async (tx) => {
      await tx.run(stopWorker, { worker: worker.id })
      await tx.run(requeueOwn, { worker: worker.id, inHand: [], reason: 'worker_stopped' })
    })
    return 'ok'
  }

  async #ask(ask: Ask): Promise<string> {
    const { house, actors } = this.#stage
    const run = this.#runs[ask.run] as Run
    const result: Result<unknown> =
      ask.kind === 'signal'
        ? await sendSignal(house.db, run.id, 'go', null)
        : await house.ask(commandOf(ask, handleOf(run.number)), ask.kind === 'decide' ? actors[ask.as] : actors.anna)
    return result.ok ? 'ok' : result.refusal.code
  }

  #worker(at: number): WorkerOf {
    return this.#workers[at] as WorkerOf
  }

  #personOf(id: string): string {
    return people.find((person) => this.#stage.actors[person].id === id) ?? id
  }
}

function commandOf(ask: Ask, run: string): Command {
  if (ask.kind !== 'decide') return { kind: ask.kind as Exclude<Ask['kind'], 'decide' | 'signal'>, run }
  const about = { run, gate: null, sha256: null }
  return ask.choice === 'approve' ? { ...about, kind: 'approve' } : { ...about, kind: ask.choice, reason: 'because' }
}
