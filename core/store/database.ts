import pg from 'pg'
import { assert, Fault } from '../model/problem.ts'
import { GatheredClient } from './gathered-client.ts'
import type { Parameter, Statement } from './statement.ts'
import { camel, valuesOf } from './statement.ts'

/** Where the server is: a URL, or host (a folder means a unix socket), port, user and database. */
export type Connection =
  | { readonly url: string }
  | {
      readonly host: string
      readonly port: number
      readonly user: string
      readonly database: string
      readonly password?: string
    }

export type DatabaseOptions = {
  /** Shown in pg_stat_activity. */
  readonly name: string
  readonly poolSize: number
  /** What every session acts as, whoever logged in; null: the login itself. */
  readonly role: string | null
  /** How long the answer to a statement may take; where it is not given, a little longer than the server may work on one. */
  readonly answerMs?: number
  /** Called when an idle connection dies; the pool makes a new one by itself. */
  readonly onIdleError: (error: Error) => void
}

/** Runs statements: the database itself, or one transaction of it. */
export interface Executor {
  run<Name extends string, Row>(
    statement: Statement<Name, Row>,
    params: Readonly<Record<Name, Parameter>>,
  ): Promise<Row[]>
}

/** The pool of connections. Every wait has a deadline; vendor errors leave as `Fault`. */
export class Database implements Executor {
  readonly #pool: pg.Pool
  readonly #connection: Connection
  readonly #options: DatabaseOptions

  constructor(connection: Connection, options: DatabaseOptions) {
    this.#connection = connection
    this.#options = options
    this.#pool = new pg.Pool({
      ...clientConfig(connection, options, options.name),
      max: options.poolSize,
      idleTimeoutMillis: 60_000,
      pipeline: true,
      Client: GatheredClient,
    })
    this.#pool.on('error', (error) => {
      if (!this.#pool.ending) options.onIdleError(error)
    })
  }

  run<Name extends string, Row>(
    statement: Statement<Name, Row>,
    params: Readonly<Record<Name, Parameter>>,
  ): Promise<Row[]> {
    return send(this.#pool, statement, params)
  }

  /**
   * Runs `work` in one READ COMMITTED transaction. It may run twice (deadlock, serialization failure), so it holds
   * nothing but SQL.
   */
  async transaction<T>(work: (tx: Executor) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(work)
      } catch (error) {
        if (attempt >= maxTransactionAttempts || !isRepeatable(error)) throw error
      }
    }
  }

  /** A connection of its own, outside the pool, for a heartbeat or LISTEN. The caller ends it. */
  async connect(name: string): Promise<Session> {
    const client = new GatheredClient(clientConfig(this.#connection, this.#options, `${this.#options.name} ${name}`))
    client.on('error', heardByStatements)
    try {
      await client.connect()
    } catch (error) {
      throw faultOf(error)
    }
    return new Session(client)
  }

  close(): Promise<void> {
    return this.#pool.end()
  }

  async #once<T>(work: (tx: Executor) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw faultOf(error)
    })
    // While it is ours the pool does not listen: a break between two statements would end the process.
    client.on('error', heardByStatements)
    let isOver = false
    // What a transaction left unawaited must not reach the next user of the connection.
    const tx: Executor = {
      run: async (statement, params) => {
        assert(!isOver, `${statement.name} came after the end of its transaction`)
        gather(client)
        return send(client, statement, params)
      },
    }
    try {
      // Statements that nobody waits for between them travel together: `begin` with the first.
      gather(client)
      const [, result] = await Promise.all([client.query('begin'), work(tx)])
      isOver = true
      await client.query('commit')
      client.off('error', heardByStatements)
      client.release()
      return result
    } catch (error) {
      isOver = true
      // A failed rollback means a broken connection, which `true` removes from the pool.
      const broken = await client.query('rollback').then(
        () => false,
        () => true,
      )
      client.off('error', heardByStatements)
      client.release(broken)
      throw faultOf(error)
    }
  }
}

/** One connection of its own. */
export class Session implements Executor {
  readonly #client: pg.Client

  constructor(client: pg.Client) {
    this.#client = client
  }

