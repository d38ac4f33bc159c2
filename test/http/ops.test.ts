import { connect } from 'node:net'
import { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import { handleOf } from '../../core/model/handle.ts'
import { administer } from '../support/administer.ts'
import { openTestHouse } from '../support/house.ts'
import { call, serve } from '../support/http.ts'
import { until } from '../support/program.ts'

async function openOps() {
  const house = await openTestHouse()
  const served = await serve(house)
  const ops = (path: string, method = 'GET') => call(`http://127.0.0.1:${served.opsPort}${path}`, { method })
  return { house, served, ops }
}

test('the figures name no run, no person and no repository, and are no more after many runs', async () => {
  const { house, served, ops } = await openOps()
  const { secret } = await served.makeKey(['read'])
  await administer(
    house.database.connection,
    `insert into app.runs (id, pipeline, pipeline_version, started_by, correlation_id, state, queued_at)
     select gen_random_uuid(), 'factory', 1, gen_random_uuid(), gen_random_uuid(), 'queued', app.clock_now() - interval '1 minute'
     from generate_series(1, 10000);
     insert into app.plans (run_id, version, input, steps) select id, 1, '{}', '[]' from app.runs`,
  )
  for (let n = 1; n <= 300; n++) await served.call(`/api/v1/runs/${handleOf(20_000 + n)}?q=${n}`, { key: secret })
  await served.call(`/secret-${secret}`, { key: secret, method: 'DELETE' })
  await administer(
    house.database.connection,
    `insert into app.ticks (schedule, tick, outcome, finished_at)
     select schedule, day::timestamptz, outcome, case when outcome in ('done', 'failed') then app.clock_now() end
     from (values ('audit-chain', '2026-01-01', 'done'), ('audit-chain', '2026-01-02', 'failed'),
       ('audit-chain', '2026-01-03', 'running'), ('rollup', '2026-01-01', 'died'), ('rollup', '2026-01-02', 'done'))
       tick(schedule, day, outcome)`,
  )
  const { text, status } = await ops('/metrics')
  expect(status).toBe(200)
  const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  expect(series.length).toBeLessThan(2_000)
  expect(text).toContain('qp_runs{state="queued"} 10000')
  expect(Number(/^qp_queue_age_seconds ([\d.]+)$/m.exec(text)?.[1])).toBeGreaterThan(59)
  expect(text).toMatch(/qp_http_requests_total\{method="GET",route="\/api\/v1\/runs\/:run",status="404"\} 300/)
  expect(text).toContain('route="none"')
  expect(text).toContain('qp_denials_total{surface="slack"} 3')
  expect(text).toContain('qp_schedules_failed 1')
  for (const name of [
    'qp_open_gates',
    'qp_outbox_waiting',
    'qp_outbox_age_seconds',
    'qp_slack_rotations_failed',
    'nodejs_eventloop_lag',
    'process_resident_memory_bytes',
  ])
    expect(text).toContain(name)
  const labels = series.flatMap((line) => [...line.matchAll(/(\w+)="([^"]*)"/g)].map(([, , value]) => value))
  expect(labels.filter((value) => /[0-9a-f]{8}-|^r(?=.*\d)[0-9a-z]{3,8}$/.test(value ?? ''))).toEqual([])
  for (const hidden of [secret, house.actor.id, 'tester', house.dir, handleOf(20_001)])
    expect(text).not.toContain(hidden)
  await administer(house.database.connection, 'delete from app.plans; delete from app.runs')
})

test('a process whose database is away is alive but not ready, and ready again soon after', async () => {
  const { house, ops, served } = await openOps()
  expect((await ops('/readyz')).status).toBe(200)
  const { database } = house.database.connection
  const elsewhere = { ...house.database.connection, database: 'postgres' }
  const allow = (isAllowed: boolean) =>
    administer(
      elsewhere,
      `alter database "${database}" allow_connections ${String(isAllowed)};
       select pg_terminate_backend(pid) from pg_stat_activity where datname = '${database}' and pid <> pg_backend_pid()`,
    )
  await allow(false)
  const wentAt = performance.now()
  try {
    await until(async () => (await ops('/readyz')).status === 503, 'it is not ready')
    expect(performance.now() - wentAt).toBeLessThan(5_000)
    expect((await ops('/healthz')).status).toBe(200)
    expect((await ops('/metrics')).status).toBe(200)
    expect((await served.call('/api/v1/runs', { key: 'qpk_any' })).status).toBeOneOf([503, 500])
  } finally {
    await allow(true)
  }
  const cameAt = performance.now()
  await until(async () => (await ops('/readyz')).status === 200, 'it is ready')
  expect(performance.now() - cameAt).toBeLessThan(5_000)
})

test('the probes and figures are not on the public port, and the API is not on the other', async () => {
  const { served, ops } = await openOps()
  for (const path of ['/metrics', '/healthz', '/readyz']) expect((await served.call(path)).status, path).toBe(404)
  for (const path of ['/api/v1/runs', '/health', '/run']) expect((await ops(path)).status, path).toBe(404)
  const health = await served.call('/health')
  expect(health.body).toMatchObject({
    version: expect.any(String) as string,
    checks: { database: expect.any(Object) as object },
  })
})

test('a process whose event loop is blocked is not alive to who asks from outside, and is again soon after', async () => {
  const { served } = await openOps()
  const url = `http://127.0.0.1:${served.opsPort}/healthz`
  const counts = new SharedArrayBuffer(8)
  const heard = new Int32Array(counts)
  const watcher = new Worker(new URL('../support/watcher.ts', import.meta.url), {
    workerData: { url, timeoutMs: 300, counts },
  })
  onTestFinished(async () => void (await watcher.terminate()))
  await until(() => Promise.resolve(heard[0] !== 0), 'it is alive')
  const before = Atomics.load(heard, 0)
  const nobody = new Int32Array(new SharedArrayBuffer(4))
  Atomics.wait(nobody, 0, 0, 1_000)
  expect(Atomics.load(heard, 1)).toBeGreaterThanOrEqual(2)
  // What was under way when the loop stood still may have been answered just before.
  expect(Atomics.load(heard, 0) - before).toBeLessThanOrEqual(1)
  const freeAt = performance.now()
  await until(() => Promise.resolve((heard[0] ?? 0) > before + 1), 'it is alive again')
  expect(performance.now() - freeAt).toBeLessThan(5_000)
})

/** What the server says to bytes that are no ordinary request, until it hangs up or has said enough. */
function say(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    onTestFinished(() => void socket.destroy())
    let heard = ''
    socket.on('data', (chunk) => {
      heard += chunk.toString()
      if (/\r\n\r\n[^]*\}$/.test(heard)) resolve(heard)
    })
    socket.on('close', () => resolve(heard))
    socket.on('error', () => resolve(heard))
  })
}

