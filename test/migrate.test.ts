import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { runProcess, startProcess } from '../adapters/process/run.ts'
import { migrate, type MigrateOptions } from '../core/store/migrate.ts'
import { administer, openSession } from './support/administer.ts'
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from './support/postgres.ts'

const first = ['0001_init.sql', '-- compatible: yes (the first)\ncreate table pets (name text);\n'] as const
const second = ['0002_age.sql', '-- compatible: yes (adds)\nalter table pets add column age int;\n'] as const
const breaking = ['0002_age.sql', '-- compatible: no (renames)\nalter table pets rename name to label;\n'] as const

async function arrange(...files: (readonly [string, string])[]) {
  const database = await createEmptyDatabase()
  onTestFinished(database.drop)
  return { database, folder: await folderOf(...files) }
}

async function folderOf(...files: (readonly [string, string])[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'quantapilot-migrations-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  for (const [name, text] of files) await writeFile(join(folder, name), text)
  return folder
}

const silent = () => undefined

const run = ({ connection }: TestDatabase, folder: string, log: Parameters<typeof migrate>[0]['log'] = silent) =>
  migrate({ connection, folder, log })

const columns = async ({ connection }: TestDatabase) => {
  const rows = await administer(
    connection,
    `select attname from pg_attribute
    where attrelid = to_regclass('pets') and attnum > 0 order by attnum`,
  )
  return rows.map((row) => row['attname'])
}

test('each migration is applied once, in order', async () => {
  const { database, folder } = await arrange(first, second)
  expect(await run(database, folder)).toEqual({ applied: ['0001_init.sql', '0002_age.sql'], version: 2 })
  expect(await columns(database)).toEqual(['name', 'age'])
  expect(await run(database, folder)).toEqual({ applied: [], version: 2 })
})

test('a migration that fails is named with its line and leaves nothing behind', async () => {
  const wrong = [
    '0002_wrong.sql',
    '-- compatible: yes (x)\nalter table pets add column age int;\n\nselect nonsense;\n',
  ] as const
  const { database, folder } = await arrange(first, wrong)
  await expect(run(database, folder)).rejects.toThrow(
    'Migration 0002_wrong.sql, line 4 failed: column "nonsense" does not exist. Nothing of it was applied.',
  )
  expect(await columns(database)).toEqual(['name'])
  const cured = await folderOf(first, second)
  expect(await run(database, cured)).toEqual({ applied: ['0002_age.sql'], version: 2 })
})

test('a migration edited after it was applied is refused by name', async () => {
  const { database, folder } = await arrange(first)
  await run(database, folder)
  const edited = await folderOf([first[0], `${first[1]}-- and a word\n`])
  await expect(run(database, edited)).rejects.toThrow('Migration 0001_init.sql was edited after it had been applied')
  const renamed = await folderOf(['0001_start.sql', first[1]])
  await expect(run(database, renamed)).rejects.toThrow('was applied as 0001_init.sql and was renamed')
})

test('a gap in the numbers is refused', async () => {
  const { database, folder } = await arrange(first, ['0003_late.sql', second[1]])
  await expect(run(database, folder)).rejects.toThrow('Migration 0003_late.sql is number 3 where 2 is next')
})

test('older code starts on a newer database only if that says it may', async () => {
  const { database, folder } = await arrange(first)
  await run(database, await folderOf(first, second))
  const said = vi.fn<MigrateOptions['log']>()
  expect(await run(database, folder, said)).toEqual({ applied: [], version: 1 })
  expect(said.mock.calls[0]?.[1]).toContain('migrated by a newer version')

  const other = await arrange(first)
  await run(other.database, await folderOf(first, breaking))
  await expect(run(other.database, other.folder)).rejects.toThrow(
    'This database was migrated by a newer version of QuantaPilot (0002_age.sql)',
  )
})

test('an index is made without stopping writers where the file asks for no transaction', async () => {
  const { database, folder } = await arrange(first, [
    '0002_index.sql',
    `-- compatible: yes (an index)
-- transaction: no
drop index concurrently if exists pets_name;
create index concurrently pets_name on pets (name); -- the last
`,
  ])
  expect((await run(database, folder)).applied).toHaveLength(2)
  const [row] = await administer(
    database.connection,
    `select indisvalid from pg_index where indexrelid = 'pets_name'::regclass`,
  )
  expect(row).toEqual({ indisvalid: true })
})

test('a process that is killed inside a migration leaves nothing of that one, and the next start applies it', async () => {
  const database = await createEmptyDatabase()
  onTestFinished(database.drop)
  const folder = join(import.meta.dirname, '../migrations')
  const holder = openSession(database.connection)
  onTestFinished(() => holder.end())
  // The lock that 0003 takes.
  await holder`select pg_advisory_lock(7081, 3)`
  const program = join(import.meta.dirname, 'support/migrate-alone.ts')
  const args = ['--disable-warning=ExperimentalWarning', program, database.url, folder]
  const migrating = await startProcess({ command: process.execPath, args, cwd: folder })
  await vi.waitFor(
    async () => {
      const waiting = await holder`select 1 from pg_locks where locktype = 'advisory' and objid = 3 and not granted`
      expect(waiting).toHaveLength(1)
    },
    { timeout: 10_000 },
  )
  await migrating.kill({ signal: 'SIGKILL' })
  await holder`select pg_advisory_unlock(7081, 3)`
  const { applied } = await run(database, folder)
  expect(applied[0]).toBe('0003_app_role.sql')
  expect(await run(database, folder)).toMatchObject({ applied: [] })
})

test('five processes that migrate at once apply each migration exactly once', async () => {
  const { database, folder } = await arrange(first, second)
  const holder = openSession(database.connection)
  onTestFinished(() => holder.end())
  await holder`select pg_advisory_lock(7826482411)`
  const migrating = Array.from({ length: 5 }, () =>
    runProcess({
      command: process.execPath,
      args: [
        '--disable-warning=ExperimentalWarning',
        join(import.meta.dirname, 'support/migrate-alone.ts'),
        database.url,
        folder,
      ],
      cwd: folder,
      timeoutMs: 30_000,
      maxOutputBytes: 10_000,
    }),
  )
  await vi.waitFor(async () => {
    const rows = await holder`select 1 from pg_stat_activity
      where application_name = 'quantapilot migrate' and datname = current_database() and query like '%pg_try_advisory_lock%'`
    expect(rows).toHaveLength(5)
  }, 20_000)
  await holder`select pg_advisory_unlock(7826482411)`
  const results = await Promise.all(migrating)
  expect(results.map(({ stderr }) => stderr)).toEqual(['', '', '', '', ''])
  expect(results.map(({ stdout }) => stdout.toString()).sort()).toEqual([
    '["0001_init.sql","0002_age.sql"]',
    '[]',
    '[]',
    '[]',
    '[]',
  ])
})

test('a migration that waits for a lock lets others pass and goes on when it is free', async () => {
  const { database, folder } = await arrange(first, second)
  await run(database, await folderOf(first))
  const reader = openSession(database.connection)
  onTestFinished(() => reader.end())
  await reader.unsafe('begin; select * from pets')
  const said = vi.fn<MigrateOptions['log']>()
  const migrating = run(database, folder, said)
  await vi.waitFor(
    () =>
      expect(said).toHaveBeenCalledWith('warn', 'a migration waits for a lock that others hold', {
        file: second[0],
        attempt: 1,
      }),
    10_000,
  )
  expect(await administer(database.connection, 'select * from pets')).toEqual([])
  await reader.unsafe('commit')
  expect((await migrating).applied).toEqual(['0002_age.sql'])
})

test('a role that another database’s first migration makes at the same moment is shared with it', async () => {
  const role = `shared_${randomBytes(4).toString('hex')}`
  const makesRole = [
    '0001_init.sql',
    `-- compatible: yes (the first)
do $$ begin
  if not exists (select from pg_roles where rolname = '${role}') then
    create role ${role} nologin;
  end if;
end $$;
`,
  ] as const
  const { database, folder } = await arrange(makesRole)
  const other = await arrange()
  const holder = openSession(other.database.connection)
  onTestFinished(async () => {
    await holder.unsafe(`drop role if exists ${role}`)
    await holder.end()
  })
  await holder.unsafe(`begin; create role ${role} nologin`)
  const migrating = run(database, folder)
  await vi.waitFor(async () => {
    const rows = await administer(
      database.connection,
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    expect(rows).toHaveLength(1)
  }, 10_000)
  await holder.unsafe('commit')
  expect((await migrating).applied).toEqual(['0001_init.sql'])
})

test('a migration that makes something twice is refused all the same', async () => {
  const mood = `create type mood as enum ('good');\n`
  const { database, folder } = await arrange(first, ['0002_mood.sql', `-- compatible: yes (x)\n${mood}${mood}`])
  await expect(run(database, folder)).rejects.toThrow(
    'Migration 0002_mood.sql failed: type "mood" already exists. Nothing of it was applied.',
  )
})

test('the product’s own migrations are what a test database has', async () => {
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  expect(await run(database, join(import.meta.dirname, '../migrations'))).toMatchObject({ applied: [] })
})
