import type pg from 'pg'
import type { Figure } from './report.ts'
import { median, percentile, rounded } from './report.ts'

/** Measures one durable commit of one small row, in milliseconds, each time it is called. */
export async function bareCommit(client: pg.Client): Promise<() => Promise<number>> {
  await client.query('create table if not exists bare_commits (n integer)')
  return async () => {
    const startedAt = performance.now()
    await client.query({ name: 'bare_commit', text: 'insert into bare_commits values (1)' })
    return performance.now() - startedAt
  }
}

/** Median within 5 ms; 99th percentile within 25 ms, or within five times that of a bare commit beside it. */
export function latencyFigures(name: string, times: readonly number[], commits: readonly number[]): Figure[] {
  const bare = percentile(commits, 99)
  const note = `${times.length} samples, max ${rounded(Math.max(...times))} ms`
  const beside = `bare commit: p50 ${rounded(median(commits))} ms, p99 ${rounded(bare)} ms`
  return [
    { name: `${name}, p50`, value: median(times), unit: 'ms', bound: { atMost: 5 }, note },
    {
      name: `${name}, p99`,
      value: percentile(times, 99),
      unit: 'ms',
      bound: { atMost: Math.max(25, 5 * bare) },
      note: beside,
    },
  ]
}
