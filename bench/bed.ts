import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { join } from 'node:path'
import pg from 'pg'
import { openKeyFiles } from '../adapters/key-files/key-files.ts'
import type { DatabaseOptions } from '../core/store/database.ts'
import { Database } from '../core/store/database.ts'
import { openPeople } from '../core/store/keyring.ts'
import { migrate } from '../core/store/migrate.ts'
import type { People } from '../core/store/people.ts'
import { appRole } from '../core/store/role.ts'

/** Where a database is: a folder with a unix socket. */
export type Address = { readonly host: string; readonly port: number; readonly user: string; readonly database: string }

/** What every cell gets: a durable server to make databases on, and how long it may take. */
export type Bed = {
  /** A new, migrated database. */
  make(name: string): Promise<Address>
  readonly dir: string
  readonly quick: boolean
}

/** A bed on the server at `server`; `drop` removes the databases that cells made. */
export function bedOn(server: Address, dir: string, quick: boolean): Bed & { drop(): Promise<void> } {
  const made: string[] = []
  const make = async (name: string): Promise<Address> => {
    const database = `bench_${name}_${process.pid}`
    made.push(database)
    await administer(server, `create database ${database}`)
    const connection = { ...server, database }
    await migrate({ connection, folder: join(import.meta.dirname, '../migrations'), log: () => undefined })
    await withClient(connection, (client) => client.query('select app.ensure_partitions(1)'))
    return connection
  }
  const drop = async (): Promise<void> => {
    for (const database of made) await administer(server, `drop database if exists ${database} with (force)`)
    await rm(keysDir, { recursive: true, force: true })
  }
  return { make, drop, dir, quick }
}

const administer = (server: Address, sql: string): Promise<unknown> => withClient(server, (client) => client.query(sql))

/** One connection for the length of `work`. */
export async function withClient<T>(address: Address, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(address)
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Where the bench keeps the keys of all its databases. */
export const keysDir = join(tmpdir(), 'qp-bench-keys')

/** The people of a database, whose keys are made where they are missing. */
export const peopleOf = (address: Address): Promise<People> => openPeople(address, openKeyFiles(keysDir))

/** The engine's own pool, under the rights it has in production. */
export const open = (address: Address, poolSize = 8): Database => new Database(address, poolOptions(poolSize))

export const poolOptions = (poolSize: number): DatabaseOptions => ({
  name: 'quantapilot bench',
  poolSize,
  role: appRole,
  onIdleError: () => undefined,
})

/** The one number that `sql` selects. */
export async function numberFrom(client: pg.Client, sql: string): Promise<number> {
  const { rows } = await client.query<{ n: string }>(`select (${sql})::text as n`)
  return Number(rows[0]?.n)
}

/** Bytes of WAL written so far, by the whole server. */
export const walBytes = (client: pg.Client): Promise<number> =>
  numberFrom(client, "pg_current_wal_lsn() - '0/0'::pg_lsn")

/** Asks until it is so; throws after `withinMs`. Every wait of the bench goes through here or has a deadline of its own. */
export async function until(what: string, withinMs: number, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${withinMs / 1000} s`)
    await delay(20)
  }
}
