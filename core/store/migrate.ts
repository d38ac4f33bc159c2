import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { Fault } from '../model/problem.ts'
import type { Connection } from './database.ts'
import { type MigrationFile, readMigrations } from './migration-file.ts'

export type MigrateOptions = {
  /** Straight to the server: a pooler that hands out another session per transaction loses the lock. */
  readonly connection: Connection
  readonly folder: string
  readonly log: (level: 'info' | 'warn' | 'error', message: string, fields: Readonly<Record<string, unknown>>) => void
}

/** The names of the files that this call applied, and the number of the last one that the database now has. */
export type Migrated = { readonly applied: readonly string[]; readonly version: number }

/**
 * Brings the database to the folder's last migration. Of several processes at once one applies and the others wait for
 * it; nothing is locked when there is nothing to do. Each file is applied whole or not at all, and is never applied
 * again. Throws a Fault that names the file and says what to do.
 */
export async function migrate({ connection, folder, log }: MigrateOptions): Promise<Migrated> {
  const files = await readMigrations(folder)
  const client = await connect(connection)
  try {
    const pending = pendingOf(files, await readApplied(client), log)
    if (pending.length === 0) return { applied: [], version: files.length }
    await lock(client)
    return await applyPending(client, files, log)
  } finally {
    // Ends the session and with it the lock.
    await client.end()
  }
}

