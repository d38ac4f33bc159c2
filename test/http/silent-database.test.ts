import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { administer } from '../support/administer.ts'
import type { Heard } from '../support/http.ts'
import { serve, signed } from '../support/http.ts'
import { openState, type State, until } from '../support/program.ts'

/** Every process of the state folder's own server. */
async function serverOf({ stateDir, database }: State): Promise<readonly number[]> {
  const postmaster = Number((await readFile(join(stateDir, 'pg/data/postmaster.pid'), 'utf8')).split('\n')[0])
  const rows = await administer(database.connection, 'select pid from pg_stat_activity where pid <> pg_backend_pid()')
  return [postmaster, ...rows.map(({ pid }) => Number(pid))]
}

type Timed = Heard & { readonly ms: number }

async function timed(request: Promise<Heard>): Promise<Timed> {
  const begunAt = performance.now()
  return { ...(await request), ms: performance.now() - begunAt }
}

test('while the database is silent networks hear 503 within 3 s and programs soon after, and what is sent again has one effect', {
  timeout: 90_000,
}, async () => {
  const state = await openState()
  const served = await serve(state)
  const { secret: key } = await served.makeKey(['operate'])
  const deliver = (n: number): Promise<Timed> => {
    const raw = JSON.stringify({ number: n })
    const headers = {
      'x-github-event': 'issues',
      'x-github-delivery': `d${n}`,
      'x-hub-signature-256': signed(raw),
    }
    return timed(served.call('/webhooks/github', { body: raw, headers }))
  }
  const start = (): Promise<Timed> =>
    timed(
      served.call('/api/v1/runs', {
        key,
        body: { target: 'https://example.org/shop.git' },
        headers: { 'idempotency-key': 'once' },
      }),
    )
  const numbers = Array.from({ length: 6 }, (_, n) => n)
  const server = await serverOf(state)
  for (const pid of server) process.kill(pid, 'SIGSTOP')
  try {
    const events = Promise.all(numbers.map(deliver))
    const [run, health] = await Promise.all([start(), timed(served.call('/health'))])
    for (const heard of await events) {
      expect(heard).toMatchObject({ status: 503, body: { code: 'TRANSIENT_NETWORK' } })
      expect(Number(heard.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(heard.ms).toBeLessThan(3_000)
    }
    for (const heard of [run, health]) {
      expect(heard).toMatchObject({ status: 503, body: { code: 'TRANSIENT_NETWORK', status: 503 } })
      expect(heard.ms).toBeLessThan(12_000)
    }
  } finally {
    for (const pid of server) process.kill(pid, 'SIGCONT')
  }
  await until(async () => (await start()).status === 202, 'the database answers')
  for (const heard of await Promise.all(numbers.map(deliver))) expect(heard.status).toBe(202)
  await until(() => served.handled.length >= 6, 'the events are handed on')
  const [counts] = await administer(
    state.database.connection,
    'select (select count(*)::int from app.intake) as events, (select count(*)::int from app.runs) as runs',
  )
  expect(counts).toEqual({ events: 6, runs: 1 })
  expect(served.handled).toHaveLength(6)
})
