import { createHash, randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { handleOf } from '../../core/model/handle.ts'
import { administer } from '../support/administer.ts'
import { agreed, cardWhen, isAtGate, makeRepository, openTestHouse, startFactory } from '../support/house.ts'
import { serve } from '../support/http.ts'

const url = 'https://example.org/shop.git'

async function openServed(options: Parameters<typeof serve>[1] = {}) {
  const house = await openTestHouse()
  const served = await serve(house, options)
  const { secret: key, id } = await served.makeKey(['operate', 'decide'])
  return { house, served, key, keyId: id }
}

const countRuns = async (house: { database: { connection: Parameters<typeof administer>[0] } }): Promise<number> =>
  Number((await administer(house.database.connection, 'select count(*)::int as n from app.runs'))[0]?.['n'])

describe('a key', () => {
  test('is shown once, kept as a hash only, and acts for whoever made it', async () => {
    const { house, served, key } = await openServed()
    const { body } = await served.call('/api/v1/whoami', { key })
    expect(body).toMatchObject({ kind: 'whoami', roles: expect.arrayContaining(['admin']) as string[] })
    const [kept] = await administer(house.database.connection, 'select k::text as row from app.api_keys k')
    expect(String(kept?.['row'])).not.toContain(key.slice(4))
    const keys = await served.call('/api/v1/keys', { key })
    expect(keys.text).not.toContain(key.slice(4))
    expect(served.logged.join()).not.toContain(key.slice(4))
  })

  test('that is revoked is refused with the very next request, on every process', async () => {
    const { house, served, key, keyId } = await openServed()
    const other = await serve(house)
    expect((await other.call('/api/v1/runs', { key })).status).toBe(200)
    agreed(await house.ask({ kind: 'key', verb: 'revoke', name: keyId, scopes: [] }))
    for (const one of [served, other]) {
      const refused = await one.call('/api/v1/runs', { key })
      expect(refused.status).toBe(401)
      expect(refused.headers.get('www-authenticate')).toContain('Bearer')
    }
    const audit = await administer(house.database.connection, 'select action from audit.entries order by seq')
    expect(audit.map((row) => row['action'])).toEqual(expect.arrayContaining(['key.add', 'key.revoke']))
  })

  test('does no more than its scope, whatever its owner may do, and no more than its owner, whatever its scope', async () => {
    const { house, served } = await openServed()
    const { secret: reader } = await served.makeKey(['read'])
    const tooNarrow = await served.call('/api/v1/runs', { key: reader, body: { target: url } })
    expect(tooNarrow).toMatchObject({ status: 403, body: { next: 'Make a key with --scope operate.' } })
    const { secret: operator } = await served.makeKey(['operate'])
    await administer(
      house.database.connection,
      `update app.actor_roles set revoked_at = app.clock_now() where role in ('operator', 'admin')`,
    )
    const tooLow = await served.call('/api/v1/runs', { key: operator, body: { target: url } })
    expect(tooLow.status).toBe(403)
    expect(tooLow.body['detail']).toContain('operator or admin')
    expect(await countRuns(house)).toBe(0)
    const tried = await administer(
      house.database.connection,
      `select target from audit.entries where action = 'access.deny'`,
    )
    expect(tried).toEqual([{ target: 'surface:http' }, { target: 'surface:http' }])
  })

  test('that is none is refused, and too many of them only hear that they are too many', async () => {
    const { served, key } = await openServed()
    const statuses: number[] = []
    for (const wrong of ['nonsense', 'qpk_', `qpk_${'A'.repeat(43)}`])
      statuses.push((await served.call('/api/v1/runs', { key: wrong })).status)
    expect(new Set(statuses)).toEqual(new Set([401]))
    while (statuses.length < 1_000) {
      const more = Array.from({ length: Math.min(100, 1_000 - statuses.length) }, () => served.call('/api/v1/runs'))
      statuses.push(...(await Promise.all(more)).map(({ status }) => status))
    }
    expect(new Set(statuses)).toEqual(new Set([401]))
    const spent = await served.call('/api/v1/runs')
    expect(spent).toMatchObject({ status: 429, body: { code: 'RATE_LIMIT' } })
    expect(Number(spent.headers.get('retry-after'))).toBeGreaterThan(3_500)
    expect((await served.call('/api/v1/runs', { key })).status, 'a key that is one').toBe(200)
  })

  test('hears with each answer how many more requests it may make in the hour', async () => {
    const { served, key } = await openServed()
    const left: (string | null)[] = []
    for (let n = 0; n < 3; n++)
      left.push((await served.call('/api/v1/runs', { key })).headers.get('x-ratelimit-remaining'))
    expect(left).toEqual(['999', '998', '997'])
    const { headers } = await served.call('/api/v1/runs', { key })
    expect(headers.get('x-ratelimit-limit')).toBe('1000')
    expect(Number(headers.get('x-ratelimit-reset'))).toBeLessThanOrEqual(3_600)
    const { secret } = await served.makeKey(['read'])
    const other = await served.call('/api/v1/runs', { key: secret })
    expect(other.headers.get('x-ratelimit-remaining'), 'another key has its own').toBe('999')
  })
})

describe('a request under an Idempotency-Key', () => {
  const start = { body: { repo_url: url, branch: 'main' } }

  test('is done once however often it comes, and answered in the same words', async () => {
    const { house, served, key } = await openServed()
    const headers = { 'idempotency-key': 'order-1' }
    const answers = await Promise.all(Array.from({ length: 50 }, () => served.call('/run', { ...start, key, headers })))
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
    expect(answers[0]).toMatchObject({ status: 202, body: { run_id: expect.stringMatching(/^r/) as string } })
    expect(answers.filter(({ headers: heard }) => heard.get('idempotent-replayed') === 'true')).toHaveLength(49)
    expect(await countRuns(house)).toBe(1)
    // Another process, as after a restart, and a run that has moved on.
    agreed(await house.ask({ kind: 'cancel', run: String(answers[0]?.body['run_id']) }))
    const again = await (await serve(house)).call('/run', { ...start, key, headers })
    expect(again.text).toBe(answers[0]?.text)
  })

  test('is refused when it asks for something else, and is another request for another key', async () => {
    const { house, served, key } = await openServed()
    const headers = { 'idempotency-key': 'order-1' }
    await served.call('/run', { ...start, key, headers })
    const other = await served.call('/run', { body: { repo_url: url, branch: 'dev' }, key, headers })
    expect(other.status).toBe(422)
    const { secret } = await served.makeKey(['operate'])
    expect((await served.call('/run', { ...start, key: secret, headers })).status).toBe(202)
    expect(await countRuns(house)).toBe(2)
    // A run goes by the id that its caller has for it.
    const correlation_id = randomUUID()
    const named = await served.call('/run', { body: { repo_url: url, correlation_id }, key })
    expect(named.body['correlation_id']).toBe(correlation_id)
  })

  test.each([
    ['a field of the wrong shape', { target: 7 }],
    ['a folder of this machine', { target: '/etc' }],
    ['a pipeline that is not there', { target: url, pipeline: 'none' }],
  ])('that was never understood (%s) leaves its id free for the corrected one', async (_, body) => {
    const { served, key } = await openServed()
    const headers = { 'idempotency-key': 'order-1' }
    expect((await served.call('/api/v1/runs', { body, key, headers })).status).toBe(400)
    expect((await served.call('/api/v1/runs', { body: { target: url }, key, headers })).status).toBe(202)
  })
})

test('a program starts a run, reads what it made, and decides its gate by the digest it looked at', async () => {
  const { house, served, key } = await openServed()
  const folder = await makeRepository(house, 'shop', { 'README.md': '# Shop\n\n- It must sell.\n' })
  await house.work()
  const run = await startFactory(house, folder)
  await cardWhen(house, run, isAtGate)
  const gates = await served.call('/api/v1/gates', { key })
  for (const path of ['gates', `runs/${run}/logs`])
    expect((await served.call(`/api/v1/${path}?page=2`, { key })).body, path).toMatchObject({ page: 2, hasMore: false })
  const [gate] = gates.body['gates'] as { gateId: string; subject: { artifact: { name: string; sha256: string } } }[]
  if (!gate) throw new Error('no gate is open')
  const { name, sha256 } = gate.subject.artifact
  const bytes = await fetch(`http://127.0.0.1:${served.port}/api/v1/runs/${run}/artifacts/${name}`, {
    headers: { authorization: `Bearer ${key}` },
  })
  expect(
    createHash('sha256')
      .update(Buffer.from(await bytes.arrayBuffer()))
      .digest('hex'),
  ).toBe(sha256)
  expect(bytes.headers.get('etag')).toBe(`"${sha256}"`)
  const stale = await served.call(`/api/v1/gates/${gate.gateId}/approve`, { key, body: { sha256: '0'.repeat(64) } })
  expect(stale).toMatchObject({ status: 409, body: { code: 'stale' } })
  const approved = await served.call(`/api/v1/gates/${gate.gateId}/approve`, { key, body: { sha256 } })
  expect(approved).toMatchObject({ status: 200, body: { kind: 'voted', verdict: 'approved', sha256 } })
  const late = await served.call(`/api/v1/gates/${gate.gateId}/reject`, { key, body: { sha256, reason: 'no' } })
  expect(late).toMatchObject({ status: 409, body: { code: 'already_decided' } })
  expect(late.body['detail']).toContain('tester')
  for (const part of ['', '/gates', '/budget', '/logs', '/calls', '/artifacts', '/diff'])
    expect((await served.call(`/api/v1/runs/${run}${part}`, { key })).status, part).toBe(200)
  expect((await served.call('/api/v1/projects', { key })).body['projects']).toHaveLength(1)
})

test('a key may start so many runs an hour; a repeat or a refusal is none of them', async () => {
  const { served, key } = await openServed({ runsPerHour: 2 })
  const start = (id: string, pipeline: string) =>
    served.call('/api/v1/runs', { key, body: { target: url, pipeline }, headers: { 'idempotency-key': id } })
  expect((await start('1', 'factory')).status).toBe(202)
  expect((await start('1', 'factory')).status).toBe(202)
  expect((await start('2', 'none')).status).toBe(400)
  expect((await start('2', 'factory')).status).toBe(202)
  const spent = await start('3', 'factory')
  expect(spent).toMatchObject({ status: 429, body: { code: 'RATE_LIMIT' } })
  expect(Number(spent.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(spent.headers.get('x-ratelimit-remaining')).toBe('0')
})

test('a retry that starts another run counts as a start, and hears which run it is', async () => {
  const { house, served, key } = await openServed({ runsPerHour: 2 })
  const started = await served.call('/api/v1/runs', { key, body: { target: url } })
  const run = String(started.body['run_id'])
  const retry = (handle: string) => served.call(`/api/v1/runs/${handle}/retry`, { key, body: {} })
  expect(await retry(run), 'nothing to retry, nothing started').toMatchObject({ status: 409 })
  await fail(house)
  const again = await retry(run)
  expect(again).toMatchObject({ status: 200, body: { kind: 'started' } })
  const by = String(again.body['run_id'])
  expect(by).not.toBe(run)
  expect(await retry(by)).toMatchObject({ status: 429, body: { code: 'RATE_LIMIT' } })
  expect(await served.call(`/api/v1/runs/${run}/undo`, { key, body: {} })).toMatchObject({ status: 429 })
  expect(await countRuns(house)).toBe(2)
})

/** All runs there are have failed on what they read. */
async function fail({ database }: { database: { connection: Parameters<typeof administer>[0] } }): Promise<void> {
  await administer(
    database.connection,
    `update app.runs set state = 'failed', reason_code = 'VALIDATION_ERROR', lock_state = null, finished_at = now()`,
  )
  await administer(
    database.connection,
    `update app.events set kind = 'run_failed', payload = payload || '{"state": "failed", "code": "VALIDATION_ERROR"}'`,
  )
}

describe('every failure is a problem that says what to do', () => {
  test.each([
    ['/nowhere', {}, 404],
    ['/api/v1/runs', { method: 'DELETE' }, 405],
    ['/api/v1/runs', { method: 'OPTIONS', headers: { origin: 'https://evil.example' } }, 405],
    ['/api/v1/runs', {}, 401],
    ['/api/v1/runs/%00', {}, 400],
    ['/api/v1/keys', {}, 401],
    ['/api/v1/runs/%zz', {}, 400],
    [`/api/v1/runs/${'r'.repeat(400)}`, {}, 414],
    ['/run', { body: '{', headers: {} }, 400],
    ['/run', { body: '{"__proto__": {}}', headers: {} }, 400],
    ['/run', { body: 'x', headers: { 'content-type': 'text/plain' } }, 415],
    ['/run', { body: 'x'.repeat(1_000_001) }, 413],
    ['/webhooks/telegram', { body: {} }, 404],
  ] as const)('%.40s %o → %i', async (path, options, status) => {
    const { served, key } = await openServed()
    const correlation = randomUUID()
    const heard = await served.call(path, {
      ...(status === 401 ? {} : { key }),
      ...options,
      headers: { ...('headers' in options ? options.headers : {}), 'x-correlation-id': correlation },
    })
    expect(heard.status).toBe(status)
    expect(heard.headers.get('content-type')).toContain('application/problem+json')
    expect(heard.body).toMatchObject({ status, correlation_id: correlation, code: expect.any(String) as string })
    expect(heard.headers.get('x-correlation-id')).toBe(correlation)
    expect(heard.headers.get('server')).toBeNull()
    expect(heard.headers.get('access-control-allow-origin')).toBeNull()
    expect(heard.text).not.toMatch(/\bat .*\.ts:/)
  })

  test('a run that is not there', async () => {
    const { served, key } = await openServed()
    const heard = await served.call(`/api/v1/runs/${handleOf(999)}`, { key })
    expect(heard).toMatchObject({ status: 404, body: { code: 'not_found', next: 'See /runs for the latest.' } })
  })
})

test('the description names every route and is made of the schemas that requests are checked with', async () => {
  const { served } = await openServed()
  const { body, status } = await served.call('/openapi.json')
  expect(status).toBe(200)
  expect(body['openapi']).toBe('3.1.0')
  const paths = body['paths'] as Record<string, Record<string, { parameters: { name: string }[]; responses: object }>>
  const missing: string[] = []
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
      expect(operation.parameters.map(({ name }) => name)).toEqual(expect.arrayContaining(named))
      // What is described is there: any answer but that there is no such route.
      const real = path.replace('{run}', 'r7k2').replace('{id}', randomUUID()).replace('{name}', 'a')
      const heard = await served.call(real, {
        method: method.toUpperCase(),
        ...(method === 'post' ? { body: {} } : {}),
      })
      if (['NOT_FOUND', 'METHOD_NOT_ALLOWED'].includes(String(heard.body['code']))) missing.push(`${method} ${path}`)
    }
  }
  // These networks are not configured here.
  expect(missing.filter((path) => !/telegram|slack/.test(path))).toEqual([])
  expect(paths['/run']?.['post']).toMatchObject({
    requestBody: { content: { 'application/json': { schema: { required: ['repo_url'] } } } },
  })
})

test('no request, however odd, comes to a 5xx, a stack trace or an answer in another shape', async () => {
  const { served, key } = await openServed({ runsPerHour: 1_000_000 })
  const { body: description } = await served.call('/openapi.json')
  const templates = Object.keys(description['paths'] as object)
  const odd = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('r7k2', '..', '%', '\u0000', '\ud800', "' or 1=1", 'a'.repeat(290)),
  )
  const request = fc.record({
    template: fc.constantFrom(...templates),
    value: odd,
    query: odd,
    method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH'),
    body: fc.oneof(
      fc.json(),
      fc.string({ unit: 'binary' }),
      fc.constant('{"repo_url":"https://a/b","branch":"\\u0000"}'),
    ),
    type: fc.constantFrom(
      'application/json',
      'text/html',
      'multipart/form-data',
      'application/json; charset=utf-16',
      '',
    ),
    isKnown: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(request, async ({ template, value, query, method, body, type, isKnown }) => {
      const path = template.replaceAll(/\{\w+\}/g, () => encodeURIComponent(value.toWellFormed()))
      const heard = await served.call(`${path}?page=${encodeURIComponent(query.toWellFormed())}`, {
        method,
        ...(method === 'GET' ? {} : { body }),
        ...(isKnown ? { key } : {}),
        headers: type === '' ? {} : { 'content-type': type },
      })
      // The test server keeps nothing, which is unhealthy.
      const isExpected = heard.status < 500 || path === '/health'
      const isShaped =
        heard.status < 400 ||
        path === '/health' ||
        heard.headers.get('content-type')?.startsWith('application/problem+json')
      return isExpected && isShaped === true && !/\bat .*:\d+:\d+/.test(heard.text)
    }),
    { numRuns: 400 },
  )
})

test('a program takes a run back as a person does, and hears why where it cannot be', async () => {
  const { house, served, key } = await openServed()
  await house.work()
  const folder = await makeRepository(house, 'shop', { 'README.md': '# Shop\n\nA shop.\n' })
  const run = await startFactory(house, folder)
  await cardWhen(house, run, isAtGate)
  const live = await served.call(`/api/v1/runs/${run}/undo`, { key, body: {} })
  expect(live).toMatchObject({ status: 409, body: { code: 'wrong_state', next: `Stop it first: /cancel ${run}.` } })
  agreed(await house.ask({ kind: 'approve', run, gate: null, sha256: null }))
  await cardWhen(house, run, ({ state }) => state === 'succeeded')
  const begun = await served.call(`/api/v1/runs/${run}/undo`, { key, body: {} })
  expect(begun).toMatchObject({ status: 202, body: { kind: 'started' } })
  await cardWhen(house, String(begun.body['run_id']), ({ state }) => state === 'succeeded')
  const wrong = await served.call(`/api/v1/runs/${run}/undo`, { key, body: { commit: 'main' } })
  expect(wrong).toMatchObject({ status: 400, body: { detail: 'commit: must be 7 to 40 digits of a commit' } })
})
