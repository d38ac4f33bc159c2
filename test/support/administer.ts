import postgres from 'postgres'
import type { Connection } from '../../core/store/database.ts'

/**
 * Runs one statement on a connection of its own, beside the product's driver: for what no part of the product does,
 * such as making a database or stopping its clock.
 */
export async function administer(
  connection: Extract<Connection, { host: string }>,
  sql: string,
): Promise<readonly Record<string, unknown>[]> {
  const { host, port, user, database } = connection
  const client = postgres({ path: `${host}/.s.PGSQL.${port}`, user, database, max: 1, onnotice: () => undefined })
  try {
    return await client.unsafe(sql)
  } finally {
    await client.end()
  }
}
