import { readdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import { z } from 'zod'
import { CardRelay } from '../../bot/card-relay.ts'
import { Relay } from '../../bot/relay.ts'
import type { Board, Caller, Place, Post, Reception } from '../../bot/surface.ts'
import type { Command, Reply } from '../../core/commands/command.ts'
import type { Desk } from '../../core/commands/desk.ts'
import { execute } from '../../core/commands/execute.ts'
import { follows } from '../../core/commands/greet.ts'
import { sendSignal } from '../../core/commands/send-signal.ts'
import { cardOf } from '../../core/commands/show.ts'
import { signIn } from '../../core/commands/sign-in.ts'
import { buryGone } from '../../core/engine/sweep.ts'
import { runAlone, Worker } from '../../core/engine/worker.ts'
import type { RunCard } from '../../core/model/card.ts'
import type { Result } from '../../core/model/problem.ts'
import { Fault } from '../../core/model/problem.ts'
import type { GatePolicy } from '../../core/model/plan.ts'
import type { Pipeline, StepContext } from '../../core/pipeline.ts'
import type { ModelCall } from '../../core/ports.ts'
import { Database } from '../../core/store/database.ts'
import { checkInvariants } from '../../core/store/invariants.ts'
import type { People } from '../../core/store/people.ts'
import { declared } from '../../core/store/statement.ts'
import { openReception } from '../../main/reception.ts'
import { administer } from '../support/administer.ts'
import { agreed, isAtEnd, isAtGate, testSettings } from '../support/house.ts'
import { forgetKeys, peopleOf } from '../support/people.ts'
import { kind, pipelineOf } from '../support/recipe.ts'
import { isOfSchedules } from '../support/schedules.ts'
import { Fate, Life, MortalDatabase, writes } from '../support/mortal.ts'
import type { TestDatabase } from '../support/postgres.ts'
import { createTestDatabase } from '../support/postgres.ts'

/** What is outside and cannot be rolled back: crates made, messages sent and shown. */
type World = { readonly crates: string[]; readonly sent: string[]; readonly shown: Map<string, string> }

/** More than all voyages spend, so that its rows are written. */
const money = { ...testSettings.money, instanceDay: { capMicros: 1e9, capTokens: null } }

const settings = { ...testSettings, deathsAloneAllowed: 100, beatMs: 50, pollMs: 50, reapMs: 500, money }

const policy: GatePolicy = {
  roles: ['approver'],
  quorum: 1,
  selfApproval: true,
  expiresAfterMs: null,
  remindEveryMs: null,
}

const asked: ModelCall = {
  model: 'acme/one',
  requestId: null,
  temperature: null,
  maxOutputTokens: 1,
  schemaSha256: null,
  prompt: null,
  question: { sha256: 'a'.repeat(64), bytes: 8, text: 'Whither?' },
  answer: null,
  tokens: null,
  costMicros: 10,
  durationMs: 1,
  outcome: 'answered',
}

/** Every kind of step and wait there is, on one run: an effect, money, a gate with rework, time, a signal, a child, a cap. */
function pipelinesIn(world: World, life: Life): Readonly<Record<string, Pipeline>> {
  const crate = (ctx: StepContext, name: string): Promise<string> =>
    ctx.effect({
      name,
      kind: 'crate',
      target: { ship: 'one' },
      undo: 'take it off',
      reversal: 'undo',
      find: async (key) => (world.crates.includes(key) ? key : null),
      make: async (key) => {
        await life.at('before the effect')
        world.crates.push(key)
        await life.at('after the effect')
        return key
      },
      result: z.string(),
    })
  const spend = async (ctx: StepContext, micros: number): Promise<void> => {
    // A row of its own for each step, so that rows are opened more than once.
    const within = { zone: null, caps: { step: { capMicros: 1e9, capTokens: null } } }
    const reservation = await ctx.reserve({ micros, tokens: 0 }, 'call', within)
    await reservation.settle({ micros, tokens: 0 })
  }
  /** Calls at once, which are booked at once, and what they were. */
  const call = async (ctx: StepContext): Promise<void> => {
    ctx.progress('packing')
    const held = await Promise.all([10, 10, 10].map((micros) => ctx.reserve({ micros, tokens: 0 }, 'call')))
    await Promise.all(held.map((money) => money.settle({ micros: 10, tokens: 0 })))
    await held[0]?.record(asked)
  }
  const pack = kind(async (ctx) => {
    await call(ctx)
    await ctx.keep([await ctx.save('draft', Buffer.from(`draft of ${ctx.stepId}`), 'text/plain')])
    await crate(ctx, 'crate')
    const artifact = await ctx.save('list', Buffer.from(`list of ${ctx.stepId}`), 'text/plain')
    const subject = { artifact, what: 'a list', risks: [], questions: [], changes: [], facts: [] }
    return { kind: 'done', output: null, artifacts: [artifact], subject }
  })
  const sail = kind(async (ctx) => {
    switch (ctx.resumed?.kind) {
      case undefined:
        return { kind: 'wait', wait: { kind: 'time', delayMs: 5 } }
      case 'time':
        return { kind: 'wait', wait: { kind: 'signal', name: 'wind', timeoutMs: null } }
      case 'children':
        return { kind: 'done', output: null }
      default:
        return { kind: 'wait', wait: { kind: 'children', children: [{ pipeline: 'crew', input: null }] } }
    }
  })
  const pay = kind(async (ctx) => {
    await spend(ctx, 350)
    return { kind: 'done', output: null }
  })
  const sweep = kind(async (ctx) => {
    const key = await crate(ctx, 'sweep')
    await ctx.markUndone(ctx.runId, [key])
    return { kind: 'done', output: null }
  })
  const sink = kind(async () => {
    throw new Fault({ code: 'VALIDATION_ERROR', message: 'it leaks', retryable: false })
  })
  return {
    wreck: pipelineOf('wreck', { sink }),
    crew: pipelineOf('crew', { work: kind(async () => ({ kind: 'done', output: null })) }),
    voyage: pipelineOf(
      'voyage',
      { pack, sail, pay, sweep },
      {
        cap: { micros: 400, tokens: 0 },
        plan: () => [
          { type: 'step', id: 'pack', kind: 'pack', title: 'packing' },
          { type: 'gate', id: 'gate', name: 'list', title: 'gate', judges: 'pack', policy },
          { type: 'step', id: 'sail', kind: 'sail', title: 'sailing' },
          { type: 'step', id: 'pay', kind: 'pay', title: 'paying' },
        ],
        lockKey: () => 'harbour',
        project: () => ({ address: '/harbour', name: 'harbour' }),
        cleanUp: { type: 'step', id: 'clean-up', kind: 'sweep', title: 'cleaning' },
      },
    ),
  }
}

/** A network where the first message is refused, one place is gone, and a death may come before or after any showing. */
function networkIn({ shown }: World, life: Life): Board {
  const show = async (address: string, message: string, { lines }: Post): Promise<Place> => {
    if (address === 'gone') {
      throw new Fault({ code: 'PRECONDITION_FAILED', message: 'nobody lives here', retryable: false })
    }
    if (shown.size === 0 && shown.set('refused', '')) {
      throw new Fault({ code: 'TRANSIENT_NETWORK', message: 'try again', retryable: true, retryAfterMs: 1 })
    }
    await life.at('before the showing')
    shown.set(message, lines.join('\n'))
    await life.at('after the showing')
    return { message }
  }
  return {
    name: 'wall',
    paceMs: 0,
    post: (address, post) => show(address, `${shown.size}`, post),
    edit: (address, place, post) => show(address, (place as { readonly message: string }).message, post),
  }
}

/** One process as `start` runs it: worker, relays and desk on one database, and it may die at any point. */
class Ship {
  readonly life: Life
  readonly db: Database
  readonly desk: Desk
  readonly #worker: Worker
  readonly reception: Reception
  readonly #relay: Relay
  readonly #cards: CardRelay

  constructor(database: TestDatabase, people: People, world: World, life: Life) {
    this.life = life
    this.db = new MortalDatabase(database.connection, life)
    const known = pipelinesIn(world, life)
    const recipes: Desk['recipes'] = (name) => known[name] ?? null
    const place = { db: this.db, people, recipes, settings, log: () => undefined }
    const isolate = async (run: string): Promise<void> =>
      void (await runAlone(place, run, new AbortController().signal))
    this.#worker = new Worker({ ...place, isolate })
    this.desk = {
      db: this.db,
      people,
      recipes,
      pipelines: known,
      mail: null,
      webhooks: { secretOf: String, allowedHosts: null },
      poke: () => this.#worker.poke(),
    }
    const surface = {
      name: 'harbour master',
      start: () => Promise.resolve(),
      stop: () => Promise.resolve(),
      send: async ({ topic }: { readonly topic: string }) => {
        await life.at('before the sending')
        world.sent.push(topic)
        await life.at('after the sending')
      },
    }
    this.#relay = new Relay({
      db: this.db,
      listeners: [surface],
      onFault: () => undefined,
      onCards: () => undefined,
    })
    const look = async (handle: string): Promise<RunCard> => {
      const card = await cardOf(this.desk, handle)
      if (!card.ok) throw new Error(card.refusal.message)
      return card.value
    }
    this.#cards = new CardRelay({
      db: this.db,
      addressOf: (subject, sealed) => this.desk.people.openAddress(subject, sealed),
      boards: [networkIn(world, life)],
      look,
      onFault: () => undefined,
    })
    this.reception = openReception(
      this.desk,
      () => undefined,
      () => this.#relay.poke(),
    )
  }

  /** As at every start: what died on this machine before is declared dead first. */
  async launch(): Promise<void> {
    await buryGone(this.db, hostname(), async () => false)
    await this.#worker.begin()
    this.#relay.start(50)
    this.#cards.start(50)
  }

  async stop(): Promise<void> {
    await this.#relay.stop()
    await this.#cards.stop()
    await this.#worker.stop()
    await this.db.close()
  }
}