  run<Name extends string, Row>(
    statement: Statement<Name, Row>,
    params: Readonly<Record<Name, Parameter>>,
  ): Promise<Row[]> {
    return send(this.#client, statement, params)
  }

  /** Calls `onHint` for each notification on the channel, and `onEnd` once when the connection is over. */
  async listen(channel: 'qp_ready', onHint: () => void, onEnd: () => void): Promise<void> {
    this.#client.on('notification', onHint)
    this.#client.on('end', onEnd)
    await this.#client.query(`listen ${channel}`)
  }

  /** May be repeated, and never throws: what is broken is closed already. */
  async end(): Promise<void> {
    await this.#client.end().catch(() => undefined)
  }
}

/** Without a listener a broken connection would end the process; the next statement on it reports the break. */
const heardByStatements = (): void => undefined

const maxTransactionAttempts = 5

const gather = (client: pg.ClientBase): void => {
  if (client instanceof GatheredClient) client.gather()
}

async function send<Name extends string, Row>(
  client: pg.Pool | pg.ClientBase,
  statement: Statement<Name, Row>,
  params: Readonly<Record<Name, Parameter>>,
): Promise<Row[]> {
  const values = valuesOf(statement, params)
  try {
    const { rows } = await client.query<Record<string, unknown>>({ name: statement.name, text: statement.text, values })
    return rows.map((row) => statement.row.parse(inCamelCase(row)))
  } catch (error) {
    throw faultOf(error)
  }
}

function inCamelCase(row: Record<string, unknown>): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const column in row) result[camelOf(column)] = row[column]
  return result
}

const camelNames = new Map<string, string>()

function camelOf(column: string): string {
  const known = camelNames.get(column)
  if (known !== undefined) return known
  const name = camel(column)
  camelNames.set(column, name)
  return name
}

/** How long the server may work on a statement. */
const statementMs = 60_000

function clientConfig(
  connection: Connection,
  { role, answerMs = statementMs + 10_000 }: Pick<DatabaseOptions, 'role' | 'answerMs'>,
  name: string,
): pg.ClientConfig {
  return {
    ...placeOf(connection, role === null ? planning : `${planning} -c role=${role}`),
    application_name: name,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    statement_timeout: statementMs,
    // The server’s own limits help nobody who cannot hear it: a network may fall silent without breaking a connection.
    query_timeout: answerMs,
    lock_timeout: 10_000,
    idle_in_transaction_session_timeout: 30_000,
    types,
  }
}

/**
 * Every statement is prepared, takes its rows as one parameter and has its index: planning it anew teaches nothing, and
 * a plan made while the tables were empty must not stay a sequential scan.
 */
export const plannerSettings = { plan_cache_mode: 'force_generic_plan', enable_seqscan: 'off', jit: 'off' } as const

const planning = Object.entries(plannerSettings)
  .map(([name, value]) => `-c ${name}=${value}`)
  .join(' ')

/** Where to connect. Start-up options of the URL come before ours; left to the driver, they would replace ours. */
function placeOf(connection: Connection, options: string): pg.ClientConfig {
  if (!('url' in connection)) return { ...connection, options }
  const { url } = connection
  if (!urlOptions.test(url)) return { connectionString: url, options }
  return { connectionString: url.replace(urlOptions, (theirs) => `${theirs} ${options}`.replaceAll(' ', '%20')) }
}

const urlOptions = /(?<=[?&]options=)[^&#]*/

/** bigint counts stay exact: ours are far below 2⁵³, and one that is not is a defect, not a rounding. */
const types = new pg.TypeOverrides()
types.setTypeParser(pg.types.builtins.INT8, exactInteger)

function exactInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} is beyond the integers this program counts with`)
  return value
}

/** Serialization failure and deadlock: the transaction was rolled back whole and may run again. */
const isRepeatable = (error: unknown): boolean => {
  const state = sqlState(error)
  return state === '40001' || state === '40P01'
}

/** The five characters Postgres gave the error, or null for errors of other origin. */
export function sqlState(error: unknown): string | null {
  const cause = error instanceof Fault ? error.cause : error
  return cause instanceof pg.DatabaseError ? (cause.code ?? null) : null
}

/** True when the server may or may not have done what it was asked: the connection broke. */
export const isConnectionLost = (error: unknown): boolean =>
  error instanceof Fault && error.code === 'TRANSIENT_NETWORK'

/** Server going down, out of connections, or a timeout of ours. */
const passing = /^(08|57P0[1-3]|53300|55P03|57014)/

function faultOf(error: unknown): unknown {
  if (error instanceof pg.DatabaseError) {
    const state = error.code ?? ''
    if (passing.test(state)) return databaseFault('TRANSIENT_NETWORK', error)
    if (state === '53100')
      return new Fault({
        code: 'NO_SPACE',
        message: 'The database has no disk space left: free some, then try again.',
        retryable: false,
        cause: error,
      })
    return error
  }
  return isNetworkError(error) ? databaseFault('TRANSIENT_NETWORK', error) : error
}

function databaseFault(code: 'TRANSIENT_NETWORK', cause: Error): Fault {
  return new Fault({ code, message: `The database did not answer: ${cause.message}`, retryable: true, cause })
}

/** Socket errors have a system code; node-postgres names its own lost connections only by their message. */
function isNetworkError(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  if ('code' in error && typeof error.code === 'string' && /^E[A-Z]+$/.test(error.code)) return true
  return /Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client was closed|not queryable/.test(
    error.message,
  )
}
