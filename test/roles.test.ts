import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startEmbeddedPostgres } from '../adapters/embedded-postgres/start.ts'
import { databaseProbes } from '../core/commands/doctor.ts'
import { signIn } from '../core/commands/sign-in.ts'
import { assertRole } from '../core/store/assert-role.ts'
import type { Connection } from '../core/store/database.ts'
import { Database } from '../core/store/database.ts'
import { migrate } from '../core/store/migrate.ts'
import { appRole, chooseRole, readRole } from '../core/store/role.ts'
import { readServer } from '../core/store/server.ts'
import { declared } from '../core/store/statement.ts'
import type { ServerConnection } from './support/administer.ts'
import { administer, openSession } from './support/administer.ts'
import { forgetKeys, peopleOf } from './support/people.ts'
import type { TestDatabase } from './support/postgres.ts'
import { createTestDatabase } from './support/postgres.ts'

const store = join(import.meta.dirname, '../core/store')
for (const file of await readdir(store)) {
  if (file.endsWith('.ts') && !file.endsWith('.test.ts')) await import(join(store, file))
}

function open(connection: Connection, role: string | null): Database {
  const db = new Database(connection, { name: 'quantapilot roles', poolSize: 2, role, onIdleError: () => undefined })
  onTestFinished(() => db.close())
  return db
}

describe('the role of the running program', () => {
  let database: TestDatabase
  let session: postgres.Sql

  beforeAll(async () => {
    database = await createTestDatabase()
    await administer(database.connection, 'select app.ensure_partitions(1)')
    session = openSession(database.connection)
    await session`set role qp_app`
  })

  afterAll(async () => {
    await session.end()
    await database.drop()
  })

  const working = declared.filter(({ name }) => !/^(purge|seal)_/.test(name))

  test.each(working.map((statement) => [statement.name, statement] as const))('may run %s', async (_, { text }) => {
    await expect(session.unsafe(`explain (generic_plan) ${text}`)).resolves.not.toHaveLength(0)
  })

  test.each([
    // History is what happened.
    `update app.events set payload = '{}'`,
    'delete from app.events',
    'truncate app.events',
    'delete from app.events_rest',
    `update app.attempts_rest set outcome = 'done'`,
    `select * from app.events_${new Date().toISOString().slice(0, 7).replace('-', '_')}`,
    `update app.votes set choice = 'approved'`,
    `update audit.entries set action = 'nothing'`,
    'delete from audit.entries',
    'truncate audit.entries',
    'delete from audit.head',
    `insert into audit.head (seq, hash) values (0, '')`,
    // Who began a run, what a gate showed, and who may do what are said once.
    `update app.runs set started_by = app.runs.id`,
    `update app.gates set artifact_sha256 = 'another'`,
    `update app.artifacts set bytes = ''`,
    `update app.plans set steps = '[]'`,
    `update app.actor_roles set role = 'admin'`,
    'delete from app.actor_roles',
    `update pii.identities set actor_id = '00000000-0000-7000-8000-000000000000'`,
    'delete from pii.identities',
    'select * from pii.accounts',
    'update pii.keyring set is_plain = true',
    'delete from pii.remarks',
    'delete from app.runs',
    'truncate app.runs cascade',
    'lock table app.runs in access exclusive mode',
    // The schema is the migrations' business.
    'create table app.more (id integer)',
    'create table public.more (id integer)',
    'create schema more',
    'alter table app.runs add column more integer',
    'alter table app.events disable trigger all',
    'drop table app.events',
    'drop schema audit cascade',
    'create index more on app.runs (created_at)',
    `create or replace function app.clock_now() returns timestamptz language sql stable return timestamptz '2000-01-01'`,
    'create trigger more before insert on app.events execute function suppress_redundant_updates_trigger()',
    'select app.ensure_partitions(6)',
    `select app.drop_month('2020_01')`,
    'delete from app.ticks',
    'delete from app.daily_costs',
    `update app.daily_costs set day = '2020-01-01'`,
    'select app.grant_to_app()',
    'delete from public.schema_migrations',
    // The server is its administrator's.
    'select * from pg_authid',
    `select pg_read_file('postgresql.conf')`,
    `copy (select 1) to program 'true'`,
    'alter role qp_app superuser',
    'create role more',
  ])('may not: %s', async (sql) => {
    await expect(session.begin((tx) => tx.unsafe(sql))).rejects.toMatchObject({ code: '42501' })
  })

  test('is what the pool and its own connections act as, with the options of the URL kept', async () => {
    const db = open({ url: `${database.url}&options=-c%20synchronous_commit%3Dlocal` }, appRole)
    const alone = await db.connect('alone')
    onTestFinished(() => alone.end())
    for (const executor of [db, alone]) {
      expect(await executor.run(readRole, { role: appRole })).toMatchObject([{ acting: appRole }])
      expect(await executor.run(readServer, {})).toMatchObject([{ synchronousCommit: 'local' }])
    }
    expect(await assertRole(db, appRole)).toBeUndefined()
  })

  test('is asked for in vain where a pooler drops the options, and that stops the start', async () => {
    await expect(assertRole(open(database.connection, null), appRole)).rejects.toThrow('a pooler before the database')
  })
})

