import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '../model/problem.ts'

/** One file of the migrations folder. */
export type MigrationFile = {
  readonly version: number
  /** `0001_init.sql`. */
  readonly name: string
  /** Whether code from before it may go on running beside it. */
  readonly compatible: boolean
  /** False for what PostgreSQL refuses inside a transaction, such as `create index concurrently`. */
  readonly transaction: boolean
  /** Of the text with Unix line ends, so that a checkout on another system has the same. */
  readonly sha256: string
  readonly sql: string
}

/** All migrations of the folder in order: numbered from 0001 without a gap. Throws a Fault that names the file at fault. */
export async function readMigrations(folder: string): Promise<MigrationFile[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  const files: MigrationFile[] = []
  for (const name of names) {
    const file = parseMigration(name, await readFile(join(folder, name), 'utf8'))
    if (file.version !== files.length + 1) {
      throw wrong(name, `is number ${file.version} where ${files.length + 1} is next: number migrations without a gap`)
    }
    files.push(file)
  }
  return files
}

/** Reads a migration's name and its first lines. Throws a Fault that says what they must be. */
export function parseMigration(name: string, text: string): MigrationFile {
  const sql = text.replaceAll('\r\n', '\n')
  const version = /^(\d{4})_[a-z0-9_]+\.sql$/.exec(name)?.[1]
  if (version === undefined) throw wrong(name, 'must be named like 0002_add_gates.sql')
  const [first = '', second = ''] = sql.split('\n', 2)
  const compatible = /^-- compatible: (yes|no) \(\S.*\)$/.exec(first)?.[1]
  if (compatible === undefined) {
    throw wrong(
      name,
      'must say on its first line whether older code can run beside it: -- compatible: yes (the reason)',
    )
  }
  return {
    version: Number(version),
    name,
    compatible: compatible === 'yes',
    transaction: second !== '-- transaction: no',
    sha256: createHash('sha256').update(sql).digest('hex'),
    sql,
  }
}

const wrong = (name: string, problem: string): Fault =>
  new Fault({ code: 'VALIDATION_ERROR', message: `Migration ${name} ${problem}.`, retryable: false })