async function connect(connection: Connection): Promise<pg.Client> {
  const place = 'url' in connection ? { connectionString: connection.url } : connection
  const client = new pg.Client({
    ...place,
    application_name: 'quantapilot migrate',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    statement_timeout: statementTimeoutMs,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch (cause) {
    throw fault('TRANSIENT_NETWORK', `The database did not answer: ${messageOf(cause)}. Check DATABASE_URL.`, cause)
  }
  return client
}

const statementTimeoutMs = 900_000

async function applyPending(client: pg.Client, files: readonly MigrationFile[], log: Log): Promise<Migrated> {
  const applied: string[] = []
  const before = await readApplied(client)
  for (const file of pendingOf(files, before, () => undefined)) {
    // On a new database there is no older code to be stopped.
    if (!file.compatible && before.length > 0)
      log('warn', 'this migration cannot run beside older code: stop every older process', { file: file.name })
    await apply(client, file, log)
    applied.push(file.name)
    log('info', 'migration applied', { file: file.name })
  }
  return { applied, version: files.length }
}

type Log = MigrateOptions['log']

// ---- what the database has

type Applied = {
  readonly version: number
  readonly name: string
  readonly sha256: string
  readonly compatible: boolean
}

const ledger = `create table if not exists public.schema_migrations (
  version integer primary key,
  name text not null,
  sha256 text not null,
  compatible boolean not null,
  applied_at timestamptz not null default now()
)`

async function readApplied(client: pg.Client): Promise<Applied[]> {
  const { rows } = await client.query<{ exists: boolean }>(
    `select to_regclass('public.schema_migrations') is not null as exists`,
  )
  if (rows[0]?.exists !== true) return []
  const result = await client.query<Applied>(
    'select version, name, sha256, compatible from public.schema_migrations order by version',
  )
  return result.rows
}

/** The files still to be applied. Throws a Fault when the database's history is not a beginning of the folder's. */
function pendingOf(files: readonly MigrationFile[], applied: readonly Applied[], log: Log): MigrationFile[] {
  applied.forEach((row, index) => {
    if (row.version !== index + 1)
      throw fault(
        'PRECONDITION_FAILED',
        `The database lacks migration ${index + 1} but has ${row.name}: restore public.schema_migrations from a backup.`,
      )
    const file = files[index]
    if (file !== undefined) assertUnchanged(file, row)
  })
  const newer = applied.slice(files.length)
  const breaking = newer.find((row) => !row.compatible)
  if (breaking !== undefined)
    throw fault(
      'PRECONDITION_FAILED',
      `This database was migrated by a newer version of QuantaPilot (${breaking.name}), which this version cannot run beside: install that version.`,
    )
  if (newer.length > 0)
    log('warn', 'this database was migrated by a newer version of QuantaPilot, which this one can run beside', {
      file: newer.at(-1)?.name,
    })
  return files.slice(applied.length)
}

function assertUnchanged(file: MigrationFile, row: Applied): void {
  if (file.sha256 === row.sha256 && file.name === row.name) return
  const what = file.name === row.name ? 'was edited' : `was applied as ${row.name} and was renamed`
  throw fault(
    'PRECONDITION_FAILED',
    `Migration ${file.name} ${what} after it had been applied: restore the file as it was, and put the change into a new migration.`,
  )
}

// ---- applying

/**
 * Asks again and again instead of waiting in the server: a session that waits holds a snapshot, and
 * `create index concurrently` in the session that has the lock would wait for it in turn.
 */
async function lock(client: pg.Client): Promise<void> {
  const deadline = performance.now() + lockTimeoutMs
  while (performance.now() < deadline) {
    const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [lockKey])
    if (rows[0]?.locked === true) return
    await delay(100)
  }
  throw fault(
    'PRECONDITION_FAILED',
    `Another process has been migrating this database for ${lockTimeoutMs / 60_000} minutes: wait for it, or end it, and start again.`,
  )
}

/** Any number that no other program uses for this database. */
const lockKey = 7_826_482_411

const lockTimeoutMs = 600_000

/**
 * Applies one file; a lock that is not had within 2 s is asked for again later, so that nobody queues behind us for long.
 * Roles belong to the server and our lock to one database: a role that another database's migration makes at the same
 * moment is found the second time.
 */
async function apply(client: pg.Client, file: MigrationFile, log: Log): Promise<void> {
  let mayMeetRole = true
  for (let attempt = 1; ; attempt++) {
    try {
      return await (file.transaction ? applyWhole(client, file) : applyByStatement(client, file))
    } catch (error) {
      if (mayMeetRole && isRoleMadeMeanwhile(error)) {
        mayMeetRole = false
        continue
      }
      const isLocked = error instanceof pg.DatabaseError && error.code === '55P03'
      if (!isLocked || attempt === maxAttempts) throw failed(file, error)
      log('warn', 'a migration waits for a lock that others hold', { file: file.name, attempt })
      await delay(Math.min(250 * 2 ** attempt, 5_000))
    }
  }
}

const maxAttempts = 20

/** Committed before our `create role` looked (42710), or while it waited for the other's commit (23505). */
const isRoleMadeMeanwhile = (error: unknown): boolean =>
  error instanceof pg.DatabaseError &&
  (error.code === '42710' || (error.code === '23505' && error.table === 'pg_authid'))

async function applyWhole(client: pg.Client, file: MigrationFile): Promise<void> {
  try {
    await client.query(`begin; set local lock_timeout = '2s'; ${ledger}`)
    await client.query(file.sql)
    await record(client, file)
    await client.query('commit')
  } catch (error) {
    await client.query('rollback')
    throw error
  }
}

/**
 * Sends each statement, up to a `;` at the end of a line, by itself. It may run again after a crash, so its statements
 * must bear that (`if not exists`). Waits as long as it takes: such statements block nobody.
 */
async function applyByStatement(client: pg.Client, file: MigrationFile): Promise<void> {
  await client.query(ledger)
  for (const sql of file.sql.split(/(?<=;)[ \t]*$/m)) {
    if (/^\s*[^\s-]/m.test(sql)) await client.query(sql)
  }
  await record(client, file)
}

const record = (client: pg.Client, { version, name, sha256, compatible }: MigrationFile) =>
  client.query('insert into public.schema_migrations (version, name, sha256, compatible) values ($1, $2, $3, $4)', [
    version,
    name,
    sha256,
    compatible,
  ])

function failed(file: MigrationFile, error: unknown): Fault {
  const position = error instanceof pg.DatabaseError ? Number(error.position) : Number.NaN
  const line = file.transaction && position > 0 ? `, line ${file.sql.slice(0, position).split('\n').length}` : ''
  const rest = file.transaction ? 'Nothing of it was applied' : 'It may be applied in part and is safe to run again'
  return fault('FATAL', `Migration ${file.name}${line} failed: ${messageOf(error)}. ${rest}.`, error)
}

function fault(code: 'FATAL' | 'PRECONDITION_FAILED' | 'TRANSIENT_NETWORK', message: string, cause?: unknown): Fault {
  return new Fault({ code, message, retryable: code === 'TRANSIENT_NETWORK', cause })
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
