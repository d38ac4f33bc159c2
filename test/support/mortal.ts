import { setTimeout as delay } from 'node:timers/promises'
import type { DatabaseOptions, Session } from '../../core/store/database.ts'
import { Database } from '../../core/store/database.ts'
import type { Executor } from '../../core/store/database.ts'
import type { Parameter, Statement } from '../../core/store/statement.ts'
import { appRole } from '../../core/store/role.ts'
import type { ServerConnection } from './administer.ts'
import { administer } from './administer.ts'

/** Which points kill, and the how many-th time anybody comes to them; each kills once. */
export class Fate {
  /** How often each point was come to, in the order of the first time. */
  readonly passed = new Map<string, number>()
  /** Points that still kill. */
  readonly pending: Map<string, number>

  constructor(points: Readonly<Record<string, number>>) {
    this.pending = new Map(Object.entries(points))
  }

  /** Counts, and tells whether this time kills. */
  strikes(point: string): boolean {
    const times = (this.passed.get(point) ?? 0) + 1
    this.passed.set(point, times)
    return times === this.pending.get(point) && this.pending.delete(point)
  }
}

/** What makes a statement a place worth dying at. */
export const writes = ({ text }: Pick<Statement<string, unknown>, 'text'>): boolean =>
  /\b(insert into|update (app|audit|pii)\.|delete from)/.test(text)

/**
 * The life of one process. At the point of its doom it is as if killed: nothing it waits for ever comes back, and the
 * server finds its connections gone.
 */
export class Life {
  readonly name: string
  readonly #connection: ServerConnection
  readonly #fate: Fate
  readonly #death = Promise.withResolvers<void>()
  #isOver = false

  constructor(name: string, connection: ServerConnection, fate: Fate) {
    this.name = name
    this.#connection = connection
    this.#fate = fate
  }

  /** Resolves when the process is dead and the server knows. */
  get over(): Promise<void> {
    return this.#death.promise
  }

  /** Comes to a point: goes on, or never. */
  async at(point: string): Promise<void> {
    if (this.#isOver) return forever
    if (!this.#fate.strikes(point)) return
    await this.die()
    return forever
  }

  async die(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    // Twice nothing: a connection may have been under way.
    for (let quiet = 0; quiet < 2; await delay(2)) {
      const left = await administer(
        this.#connection,
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like '${this.name}%'`,
      )
      quiet = left.length === 0 ? quiet + 1 : 0
    }
    this.#death.resolve()
  }

  /** Lets nothing of the dead come back to whoever waits. */
  async guard<T>(work: Promise<T>): Promise<T> {
    try {
      const value = await work
      return this.#isOver ? await forever : value
    } catch (error) {
      if (this.#isOver) return forever
      throw error
    }
  }

  async passing<T>(name: string, isPoint: boolean, work: () => Promise<T>): Promise<T> {
    if (!isPoint) return this.guard(this.#isOver ? forever : work())
    await this.at(`before ${name}`)
    const value = await this.guard(work())
    await this.at(`after ${name}`)
    return value
  }
}

const forever = new Promise<never>(() => undefined)

/** The product's own database access, with a point before and after each statement that writes, and around each commit. */
export class MortalDatabase extends Database {
  readonly #life: Life

  constructor(connection: ServerConnection, life: Life, role = appRole) {
    const options: DatabaseOptions = { name: life.name, poolSize: 3, role, onIdleError: () => undefined }
    super(connection, options)
    this.#life = life
  }

  override run<Name extends string, Row>(
    statement: Statement<Name, Row>,
    params: Readonly<Record<Name, Parameter>>,
  ): Promise<Row[]> {
    return this.#life.passing(statement.name, writes(statement), () => super.run(statement, params))
  }

  override async transaction<T>(work: (tx: Executor) => Promise<T>): Promise<T> {
    const written: string[] = []
    const value = await this.#life.guard(
      super.transaction(async (tx) => {
        const done = await work({
          run: (statement, params) => {
            if (writes(statement)) written.push(statement.name)
            return this.#life.passing(statement.name, writes(statement), () => tx.run(statement, params))
          },
        })
        for (const last of written.slice(-1)) await this.#life.at(`before the commit of ${last}`)
        return done
      }),
    )
    for (const last of written.slice(-1)) await this.#life.at(`after the commit of ${last}`)
    return value
  }

  override async connect(name: string): Promise<Session> {
    const session = await this.#life.guard(super.connect(name))
    const run = session.run.bind(session)
    session.run = (statement, params) =>
      this.#life.passing(statement.name, writes(statement), () => run(statement, params))
    return session
  }
}