describe('the role that removes what is over', () => {
  let database: TestDatabase
  let session: postgres.Sql

  beforeAll(async () => {
    database = await createTestDatabase()
    session = openSession(database.connection)
    await session`set role qp_purger`
  })

  afterAll(async () => {
    await session.end()
    await database.drop()
  })

  const removing = declared.filter(({ name }) => name.startsWith('purge_') || name === 'append_audit')

  test.each(removing.map((statement) => [statement.name, statement] as const))('may run %s', async (_, { text }) => {
    await expect(session.unsafe(`explain (generic_plan) ${text}`)).resolves.not.toHaveLength(0)
  })

  test.each([
    `update app.events set payload = '{}'`,
    `update app.runs set state = 'failed'`,
    'truncate app.runs',
    'drop table app.events',
    'delete from audit.entries',
    `update audit.entries set action = 'nothing'`,
    'delete from audit.head',
    'delete from app.actors',
    'delete from app.actor_roles',
    'delete from app.projects',
    'delete from pii.accounts',
    'select body from pii.remarks',
    'select label from pii.accounts',
    'select reply from app.inbox',
    'select body from app.intake',
    'select body from app.quarantine',
    'insert into app.plans select * from app.plans',
    'create table app.more (id integer)',
  ])('may not: %s', async (sql) => {
    await expect(session.begin((tx) => tx.unsafe(sql))).rejects.toMatchObject({ code: '42501' })
  })

  test('removes everything that names a run, whichever table it is in', async () => {
    const tables = await administer(
      database.connection,
      `select c.table_schema || '.' || c.table_name as name from information_schema.columns c
       join information_schema.tables t using (table_schema, table_name)
       where c.column_name = 'run_id' and t.table_type = 'BASE TABLE' and c.table_schema in ('app', 'pii')
         and not (select p.relispartition from pg_class p
                  where p.oid = format('%I.%I', c.table_schema, c.table_name)::regclass)`,
    )
    const texts = removing.map(({ text }) => text).join('\n')
    const left = tables.map(({ name }) => String(name)).filter((name) => !texts.includes(`delete from ${name} `))
    expect(tables.length).toBeGreaterThan(8)
    expect(left, 'tables that a purge forgets').toEqual([])
  })
})