/** What a request of these bytes hears; it names the line and headers it was sent with. */
const request = (port: number, line: string, ...headers: readonly string[]): Promise<string> =>
  say(port, `${[`${line} HTTP/1.1`, ...headers, 'connection: close'].join('\r\n')}\r\n\r\n`)

const paths = (inside: string): readonly string[] =>
  `/metrics /healthz /readyz /metrics/ //metrics /./metrics /%6detrics /METRICS /metrics?x /metrics;x=1 /metrics%00
   /metrics%20 \\metrics /%2e%2e/metrics /../metrics /..;/metrics /api/v1/../../metrics /health/../metrics
   /api/v1/runs/..%2f..%2f..%2fmetrics /webhooks/../healthz http://${inside}/metrics http://localhost/healthz
   //${inside}/metrics /@${inside}/metrics /debug/pprof /admin /server-status /.env /actuator`.split(/\s+/)

const isRefused = /^HTTP\/1\.1 (400|401|404|405) /

test('no method, host or path leads from the public port to the probes and figures', async () => {
  const { served, ops } = await openOps()
  const inside = `127.0.0.1:${served.opsPort}`
  expect((await ops('/metrics')).text).toContain('qp_runs')
  const requests = [
    ...paths(inside).flatMap((path) =>
      [inside, 'localhost', 'qp'].map((host) => [`GET ${path}`, `host: ${host}`] as const),
    ),
    ...['HEAD', 'POST', 'OPTIONS', 'TRACE', 'PUT'].map((method) => [`${method} /metrics`, 'host: qp'] as const),
    ...['x-original-url', 'x-rewrite-url', 'x-forwarded-host', 'forwarded'].map(
      (name) => ['GET /nowhere', 'host: qp', `${name}: /metrics`] as const,
    ),
    ['POST /nowhere', 'host: qp', 'x-http-method-override: GET', 'content-length: 0'] as const,
  ]
  for (const [line, ...headers] of requests) {
    const heard = await request(served.port, line, ...headers)
    expect(heard, `${line} ${headers.join()}`).toMatch(isRefused)
    expect(heard, line).not.toMatch(/qp_runs|nodejs_|"status":"(pass|fail)"/)
  }
  expect(await request(served.port, `CONNECT ${inside}`, `host: ${inside}`)).not.toMatch(/^HTTP\/1\.1 [2-3]/)
})

test('other sites are given nothing, and a request is not echoed', async () => {
  const { served } = await openOps()
  const asking = ['host: qp', 'origin: https://evil.example', 'access-control-request-method: POST', 'x-echo: canary']
  for (const path of ['/health', '/api/v1/runs', '/openapi.json', '/metrics']) {
    const [preflight, trace, get] = await Promise.all(
      ['OPTIONS', 'TRACE', 'GET'].map((method) => request(served.port, `${method} ${path}`, ...asking)),
    )
    expect(preflight, path).toMatch(isRefused)
    expect(trace, path).toMatch(isRefused)
    expect(`${preflight} ${trace} ${get}`, path).not.toMatch(/access-control-allow|canary/i)
  }
})

test('bytes that are no ordinary request are answered or dropped, never with a 5xx', async () => {
  const { served } = await openOps()
  const host = 'host: evil.example\r\n'
  const odd = [
    `TRACE / HTTP/1.1\r\n${host}\r\n`,
    `CONNECT a:1 HTTP/1.1\r\n${host}\r\n`,
    `PROPFIND / HTTP/1.1\r\n${host}\r\n`,
    'GET / HTTP/1.1\r\n\r\n',
    'nonsense\r\n\r\n',
    `GET / HTTP/1.1\r\n${host}x: ${'a'.repeat(20_000)}\r\n\r\n`,
    `POST /run HTTP/1.1\r\n${host}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n`,
    `POST /run HTTP/1.1\r\n${host}content-length: -1\r\n\r\n`,
    `GET http://other.example/api/v1/runs HTTP/1.1\r\n${host}\r\n`,
  ]
  for (const text of odd) {
    const heard = await say(served.port, text)
    expect(heard, text.slice(0, 40)).not.toMatch(/^HTTP\/1\.1 [25]/)
    expect(heard).not.toMatch(/evil\.example|\bat .*:\d+/)
  }
  expect(await say(served.port, odd[5] ?? '')).toContain('431')
  expect((await served.call('/api/v1/runs')).status).toBe(401)
})
