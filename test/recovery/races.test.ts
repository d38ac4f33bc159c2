import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Command, Reply } from '../../core/commands/command.ts'
import { execute } from '../../core/commands/execute.ts'
import { sendSignal } from '../../core/commands/send-signal.ts'
import { signIn } from '../../core/commands/sign-in.ts'
import { Shift } from '../../core/engine/shift.ts'
import { reap, wake } from '../../core/engine/sweep.ts'
import type { Actor } from '../../core/model/actor.ts'
import { pseudonymOf } from '../../core/model/actor.ts'
import type { RunCard } from '../../core/model/card.ts'
import type { Outcome } from '../../core/model/outcome.ts'
import type { GatePolicy } from '../../core/model/plan.ts'
import { Fault } from '../../core/model/problem.ts'
import type { Result } from '../../core/model/problem.ts'
import { raiseBudget } from '../../core/store/budget.ts'
import { claimRuns, wakeDue } from '../../core/store/claim.ts'
import { uuidv7 } from '../../core/store/uuid.ts'
import { buryKnownDead, buryWorkers, insertWorker } from '../../core/store/worker.ts'
import { administer, openSession } from '../support/administer.ts'
import { HeldDatabase } from '../support/held.ts'
import type { TestHouse } from '../support/house.ts'
import { agreed, cardWhen, denied, isAtEnd, isAtGate, openTestHouse, testSettings } from '../support/house.ts'
import { kind, pipelineOf, startRunOf } from '../support/recipe.ts'

// Each test holds one side open right before its commit, waits until Postgres says that the other waits for it (or
// until the other has passed it by), and lets go.

const policy: GatePolicy = {
  roles: ['approver'],
  quorum: 1,
  selfApproval: true,
  expiresAfterMs: 3_600_000,
  remindEveryMs: null,
}

const done: Outcome = { kind: 'done', output: null }

/** A page, a gate on it, and what comes after. */
const gated = pipelineOf(
  'gated',
  {
    page: kind(async (ctx) => {
      const artifact = await ctx.save('page', Buffer.from('page'), 'text/plain')
      const subject = { artifact, what: 'a page', risks: [], questions: [], changes: [], facts: [] }
      return { kind: 'done', output: null, artifacts: [artifact], subject }
    }),
    after: kind(async () => done),
  },
  {
    plan: () => [
      { type: 'step', id: 'page', kind: 'page', title: 'page' },
      { type: 'gate', id: 'gate', name: 'page', title: 'gate', judges: 'page', policy },
      { type: 'step', id: 'after', kind: 'after', title: 'after' },
    ],
  },
)

/** A second process on the house's database. */
function anotherProcess(house: TestHouse, name: string): HeldDatabase {
  const db = new HeldDatabase(house.database.connection, name)
  onTestFinished(() => db.close())
  return db
}

const askOn = (
  house: TestHouse,
  db: HeldDatabase,
  command: Command,
  actor: Actor = house.actor,
  delivery = uuidv7(),
): Promise<Result<Reply>> => execute({ ...house.desk, db }, actor, command, delivery)

async function approver(house: TestHouse, account: string): Promise<Actor> {
  const person = await signIn(house.desk, { surface: 'terminal', account, label: account })
  const who = pseudonymOf(person.id)
  agreed(await house.ask({ kind: 'actor', verb: 'role', who, grant: ['approver'], revoke: [] }))
  return { ...person, roles: ['approver'] }
}

const count = async (house: TestHouse, what: string): Promise<number> => {
  const [row] = await administer(house.database.connection, `select (${what})::integer as n`)
  return row?.['n'] as number
}

const laterBy = (house: TestHouse, interval: string): Promise<unknown> =>
  administer(
    house.database.connection,
    `create or replace function app.clock_now() returns timestamptz
       language sql stable return statement_timestamp() + interval '${interval}'`,
  )

/** Stops the settlement of a run's first try where it writes history, its worker's and its run's rows locked. Answers with what lets it go on. */
async function holdHistory(house: TestHouse, run: string): Promise<() => Promise<void>> {
  const session = openSession(house.database.connection)
  await session.unsafe('begin')
  await session.unsafe(
    `insert into app.attempts (run_id, position, attempt, step_id, outcome, fence) values ('${run}', 0, 1, '', 'done', 0)`,
  )
  return async () => {
    await session.unsafe('rollback')
    await session.end()
  }
}

