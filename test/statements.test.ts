import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { camel, declared } from '../core/store/statement.ts'
import type { TestDatabase } from './support/postgres.ts'
import { createTestDatabase } from './support/postgres.ts'

const store = join(import.meta.dirname, '../core/store')
for (const file of await readdir(store)) {
  if (file.endsWith('.ts') && !file.endsWith('.test.ts')) await import(join(store, file))
}

let database: TestDatabase
let sql: postgres.Sql
let typeNames: ReadonlyMap<number, string>
let neverNull: ReadonlySet<string>

// A second driver: what it hears of the server cannot share a fault with the first.
beforeAll(async () => {
  database = await createTestDatabase()
  const { host, port, user } = database.connection
  sql = postgres({
    host: `${host}/.s.PGSQL.${port}`,
    path: `${host}/.s.PGSQL.${port}`,
    user,
    database: database.connection.database,
    max: 1,
  })
  const types = await sql`select oid::int as oid, format_type(oid, null) as name from pg_type`
  typeNames = new Map(types.map((type) => [type['oid'] as number, type['name'] as string]))
  const columns =
    await sql`select attrelid::int as relation, attnum::int as number from pg_attribute where attnotnull and attnum > 0`
  neverNull = new Set(columns.map((column) => `${column['relation']}.${column['number']}`))
})

afterAll(async () => {
  await sql.end()
  await database.drop()
})

const written: Readonly<Record<string, string>> = {
  float8: 'double precision',
  timestamptz: 'timestamp with time zone',
}

const fullName = (type: string): string => {
  const base = type.replace('[]', '')
  return (written[base] ?? base) + (type.endsWith('[]') ? '[]' : '')
}

/** How a JSON Schema of a row's column reads, for each type of the server. */
const shapes: Readonly<Record<string, readonly string[]>> = {
  uuid: ['string'],
  text: ['string'],
  integer: ['number'],
  smallint: ['number'],
  bigint: ['number'],
  'double precision': ['number'],
  boolean: ['boolean'],
}

type Property = {
  readonly type?: string | readonly string[]
  readonly anyOf?: readonly { readonly type?: string | readonly string[] }[]
}

/** Where a column and the row's shape disagree: another type, or a null allowed that the table forbids. */
function problemsOf(text: string, column: postgres.Column<string>, property: Property | undefined): string[] {
  const kinds = [property?.type, ...(property?.anyOf ?? []).map((option) => option.type)].flat()
  const wanted = shapes[typeNames.get(column.type) ?? ''] ?? []
  const isTyped = kinds.some((kind) => kind !== undefined)
  const problems = isTyped
    ? wanted.filter((kind) => !kinds.includes(kind)).map((kind) => `${column.name} is a ${kind}`)
    : []
  const place = column as unknown as { readonly table: number; readonly number: number }
  // The far side of an outer join may be null whatever its table says.
  const isNeverNull = neverNull.has(`${place.table}.${place.number}`) && !/left join/.test(text)
  return isNeverNull && kinds.includes('null') ? [...problems, `${column.name} is never null`] : problems
}

describe('every statement is what Postgres says it is', () => {
  test('there are statements, each under a name of its own', () => {
    expect(declared.length).toBeGreaterThan(50)
    expect(new Set(declared.map(({ name }) => name)).size).toBe(declared.length)
  })

  test.each(declared.map((statement) => [statement.name, statement] as const))('%s', async (_, statement) => {
    const described = await sql.unsafe(statement.text).describe()
    expect(described.types.map((oid) => typeNames.get(oid))).toEqual(
      statement.parameters.map(({ type }) => fullName(type)),
    )
    const schema = z.toJSONSchema(statement.row, { unrepresentable: 'any', io: 'input' }) as {
      readonly properties?: Readonly<Record<string, Property>>
    }
    const columns = described.columns.filter((column) => column.name !== '?column?')
    expect(columns.map((column) => camel(column.name)).toSorted()).toEqual(
      Object.keys(schema.properties ?? {}).toSorted(),
    )
    expect(
      columns.flatMap((column) => problemsOf(statement.text, column, schema.properties?.[camel(column.name)])),
    ).toEqual([])
  })
})