/** A voyage: the world, the database, and whichever ship is afloat. */
class Voyage {
  readonly world: World = { crates: [], sent: [], shown: new Map() }
  /** Watches, and never dies. */
  readonly shore: Database
  readonly #database: TestDatabase
  readonly #people: People
  readonly #fate: Fate
  #ships = 0
  #ship: Ship | null = null

  constructor(database: TestDatabase, people: People, fate: Fate) {
    this.#database = database
    this.#people = people
    this.#fate = fate
    const options = { name: 'shore', poolSize: 2, role: null, onIdleError: () => undefined }
    this.shore = new Database(database.connection, options)
  }

  /** Does it on a ship afloat, and again on the next when that one goes down meanwhile. */
  async surely<T>(work: (ship: Ship) => Promise<T>): Promise<T> {
    for (;;) {
      const done = this.#on(work)
      const { life } = this.#ship as Ship
      const ended = await Promise.race([done.then((value) => ({ value })), life.over.then(() => null)])
      if (ended) return ended.value
      await this.#mourn()
    }
  }

  /** The power fails while nobody does anything. */
  async outage(): Promise<void> {
    await this.#ship?.life.die()
    await this.#mourn()
  }

  /** The same request until it has an answer. */
  ask(command: Command, delivery: string): Promise<Reply> {
    return this.surely(async ({ desk }) => {
      const actor = await signIn(desk, { surface: 'terminal', account: 'captain', label: 'captain' })
      return agreed(await execute(desk, actor, command, delivery))
    })
  }

