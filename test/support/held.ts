import { setTimeout as delay } from 'node:timers/promises'
import type { Executor } from '../../core/store/database.ts'
import { Database } from '../../core/store/database.ts'
import type { Parameter, Statement } from '../../core/store/statement.ts'
import { appRole } from '../../core/store/role.ts'
import type { ServerConnection } from './administer.ts'
import { administer } from './administer.ts'

/** A transaction that has done all its work and does not commit before it is told to. */
export type Hold = {
  /** Resolves when it is there. */
  readonly reached: Promise<void>
  /** With an error the transaction is rolled back. */
  release(error?: Error): void
}

/** The database access of a second process, whose next transaction can be held open right before its commit. */
export class HeldDatabase extends Database {
  readonly #connection: ServerConnection
  readonly #name: string
  #next: { readonly reached: () => void; readonly released: Promise<void> } | null = null
  readonly #ran = new Map<string, number>()

  constructor(connection: ServerConnection, name: string) {
    super(connection, { name, poolSize: 3, role: appRole, onIdleError: () => undefined })
    this.#connection = connection
    this.#name = name
  }

  /** Holds the next transaction that begins here. */
  hold(): Hold {
    const reached = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    this.#next = { reached: () => reached.resolve(), released: released.promise }
    return {
      reached: reached.promise,
      release: (error) => (error ? released.reject(error) : released.resolve()),
    }
  }

  /** Resolves when Postgres says that a session of this process waits for a lock. */
  async blocked(): Promise<void> {
    const deadline = performance.now() + 5_000
    for (;;) {
      const waiting = await administer(
        this.#connection,
        `select from pg_stat_activity where datname = current_database() and application_name like '${this.#name}%'
           and wait_event_type = 'Lock'`,
      )
      if (waiting.length > 0) return
      if (performance.now() > deadline) throw new Error(`nothing of ${this.#name} waits for a lock`)
      await delay(5)
    }
  }

  /** How often a statement has come back. */
  times(name: string): number {
    return this.#ran.get(name) ?? 0
  }

  override async run<Name extends string, Row>(
    statement: Statement<Name, Row>,
    params: Readonly<Record<Name, Parameter>>,
  ): Promise<Row[]> {
    const rows = await super.run(statement, params)
    this.#ran.set(statement.name, this.times(statement.name) + 1)
    return rows
  }

  override transaction<T>(work: (tx: Executor) => Promise<T>): Promise<T> {
    const held = this.#next
    this.#next = null
    return super.transaction(async (tx) => {
      const value = await work(tx)
      held?.reached()
      await held?.released
      return value
    })
  }
}