describe('a server of its own', () => {
  async function startServer(): Promise<ServerConnection> {
    const folder = await mkdtemp(join(tmpdir(), 'quantapilot-roles-'))
    // Run by root, the server runs as another user, who must be able to enter.
    await chmod(folder, 0o755)
    const dir = join(folder, 'pg')
    const server = await startEmbeddedPostgres({ dir, durable: false, signal: AbortSignal.timeout(60_000) })
    onTestFinished(async () => {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    })
    return server.connection
  }

  /** A login with these attributes, and a database that it owns. */
  async function makeOwner(server: ServerConnection, name: string, attributes = ''): Promise<ServerConnection> {
    await administer(server, `create role "${name}" login ${attributes}`)
    await administer(server, `create database "${name}" owner "${name}"`)
    return { ...server, user: name, database: name }
  }

  const bringUpToDate = (connection: Connection) =>
    migrate({ connection, folder: join(import.meta.dirname, '../migrations'), log: () => undefined })

  const examine = async (db: Database) => databaseProbes(db, () => 0)['role']?.()

  const someone = (account: string) => ({ surface: 'terminal', account, label: account })

  test('whose login may make no roles is used as that login until an administrator lets it become the role', async () => {
    const server = await startServer()
    const owner = await makeOwner(server, 'plain-login')
    await bringUpToDate(owner)
    expect(await chooseRole(owner)).toBeNull()
    const people = await peopleOf(owner)
    onTestFinished(() => forgetKeys('plain-login'))
    const asLogin = open(owner, null)
    expect(await signIn({ db: asLogin, people }, someone('one'))).toMatchObject({ label: 'one' })
    expect(await examine(asLogin)).toEqual({
      status: 'warn',
      message:
        'acts as "plain-login", who may change anything: have an administrator run CREATE ROLE qp_app NOLOGIN; GRANT qp_app TO "plain-login"; and start again',
    })

    await administer(server, 'create role qp_app nologin')
    expect(await chooseRole(owner)).toBeNull()
    expect((await examine(asLogin))?.message).toContain('have an administrator run GRANT qp_app TO "plain-login"; and')
    await administer(server, 'grant qp_app to "plain-login"')
    expect(await Promise.all([chooseRole(owner), chooseRole(owner)])).toEqual([appRole, appRole])
    const asRole = open(owner, appRole)
    await assertRole(asRole, appRole)
    expect(await examine(asRole)).toMatchObject({ status: 'pass' })
    expect(await signIn({ db: asRole, people }, someone('two'))).toMatchObject({ label: 'two' })
  })

  test('whose login may make roles needs nobody else; a login that is only the role can work beside it', async () => {
    const server = await startServer()
    const owner = await makeOwner(server, 'maker', 'createrole')
    const early = await makeOwner(server, 'early')
    await bringUpToDate(owner)
    expect(await chooseRole(owner)).toBe(appRole)
    await assertRole(open(owner, appRole), appRole)

    await administer(server, 'create role worker login in role qp_app')
    const worker = { ...owner, user: 'worker' }
    expect(await bringUpToDate(worker)).toMatchObject({ applied: [] })
    expect(await chooseRole(worker)).toBe(appRole)
    const people = await peopleOf(worker)
    onTestFinished(() => forgetKeys('maker'))
    expect(await signIn({ db: open(worker, appRole), people }, someone('one'))).toMatchObject({ label: 'one' })

    // The role of one database is not yet the role of the next: its owner has not been let into it.
    await bringUpToDate(early)
    expect(await chooseRole(early)).toBeNull()
  })

  test('whose role has more power than the program needs stops the start with what to take back', async () => {
    const server = await startServer()
    await bringUpToDate(server)
    const db = open(server, appRole)
    await assertRole(db, appRole)
    await administer(server, 'alter role qp_app superuser')
    await expect(assertRole(db, appRole)).rejects.toThrow(
      'The role qp_app has SUPERUSER: run ALTER ROLE qp_app NOSUPERUSER.',
    )
    await administer(server, 'alter role qp_app nosuperuser createdb createrole bypassrls')
    await expect(assertRole(db, appRole)).rejects.toThrow('run ALTER ROLE qp_app NOBYPASSRLS NOCREATEROLE NOCREATEDB.')
    await administer(server, 'alter role qp_app nocreatedb nocreaterole nobypassrls')
    await administer(server, 'grant create on schema audit to public')
    await administer(server, 'grant update (payload) on app.events to qp_app')
    await administer(server, 'grant truncate on audit.entries to qp_app')
    await expect(assertRole(db, appRole)).rejects.toThrow(
      'The role qp_app may make tables in audit: run REVOKE CREATE ON SCHEMA audit FROM qp_app, PUBLIC. ' +
        'The role qp_app may rewrite app.events, audit.entries: run REVOKE UPDATE, DELETE, TRUNCATE ON app.events, audit.entries FROM qp_app, PUBLIC.',
    )
    expect(await examine(db)).toMatchObject({ status: 'fail' })
    await administer(server, 'revoke create on schema audit from qp_app, public')
    await administer(server, 'revoke update, delete, truncate on app.events, audit.entries from qp_app, public')
    expect(await assertRole(db, appRole)).toBeUndefined()
  })
})