  async start(delivery: string, pipeline = 'voyage'): Promise<string> {
    const order = { target: 'x', branch: null, pipeline, dryRun: false, confirm: false }
    const reply = await this.surely(async ({ reception }) =>
      agreed(await reception.ask({ ...callerAt('mate', 'deck'), deliveryId: delivery }, { kind: 'run', ...order })),
    )
    if (reply.kind !== 'started') throw new Error(reply.kind)
    return reply.card.handle
  }

  look(handle: string): Promise<Result<RunCard>> {
    return cardOf({ db: this.shore, people: this.#people }, handle)
  }

  async seen(handle: string, isThere: (card: RunCard) => boolean): Promise<RunCard> {
    const deadline = performance.now() + 15_000
    for (;;) {
      const card = await this.look(handle)
      if (card.ok && isThere(card.value)) return card.value
      if (performance.now() > deadline) throw new Error(`the run never got there: ${JSON.stringify(card)}`)
      // Somebody must be there to do the work.
      await this.surely(() => delay(25))
    }
  }

  /** The same word to the reception until it has an answer. */
  say(account: string, address: string, command: Command): Promise<Reply> {
    return this.surely(async ({ reception }) => agreed(await reception.ask(callerAt(account, address), command)))
  }

  async unsent(): Promise<number> {
    const [row] = await administer(
      this.#database.connection,
      `select (select count(*) from app.outbox where sent_at is null)::integer +
         (select count(*) from app.cards c join app.destinations d on d.id = c.destination_id and d.state = 'open'
          where c.shown < c.wanted)::integer as unsent`,
    )
    return row?.['unsent'] as number
  }

  async #on<T>(work: (ship: Ship) => Promise<T>): Promise<T> {
    if (this.#ship) return work(this.#ship)
    const life = new Life(`ship ${++this.#ships}`, this.#database.connection, this.#fate)
    const ship = new Ship(this.#database, this.#people, this.world, life)
    this.#ship = ship
    await ship.launch()
    return work(ship)
  }

  /** A minute goes by, so that whatever the dead had taken for a while is free again. */
  async #mourn(): Promise<void> {
    this.#ship = null
    await administer(
      this.#database.connection,
      `create or replace function app.clock_now() returns timestamptz
         language sql stable return statement_timestamp() + interval '${this.#ships} minutes'`,
    )
  }
}

const decide = { gate: null, sha256: null }

const callerAt = (account: string, address: string): Caller => ({
  surface: 'wall',
  account,
  label: account,
  address,
  isPrivate: address === account,
  deliveryId: `${account} at ${address}`,
})

/** What people do about themselves: arrive, are given and lose a role, join accounts, follow runs, begin a decision. */
async function comeAboard(voyage: Voyage): Promise<void> {
  const captain = (command: Command): Promise<Reply> => voyage.ask(command, '')
  const people = { kind: 'actor', who: '', grant: [], revoke: [] } as const
  const added = await captain({ ...people, verb: 'add', grant: ['viewer'] })
  if (added.kind !== 'link_code') throw new Error(added.kind)
  await voyage.say('mate', 'mate', { kind: 'link', code: added.code })
  await captain({ ...people, verb: 'role', who: added.for ?? '', grant: ['operator'], revoke: ['viewer'] })
  await voyage.say('mate', 'deck', { kind: 'delegate', who: 'captain', hours: 1 })
  await voyage.say('mate', 'deck', { kind: 'subscribe', project: null, level: 'all' })
  await voyage.say('mate', 'gone', { kind: 'subscribe', project: null, level: 'all' })
  // Taken back: a voyage at night must not wait for the morning.
  await voyage.say('mate', 'deck', { kind: 'quiet', from: null, to: null, zone: 'UTC' })
  await voyage.surely(({ desk }) => follows(desk, 'wall', 'home'))
  await voyage.surely(async ({ reception }) => {
    const caller = callerAt('mate', 'deck')
    await reception.expectWords(caller, '1', { kind: 'reject', run: 'r7k2', ...decide })
    expect(await reception.takeWords(caller, '1')).toMatchObject({ run: 'r7k2' })
    await reception.quarantine('wall', 'bad', null, 'unreadable')
    await reception.deny(callerAt('gull', 'deck'), 'a gull')
  })
}

/** Everything people do on two runs that want the same lock key, one approved and paid for, one rejected; and on one that fails. */
async function sail(voyage: Voyage, database: TestDatabase): Promise<void> {
  await comeAboard(voyage)
  const a = await voyage.start('start a')
  const b = await voyage.start('start b')
  await voyage.seen(a, isAtGate)
  await voyage.ask({ kind: 'changes', run: a, ...decide, reason: 'more crates' }, 'change a')
  const { runId } = await voyage.seen(a, isAtGate)
  await voyage.outage()
  // As after two deaths aboard: from here on it runs alone.
  await administer(database.connection, `update app.runs set alone = true where id = '${runId}'`)
  await voyage.ask({ kind: 'approve', run: a, ...decide }, 'approve a')
  await voyage.seen(a, (card) => card.waitingFor === 'signal')
  await voyage.surely(async ({ db }) => {
    const card = await voyage.look(a)
    if (card.ok && card.value.waitingFor === 'signal') await sendSignal(db, runId, 'wind', null)
  })
  await voyage.seen(a, (card) => card.state === 'paused' && card.reasonCode === 'budget')
  await voyage.ask({ kind: 'budget', run: a, raiseMicros: 10_000 }, 'ask for money')
  await voyage.ask({ kind: 'approve', run: a, gate: 'budget', sha256: null }, 'give money')
  expect(await voyage.seen(a, isAtEnd)).toMatchObject({ state: 'succeeded' })
  await voyage.seen(b, isAtGate)
  // Whoever writes from a place that was gone is there again.
  await voyage.say('mate', 'gone', { kind: 'whoami' })
  await voyage.ask({ kind: 'reject', run: b, ...decide, reason: 'no' }, 'reject b')
  expect(await voyage.seen(b, isAtEnd)).toMatchObject({ state: 'rejected' })
  const c = await voyage.start('start c', 'wreck')
  await voyage.seen(c, isAtEnd)
  const retried = await voyage.ask({ kind: 'retry', run: c }, 'retry c')
  expect(await voyage.seen(retried.kind === 'started' ? retried.card.handle : '', isAtEnd)).toMatchObject({
    state: 'failed',
  })
  while ((await voyage.unsent()) > 0) await voyage.surely(() => delay(25))
  await voyage.surely((ship) => ship.stop())
}

/** People with an account: somebody added twice, because the first answer was lost, leaves a code that nobody has. */
const people = `(select count(*)::integer from app.actors a where kind = 'person' and exists (
  select from pii.identities i join app.actors x on x.id = i.actor_id where a.id in (x.id, x.same_as)))`

/** Sails with that fate, and checks what must hold whatever happened on the way. Answers with the points come to. */
export async function voyageUnder(fate: Fate): Promise<readonly string[]> {
  const database = await createTestDatabase()
  const voyage = new Voyage(database, await peopleOf(database.connection), fate)
  try {
    await sail(voyage, database)
    const { crates, sent } = voyage.world
    // Two rounds of packing a, one of b, and the cleaning after b: each in the world once.
    expect(crates).toHaveLength(4)
    expect(new Set(crates).size).toBe(4)
    expect(sent.filter((topic) => topic === 'run_completed').length).toBeGreaterThanOrEqual(2)
    const [counts] = await administer(
      database.connection,
      `select (select count(*)::integer from app.runs) as runs, (select count(*)::integer from app.votes) as votes,
         (select count(*)::integer from app.inbox) as answers, ${people} as people`,
    )
    expect(counts).toEqual({ runs: 5, votes: 4, answers: 9, people: 4 })
    const broken = Object.entries(await checkInvariants(voyage.shore)).filter(([, violations]) => violations.length > 0)
    expect(broken, 'invariants').toEqual([])
  } finally {
    await voyage.shore.close()
    await database.drop()
    await forgetKeys(database.connection.database)
  }
  return [...fate.passed.keys()]
}

const store = join(import.meta.dirname, '../../core/store')
for (const file of await readdir(store)) {
  if (file.endsWith('.ts') && !file.endsWith('.test.ts')) await import(join(store, file))
}

/** Before a ship is launched its database is opened and sealed, which is one transaction that test/privacy.test.ts breaks off. */
const isBeforeLaunch = (name: string): boolean => name.startsWith('seal_') || name === 'mark_keyring'

/**
 * What no ship of ours sends: keys of programs, events that networks bring in, deliveries to endpoints, limits and
 * outages of vendors. Their own tests show what a death leaves: test/http, test/journeys/webhooks.test.ts,
 * test/github.test.ts and test/circuit.test.ts.
 */
const isOfPrograms = (statement: string): boolean =>
  /_(key|intake|webhook|delivery|deliveries|pull_request|rate_gate|circuit)$/.test(statement)

/** A call that belongs to no run is an admin's, who sees what became of it: test/journeys/replay.test.ts. */
const isOfReplay = (statement: string): boolean => statement.endsWith('_server_day')

/** Mailboxes and links of mails: test/journeys/mail.test.ts shows what becomes of them. */
const isOfMail = (statement: string): boolean => /_(mail_code|mailbox|gate_link)$/.test(statement)
/** The token of Slack is rotated by no ship: test/slack-tokens.test.ts breaks it off. */
const isOfSlack = (statement: string): boolean => statement.endsWith('_slack_token')

/** Erasing somebody is broken off at each stage by test/privacy.test.ts. */
const isOfErasure = (statement: string): boolean => statement.startsWith('erase_')

/** Every other statement that writes is a place to die at, from the moment it is declared. */
const statements = declared
  .filter(writes)
  .map(({ name }) => name)
  .filter(
    (name) =>
      ![isOfSchedules, isOfPrograms, isOfReplay, isOfMail, isOfSlack, isOfErasure, isBeforeLaunch].some((isElsewhere) =>
        isElsewhere(name),
      ),
  )

/** Commits, by the last statement before them. */
const commits = [
  'append_audit',
  'apply_transitions',
  'insert_destination',
  'insert_identity',
  'insert_runs',
  'insert_signal',
  'keep_answer',
  'mark_sent',
  'requeue_own',
  'subscribe_home',
  'write_consequences',
].map((name) => `the commit of ${name}`)

export const points: readonly string[] = [
  ...statements,
  ...commits,
  'the effect',
  'the sending',
  'the showing',
].flatMap((place) => [`before ${place}`, `after ${place}`])
