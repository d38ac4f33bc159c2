import pg from 'pg'
import type { Address } from './bed.ts'

/** What a step costs at the very least: its record inserted and its run's row updated, durably. */
export const floorSql = `with s as (insert into floor_steps (run_id, n, output) values ($1, $2, $3))
update floor_runs set n = n + 1 where id = $1`

const setUp = `create table if not exists floor_runs (id integer primary key, n integer not null);
create table if not exists floor_steps (run_id integer, n integer, output jsonb, at timestamptz default now());
insert into floor_runs select g, 0 from generate_series(1, 2000) g on conflict do nothing`

const connections = 16

/** Sixteen connections that each commit one prepared statement after another. */
export async function floorOn(address: Address) {
  const clients = await Promise.all(
    Array.from({ length: connections }, async () => {
      const client = new pg.Client(address)
      client.on('error', () => undefined)
      await client.connect()
      return client
    }),
  )
  await clients[0]?.query(setUp)
  /** Steps per second over `steps` commits. */
  const measure = async (steps: number): Promise<number> => {
    let next = 0
    const startedAt = performance.now()
    const commitAll = async (client: pg.Client): Promise<void> => {
      for (let n = next++; n < steps; n = next++)
        await client.query({ name: 'floor', text: floorSql, values: [(n % 2000) + 1, n, '{"ok":true}'] })
    }
    await Promise.all(clients.map(commitAll))
    return (steps / (performance.now() - startedAt)) * 1000
  }
  const close = async (): Promise<void> => {
    await Promise.all(clients.map((client) => client.end()))
  }
  return { measure, close }
}
