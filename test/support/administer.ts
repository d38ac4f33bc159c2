import postgres from 'postgres'
import type { Connection } from '../../core/store/database.ts'

export type ServerConnection = Extract<Connection, { host: string }>

/** One session of its own, through another driver than the product's: to hold a lock, or to look on. The caller ends it. */
export function openSession({ host, port, user, database }: ServerConnection): postgres.Sql {
  return postgres({
    path: `${host}/.s.PGSQL.${port}`,
    user,
    database,
    max: 1,
    fetch_types: false,
    onnotice: () => undefined,
  })
}

/** Runs one statement in a session of its own: what no part of the product does, such as making a database. */
export async function administer(
  connection: ServerConnection,
  sql: string,
): Promise<readonly Record<string, unknown>[]> {
  const session = openSession(connection)
  try {
    return await session.unsafe(sql)
  } finally {
    await session.end()
  }
}