/** A worker of the test's own hand, in a process that can be held. */
const shiftOn = (house: TestHouse, db: HeldDatabase, actorCap: number | null = null): Promise<Shift> =>
  Shift.begin({
    db,
    people: house.desk.people,
    recipes: house.desk.recipes,
    settings: { ...testSettings, beatMs: 600_000, leaseMs: 600_000, actorCap },
    log: () => undefined,
    onParked: () => undefined,
  })

const decide = { gate: null, sha256: null }

describe('a gate', () => {
  async function atGate() {
    const house = await openTestHouse({ gated })
    const worker = await house.work()
    const run = await startRunOf(house, 'gated')
    await cardWhen(house, run.handle, isAtGate)
    return { house, worker, run, one: anotherProcess(house, 'one'), two: anotherProcess(house, 'two') }
  }

  test.each([
    ['approve', 'approve'],
    ['approve', 'reject'],
    ['reject', 'approve'],
    ['changes', 'approve'],
  ] as const)('decided by %s and %s at once has one verdict, and the loser hears whose', async (first, second) => {
    const { house, run, one, two } = await atGate()
    const mine = await approver(house, 'alice')
    const theirs = await approver(house, 'bob')
    const command = (what: 'approve' | 'reject' | 'changes'): Command =>
      what === 'approve'
        ? { kind: what, run: run.handle, ...decide }
        : { kind: what, run: run.handle, ...decide, reason: 'no' }
    const hold = one.hold()
    const winner = askOn(house, one, command(first), mine)
    await hold.reached
    const loser = askOn(house, two, command(second), theirs)
    await two.blocked()
    hold.release()
    expect(agreed(await winner)).toMatchObject({ kind: 'voted' })
    expect(denied(await loser)).toMatchObject({
      code: 'already_decided',
      message: expect.stringContaining('alice') as string,
    })
    expect(await count(house, 'select count(*) from app.votes')).toBe(1)
    expect(await count(house, "select count(*) from audit.entries where action like 'gate.%'")).toBe(1)
  })

  test('approved while its time runs out stays approved', async () => {
    const { house, run, one } = await atGate()
    const hold = one.hold()
    const answer = askOn(house, one, { kind: 'approve', run: run.handle, ...decide })
    await hold.reached
    await laterBy(house, '2 hours')
    await wake(house.db)
    hold.release()
    expect(agreed(await answer)).toMatchObject({ kind: 'voted', verdict: 'approved' })
    await wake(house.db)
    house.desk.poke()
    expect(await cardWhen(house, run.handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  })

  test('whose time is up while somebody approves is closed, and says so', async () => {
    const { house, worker, run, one, two } = await atGate()
    // It would wake the run before the one that is to do it here.
    await worker.stop()
    await laterBy(house, '2 hours')
    const hold = one.hold()
    const expiry = one.transaction((tx) => tx.run(wakeDue, { most: 10 }))
    await hold.reached
    const answer = askOn(house, two, { kind: 'approve', run: run.handle, ...decide })
    await two.blocked()
    hold.release()
    await expiry
    expect(denied(await answer)).toMatchObject({ code: 'stale' })
    await house.work()
    expect(await cardWhen(house, run.handle, isAtEnd)).toMatchObject({ state: 'rejected' })
  })

  test('that opened while a decision waited in line is not decided by it: nobody has seen it who asked before', async () => {
    const { house, run, one, two } = await atGate()
    const [asked, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const transaction = two.transaction.bind(two)
    two.transaction = (work) =>
      transaction((tx) =>
        work({
          run: async (statement, params) => {
            if (statement.name !== 'read_clock') await go.promise
            const rows = await tx.run(statement, params)
            asked.resolve()
            return rows
          },
        }),
      )
    const late = askOn(house, two, { kind: 'approve', run: run.handle, ...decide }, await approver(house, 'bob'))
    await asked.promise
    const alice = await approver(house, 'alice')
    agreed(await askOn(house, one, { kind: 'changes', run: run.handle, ...decide, reason: 'more' }, alice))
    const reopened = (card: RunCard): boolean => isAtGate(card) && card.gates.length === 2
    await cardWhen(house, run.handle, reopened)
    go.resolve()
    expect(denied(await late).message).toContain('already sent back for changes by alice')
    expect((await cardWhen(house, run.handle, reopened)).gates.at(-1)?.verdict).toBeNull()
  })

  test('decided twice by one delivery is decided once, and both hear the same', async () => {
    const { house, run, one, two } = await atGate()
    const hold = one.hold()
    const command: Command = { kind: 'approve', run: run.handle, ...decide }
    const first = askOn(house, one, command, house.actor, 'tap')
    await hold.reached
    const second = askOn(house, two, command, house.actor, 'tap')
    await two.blocked()
    hold.release()
    const [a, b] = [agreed(await first), agreed(await second)]
    expect(a).toMatchObject({ kind: 'voted', verdict: 'approved', votes: 1 })
    expect(b).toMatchObject({ kind: 'voted', verdict: 'approved', votes: 1 })
  })
})

describe('a step that ends', () => {
  /** A run whose first step is under way on a worker of a second process, until `finish`. */
  async function underWay(outcome: () => Promise<Outcome> = async () => done) {
    const finish = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    let bodies = 0
    const first = kind(async () => {
      bodies++
      begun.resolve()
      await finish.promise
      return outcome()
    })
    const house = await openTestHouse({ two: pipelineOf('two', { first, second: kind(async () => done) }) })
    const run = await startRunOf(house, 'two')
    const db = anotherProcess(house, 'worker')
    const shift = await shiftOn(house, db)
    onTestFinished(() => shift.end())
    await shift.claim()
    await begun.promise
    return { house, run, db, shift, finish, bodies: () => bodies, one: anotherProcess(house, 'one') }
  }

  test('while a pause is being written keeps its result, and the run pauses behind it', async () => {
    const { house, run, db, finish, bodies, one } = await underWay()
    const hold = one.hold()
    const paused = askOn(house, one, { kind: 'pause', run: run.handle })
    await hold.reached
    finish.resolve()
    // It meets the row's lock, passes it by, and comes again.
    while (db.times('apply_transitions') < 2) await delay(5)
    hold.release()
    agreed(await paused)
    expect(await cardWhen(house, run.handle, (card) => card.state === 'paused')).toMatchObject({ phase: { n: 2 } })
    agreed(await house.ask({ kind: 'resume', run: run.handle }))
    await house.work()
    expect(await cardWhen(house, run.handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
    expect(bodies()).toBe(1)
    expect(await count(house, "select count(*) from app.attempts where step_id = 'first'")).toBe(1)
  })

  test('while a cancel is being written does not go on', async () => {
    const { house, run, db, finish, one } = await underWay()
    const hold = one.hold()
    const cancelled = askOn(house, one, { kind: 'cancel', run: run.handle })
    await hold.reached
    finish.resolve()
    while (db.times('apply_transitions') < 2) await delay(5)
    hold.release()
    agreed(await cancelled)
    expect(await cardWhen(house, run.handle, isAtEnd)).toMatchObject({ state: 'cancelled' })
    expect(await count(house, "select count(*) from app.attempts where step_id = 'second'")).toBe(0)
  })

  test('in time, while its worker is taken for dead, is settled; the worker is buried after it', async () => {
    const { house, run, db, finish, bodies } = await underWay(async () => ({
      kind: 'wait',
      wait: { kind: 'signal', name: 'go', timeoutMs: null },
    }))
    const release = await holdHistory(house, run.id)
    finish.resolve()
    await db.blocked()
    await laterBy(house, '1 hour')
    expect(await reap(house.db, 3)).toBe(0)
    await release()
    await cardWhen(house, run.handle, (card) => card.waitingFor === 'signal')
    expect(await reap(house.db, 3)).toBe(0)
    expect(await count(house, "select count(*) from app.workers where state = 'dead'")).toBe(1)
    expect(bodies()).toBe(1)
  })

  test('too late, while its worker is being buried, counts for nothing', async () => {
    const { house, run, db, finish, bodies, one } = await underWay()
    await laterBy(house, '1 hour')
    const hold = one.hold()
    const burial = one.transaction((tx) => tx.run(buryWorkers, {}))
    await hold.reached
    finish.resolve()
    await db.blocked()
    hold.release()
    await burial
    expect(await reap(house.db, 3)).toBe(1)
    await house.work()
    expect(await cardWhen(house, run.handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
    expect(bodies()).toBe(2)
    expect(await count(house, "select count(*) from app.attempts where step_id = 'first'")).toBe(1)
  })

  test('by waiting for a signal that is just being sent hears it', async () => {
    let heard = 0
    const { house, run, db, finish, one } = await underWay(async () => {
      heard++
      return heard === 1 ? { kind: 'wait', wait: { kind: 'signal', name: 'go', timeoutMs: null } } : done
    })
    const hold = one.hold()
    const sent = sendSignal(one, run.id, 'go', 'now')
    await hold.reached
    finish.resolve()
    while (db.times('read_run') < 1) await delay(5)
    hold.release()
    expect(await sent).toMatchObject({ ok: true })
    await house.work()
    expect(await cardWhen(house, run.handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
    expect(await count(house, 'select count(*) from app.signals where consumed_at is null')).toBe(0)
  })

  test('by waiting for a signal is woken by one that comes while it is being written', async () => {
    let heard = 0
    const { house, run, db, finish, one } = await underWay(async () => {
      heard++
      return heard === 1 ? { kind: 'wait', wait: { kind: 'signal', name: 'go', timeoutMs: null } } : done
    })
    const release = await holdHistory(house, run.id)
    finish.resolve()
    await db.blocked()
    const sent = sendSignal(one, run.id, 'go', 'now')
    await one.blocked()
    await release()
    expect(await sent).toMatchObject({ ok: true })
    await house.work()
    expect(await cardWhen(house, run.handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  })
})

describe('runs', () => {
  const order = {
    kind: 'run',
    target: 'x',
    branch: null,
    pipeline: 'locked',
    dryRun: false,
    confirm: false,
  } as const

  /** Two orders at once, the first written and not yet committed when the second comes. */
  async function bothStart(house: TestHouse): Promise<readonly [Result<Reply>, Result<Reply>]> {
    const one = anotherProcess(house, 'one')
    const two = anotherProcess(house, 'two')
    const hold = one.hold()
    const first = askOn(house, one, order)
    await hold.reached
    const second = askOn(house, two, order)
    await two.blocked()
    hold.release()
    return [await first, await second]
  }

  test('claimed by two workers at once go to one', async () => {
    const house = await openTestHouse({ gated })
    await startRunOf(house, 'gated')
    const one = anotherProcess(house, 'one')
    const workers = [uuidv7(), uuidv7()] as const
    for (const worker of workers) {
      await house.db.run(insertWorker, { worker, leaseMs: 60_000, description: worker })
    }
    const asked = { room: 5, actorCap: null, systemActor: uuidv7() }
    const hold = one.hold()
    const first = one.transaction((tx) => tx.run(claimRuns, { worker: workers[0], ...asked }))
    await hold.reached
    expect(await house.db.run(claimRuns, { worker: workers[1], ...asked })).toHaveLength(0)
    hold.release()
    expect(await first).toHaveLength(1)
    expect(await house.db.run(claimRuns, { worker: workers[1], ...asked })).toHaveLength(0)
  })

  test('claimed by a worker that stops meanwhile go back to the queue with the rest', async () => {
    const house = await openTestHouse({ gated })
    await startRunOf(house, 'gated')
    const db = anotherProcess(house, 'worker')
    const shift = await shiftOn(house, db, 5)
    const hold = db.hold()
    const claim = shift.claim()
    await hold.reached
    const ended = shift.end()
    await Promise.race([ended, db.blocked()])
    hold.release()
    expect(await claim).toBe(1)
    await ended
    expect(await count(house, "select count(*) from app.runs where state = 'queued'")).toBe(1)
  })

  test('whose plan is rewritten while they are being claimed are not lost', async () => {
    const house = await openTestHouse({ gated })
    const { id } = await startRunOf(house, 'gated')
    const worker = uuidv7()
    await house.db.run(insertWorker, { worker, leaseMs: 60_000, description: worker })
    const asked = { worker, room: 5, actorCap: null, systemActor: uuidv7() }
    const one = anotherProcess(house, 'one')
    const two = anotherProcess(house, 'two')
    // The claim has begun and waits for its worker's row; meanwhile the plan gets a second version.
    const hold = one.hold()
    const burial = one.transaction((tx) => tx.run(buryKnownDead, { workers: [worker] }))
    await hold.reached
    const claim = two.run(claimRuns, asked)
    await two.blocked()
    await administer(
      house.database.connection,
      `with p as (insert into app.plans select run_id, 2, input, steps from app.plans where run_id = '${id}' returning run_id)
       update app.runs set plan_version = 2 from p where id = p.run_id`,
    )
    hold.release(new Error('not dead after all'))
    await expect(burial).rejects.toThrow('not dead after all')
    const first = await claim
    const second = await house.db.run(claimRuns, asked)
    expect([...first, ...second].map((run) => [run.id, run.planVersion])).toEqual([[id, 2]])
  })

  test.each([
    ['of one project', { address: '/harbour', name: 'harbour' }],
    ['of no project', null],
  ])('%s that start at once on one lock key: one holds it, the other is behind it', async (_, project) => {
    const locked = { ...gated, name: 'locked', lockKey: () => 'harbour', project: () => project }
    const house = await openTestHouse({ locked })
    const [first, second] = await bothStart(house)
    const holder = agreed(first)
    if (holder.kind !== 'started') throw new Error(holder.kind)
    expect(holder.queuedBehind).toBe(null)
    expect(agreed(second)).toMatchObject({ kind: 'started', queuedBehind: holder.card.handle })
  })

  test('of which a pipeline wants no second are refused, also when both start at once', async () => {
    const locked = { ...gated, name: 'locked', lockKey: () => 'harbour', whenLocked: 'refuse' } as const
    const house = await openTestHouse({ locked })
    const [first, second] = await bothStart(house)
    agreed(first)
    expect(denied(second)).toMatchObject({ code: 'lock_held' })
  })

  test('a parent whose last child has ended is woken once by two sweeps at once', async () => {
    let resumed = 0
    const parent = pipelineOf('parent', {
      p: kind(async (ctx) => {
        if (ctx.resumed?.kind === 'children') {
          resumed++
          return done
        }
        return { kind: 'wait', wait: { kind: 'children', children: [{ pipeline: 'child', input: null }] } }
      }),
    })
    const child = pipelineOf('child', { c: kind(async () => done) })
    const house = await openTestHouse({ parent, child })
    const { handle } = await startRunOf(house, 'parent')
    const shift = await shiftOn(house, anotherProcess(house, 'worker'))
    onTestFinished(() => shift.end())
    await shift.claim()
    await cardWhen(house, handle, (card) => card.waitingFor === 'children')
    await shift.claim()
    const ended = "select count(*) from app.runs where parent_id is not null and state = 'succeeded'"
    while ((await count(house, ended)) === 0) await delay(5)
    const one = anotherProcess(house, 'one')
    const two = anotherProcess(house, 'two')
    const hold = one.hold()
    const first = wake(one)
    await hold.reached
    const second = wake(two)
    await two.blocked()
    hold.release()
    await Promise.all([first, second])
    await house.work()
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
    expect(resumed).toBe(1)
  })
})

test('the last money goes to one of two calls that ask for it at once', async () => {
  const granted: string[] = []
  const refused: string[] = []
  const spend = kind(async (ctx) => {
    const ask = async (who: string): Promise<void> => {
      try {
        await ctx.reserve({ micros: 60, tokens: 0 }, who)
        granted.push(who)
      } catch (error) {
        if (!(error instanceof Fault) || error.code !== 'BUDGET_EXCEEDED') throw error
        refused.push(who)
      }
    }
    await Promise.all([ask('a'), ask('b')])
    return done
  })
  const house = await openTestHouse({
    spend: pipelineOf('spend', { s: spend }, { cap: { micros: 100, tokens: 0 } }),
  })
  const { id, handle } = await startRunOf(house, 'spend')
  const db = anotherProcess(house, 'worker')
  const shift = await shiftOn(house, db)
  onTestFinished(() => shift.end())
  const one = anotherProcess(house, 'one')
  const hold = one.hold()
  // Somebody else's booking holds the ledger until both have asked.
  const booking = one.transaction(async (tx) => {
    await tx.run(raiseBudget, { run: id, micros: 0, tokens: 0 })
  })
  await hold.reached
  await shift.claim()
  await db.blocked()
  hold.release()
  await booking
  await cardWhen(house, handle, isAtEnd)
  expect(granted).toHaveLength(1)
  expect(refused).toHaveLength(1)
})
