import { expect, onTestFinished, test } from 'vitest'
import { addCommit, faultOf, git } from '../adapters/git/source-control.fixtures.ts'
import type { GitHub } from '../adapters/github/github.ts'
import { createRateGate } from '../adapters/github/rate-gate.ts'
import { Fault } from '../core/model/problem.ts'
import type { CheckDraft, IssueDraft, PullRequestDraft } from '../core/ports.ts'
import { Database } from '../core/store/database.ts'
import { openRateGate } from '../core/store/rate-gate.ts'
import { appRole } from '../core/store/role.ts'
import { allGranted, type FakeGitHub, startGitHub } from './support/github/github.ts'
import { createTestDatabase, freezeClock } from './support/postgres.ts'

const { signal } = new AbortController()

type Shop = Awaited<ReturnType<FakeGitHub['repository']>>

/** A repository whose branch `quantapilot/r1/docs` is one commit ahead of `main`. */
async function shopOn(fake: FakeGitHub, fullName = 'olivia/shop'): Promise<Shop & { readonly sha: string }> {
  const shop = await fake.repository(fullName, { 'README.md': '# Shop\n' })
  return Object.assign(shop, { sha: await branchOf(shop, 'quantapilot/r1/docs') })
}

async function branchOf(shop: Shop, branch: string): Promise<string> {
  await git(shop.folder, ['branch', branch, 'main'])
  return await addCommit(shop.folder, branch, { 'docs/ANCHOR.md': branch })
}

const draftFor = ({ address }: Shop, more: Partial<PullRequestDraft> = {}): PullRequestDraft => ({
  address,
  branch: 'quantapilot/r1/docs',
  base: 'main',
  title: 'Documents',
  body: 'Read me.',
  labels: ['type:docgen'],
  key: 'a1',
  ...more,
})

const checkFor = ({ address }: Shop, commit: string, more: Partial<CheckDraft> = {}): CheckDraft => ({
  address,
  commit,
  name: 'gate',
  state: 'pending',
  summary: 'waits',
  key: 'c1',
  ...more,
})

const byToken = (fake: FakeGitHub): GitHub => fake.as({ kind: 'token', token: fake.personalToken() })

test('a pull request is opened once, whoever asks again', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { codeHost } = byToken(fake)
  const first = await codeHost.openPullRequest(draftFor(shop), signal)
  expect(await codeHost.openPullRequest(draftFor(shop), signal)).toEqual(first)
  expect(shop.pulls).toMatchObject([{ labels: ['type:docgen'], body: 'Read me.\n\n<!-- quantapilot-key: a1 -->\n' }])
})

test('one that somebody opened by hand is adopted as it is, and gets the labels', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { codeHost } = byToken(fake)
  const byHand = await codeHost.openPullRequest(
    draftFor(shop, { key: 'other', labels: ['mine'], body: 'By hand.' }),
    signal,
  )
  expect(await codeHost.openPullRequest(draftFor(shop), signal)).toEqual(byHand)
  expect(shop.pulls).toMatchObject([{ labels: ['mine', 'type:docgen'], body: expect.stringContaining('By hand.') }])
})

test('one that GitHub does not list yet is adopted all the same', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { codeHost } = byToken(fake)
  const first = await codeHost.openPullRequest(draftFor(shop), signal)
  fake.goesWrong(/^GET .*\/pulls$/, 'list lags behind')
  expect(await codeHost.openPullRequest(draftFor(shop), signal)).toEqual(first)
  expect(fake.state.requests.filter((line) => line.startsWith('POST') && line.endsWith('/pulls'))).toHaveLength(2)
  expect(shop.pulls).toHaveLength(1)
})

test('one that a person closed is not opened again for the same key', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { codeHost } = byToken(fake)
  const first = await codeHost.openPullRequest(draftFor(shop), signal)
  for (const pull of shop.pulls) pull.state = 'closed'
  expect(await codeHost.openPullRequest(draftFor(shop), signal)).toEqual(first)
  expect(shop.pulls).toHaveLength(1)
})

test('a comment is edited in place, past a hundred others', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { codeHost } = byToken(fake)
  const { number } = await codeHost.openPullRequest(draftFor(shop), signal)
  for (let id = 10_000; id < 10_120; id++) shop.comments.push({ id, number, body: 'chatter', edits: 0 })
  const draft = { address: shop.address, number, key: 'k1', body: 'waits' }
  await codeHost.comment(draft, signal)
  await codeHost.comment(draft, signal)
  await codeHost.comment({ ...draft, body: 'decided' }, signal)
  await codeHost.comment({ ...draft, key: 'k2' }, signal)
  const ours = shop.comments.filter(({ body }) => body !== 'chatter')
  expect(ours).toMatchObject([
    { body: expect.stringContaining('decided'), edits: 1 },
    { body: expect.stringContaining('k2') },
  ])
})

const issueFor = ({ address }: Shop, more: Partial<IssueDraft> = {}): IssueDraft => ({
  address,
  title: 'Refunds crash',
  body: 'refund.sh exits with 1.',
  labels: ['type:bug'],
  key: 'i1',
  ...more,
})

test('an issue is opened once, whoever asks again, also when its answer was lost and when it was closed since', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { codeHost } = byToken(fake)
  fake.goesWrong(/^POST .*\/issues$/, 'answer dropped')
  expect(await faultOf(codeHost.openIssue(issueFor(shop), signal))).toMatchObject({ code: 'TRANSIENT_NETWORK' })
  await codeHost.openPullRequest(draftFor(shop), signal)
  const { number } = await codeHost.openIssue(issueFor(shop), signal)
  for (const issue of shop.issues ?? []) issue.state = 'closed'
  for (let id = 10_000; id < 10_150; id++)
    shop.issues?.push({ number: id, title: 'chatter', body: 'x', labels: [], state: 'open' })
  expect(await codeHost.openIssue(issueFor(shop), signal)).toEqual({
    number,
    url: `https://github.test/olivia/shop/issues/${number}`,
  })
  await codeHost.openIssue(issueFor(shop, { key: 'i2' }), signal)
  const ours = shop.issues?.filter(({ title }) => title !== 'chatter')
  expect(ours).toMatchObject([
    { labels: ['type:bug'], body: 'refund.sh exits with 1.\n\n<!-- quantapilot-key: i1 -->\n' },
    { body: expect.stringContaining('i2') },
  ])
})

test('an App asks for the permission to open issues only when it opens one, and hears what is missing', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { issues: _, ...others } = allGranted
  const less = fake.as(fake.app([{ repositories: ['olivia/shop'], permissions: others }])).codeHost
  await less.openPullRequest(draftFor(shop), signal)
  const fault = await faultOf(less.openIssue(issueFor(shop), signal))
  expect([fault.code, fault.retryable]).toEqual(['PRECONDITION_FAILED', false])
  expect(fault.message).toMatch(/^The GitHub App may not do this in olivia\/shop: give it Issues: write/)
  shop.issues = null
  const closed = await faultOf(byToken(fake).codeHost.openIssue(issueFor(shop), signal))
  expect(closed.message).toMatch(/^olivia\/shop takes no issues: switch them on in its settings/)
})

test('a check moves on in place: a check run for an App, a commit status for a person', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { sha } = shop
  const app = fake.as(fake.app([{ repositories: ['olivia/shop'] }])).codeHost
  await app.setCheck(checkFor(shop, sha), signal)
  await app.setCheck(checkFor(shop, sha, { state: 'success', summary: 'approved' }), signal)
  expect(shop.checkRuns).toMatchObject([{ status: 'completed', conclusion: 'success', summary: 'approved' }])
  const person = byToken(fake).codeHost
  await person.setCheck(checkFor(shop, sha), signal)
  const failed = checkFor(shop, sha, { state: 'failure', summary: 'x'.repeat(500) })
  await person.setCheck(failed, signal)
  await person.setCheck(failed, signal)
  expect(shop.statuses).toMatchObject([{ state: 'failure', description: 'x'.repeat(140) }, { state: 'pending' }])
})

async function orderFor(shop: Awaited<ReturnType<typeof shopOn>>, number: number, method: 'squash' | 'merge') {
  const base = { branch: 'main', commit: await git(shop.folder, ['rev-parse', 'main']) }
  return { address: shop.address, number, sha: shop.sha, method, base }
}

test('what is merged is the commit that was approved, once', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { codeHost } = byToken(fake)
  const { number } = await codeHost.openPullRequest(draftFor(shop), signal)
  const order = await orderFor(shop, number, 'squash')
  fake.goesWrong(/^PUT .*\/merge$/, 'answer dropped')
  expect(await faultOf(codeHost.merge(order, signal))).toMatchObject({ code: 'TRANSIENT_NETWORK', retryable: true })
  const { commit } = await codeHost.merge(order, signal)
  expect(await git(shop.folder, ['rev-parse', 'main'])).toBe(commit)
  expect(await git(shop.folder, ['show', 'main:docs/ANCHOR.md'])).toBe('quantapilot/r1/docs')
  expect(fake.state.ledger.filter(({ effect }) => effect === 'pull.merge')).toHaveLength(1)
})

test('a branch that moved after it was approved is not merged, also when it moves between our look and the merge', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { codeHost } = byToken(fake)
  const { number } = await codeHost.openPullRequest(draftFor(shop), signal)
  const main = await git(shop.folder, ['rev-parse', 'main'])
  const order = await orderFor(shop, number, 'merge')
  fake.state.beforeAnswer = async (line) => {
    if (line.startsWith('PUT')) await addCommit(shop.folder, 'quantapilot/r1/docs', { 'evil.txt': 'x' })
  }
  for (let round = 0; round < 2; round++) {
    const fault = await faultOf(codeHost.merge(order, signal))
    expect(fault).toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false })
    expect(fault.message).toContain(`moved since ${shop.sha.slice(0, 12)} was approved: nothing was merged`)
  }
  // The first was refused by GitHub itself, the second by our own look.
  expect(fake.state.requests.filter((line) => line.endsWith('/merge'))).toHaveLength(1)
  expect(await git(shop.folder, ['rev-parse', 'main'])).toBe(main)
})

test('nothing is merged into a base that has moved since', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { codeHost } = byToken(fake)
  const { number } = await codeHost.openPullRequest(draftFor(shop), signal)
  const order = await orderFor(shop, number, 'merge')
  const main = await addCommit(shop.folder, 'main', { 'new.txt': 'x' })
  const fault = await faultOf(codeHost.merge(order, signal))
  expect([fault.code, fault.message]).toEqual([
    'PRECONDITION_FAILED',
    `main has moved to ${main.slice(0, 12)} since this was approved: nothing was merged.`,
  ])
  expect(fake.state.requests.filter((line) => line.endsWith('/merge'))).toHaveLength(0)
})

test('a pull request that was closed is not merged', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { codeHost } = byToken(fake)
  const { number } = await codeHost.openPullRequest(draftFor(shop), signal)
  for (const pull of shop.pulls) pull.state = 'closed'
  const order = await orderFor(shop, number, 'merge')
  expect((await faultOf(codeHost.merge(order, signal))).message).toContain('was closed without a merge')
})

test('what a branch asks of a change is read from protection and rules together', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { codeHost } = fake.as(fake.app([{ repositories: ['olivia/shop'] }]))
  const read = () => codeHost.protection(shop.address, 'main', signal)
  expect(await read()).toEqual({ isProtected: false, requiredChecks: [], requiredApprovals: 0 })
  shop.requiredChecks = ['ci']
  shop.requiredApprovals = 2
  expect(await read()).toEqual({ isProtected: true, requiredChecks: ['ci'], requiredApprovals: 2 })
})

test('a lost answer in every fifth of 500 requests for something makes nothing twice', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const branches = Array.from({ length: 20 }, (_, index) => `quantapilot/r${index + 10}/docs`)
  for (const branch of branches) await branchOf(shop, branch)
  const { codeHost } = fake.as(fake.app([{ repositories: ['olivia/shop'] }]))
  let seed = 7
  const chance = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647
  let dropped = 0
  let asked = 0
  /** As the engine does it: again, until it is done. */
  const untilDone = async (on: RegExp, work: () => Promise<unknown>): Promise<void> => {
    asked++
    if (chance() < 0.2) {
      fake.goesWrong(on, 'answer dropped')
      dropped++
    }
    for (let tries = 0; tries < 5; tries++) {
      const failed: unknown = await work().then(
        () => null,
        (error: unknown) => error,
      )
      if (failed === null) return
      expect(failed).toMatchObject({ code: 'TRANSIENT_NETWORK', retryable: true })
    }
    throw new Error('never done')
  }
  const numbers: number[] = []
  for (const branch of branches) {
    const draft = draftFor(shop, { branch, key: branch.replace(/\W/g, '') })
    await untilDone(/^POST .*\/pulls$/, async () =>
      numbers.push((await codeHost.openPullRequest(draft, signal)).number),
    )
  }
  for (let index = 0; index < 240; index++) {
    const comment = { address: shop.address, number: numbers[index % 20] ?? 0, key: `k${index}`, body: 'x' }
    await untilDone(/^POST .*\/comments$/, () => codeHost.comment(comment, signal))
    const check = checkFor(shop, shop.sha, { name: `c${index}`, key: `c${index}` })
    await untilDone(/^POST .*\/check-runs$/, () => codeHost.setCheck(check, signal))
  }
  expect(asked).toBe(500)
  expect(dropped).toBeGreaterThan(60)
  expect(fake.state.mishaps).toEqual([])
  const keys = fake.state.ledger.map(({ effect, key }) => `${effect} ${key}`)
  expect(keys).toHaveLength(500)
  expect(new Set(keys).size).toBe(500)
}, 120_000)

test.each([
  ['secondary limit', 7_000, 7_000],
  ['primary limit', 85_000, 92_000],
] as const)('a %s is told to the engine, and nobody knocks again before it has passed', async (kind, least, most) => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { codeHost } = byToken(fake)
  fake.goesWrong(/^GET .*\/pulls$/, kind)
  const fault = await faultOf(codeHost.openPullRequest(draftFor(shop), signal))
  expect(fault).toMatchObject({ code: 'RATE_LIMIT', retryable: true })
  expect(fault.retryAfterMs).toBeGreaterThanOrEqual(least)
  expect(fault.retryAfterMs).toBeLessThanOrEqual(most)
  const before = fake.state.requests.length
  const again = await faultOf(codeHost.protection(shop.address, 'main', signal))
  expect(again).toMatchObject({ code: 'RATE_LIMIT', retryable: true })
  expect(again.retryAfterMs).toBeGreaterThan(least - 5_000)
  expect(fake.state.requests).toHaveLength(before)
})

test('the gate opens when its time has come, and a shorter wait does not open it earlier', async () => {
  let now = 1_000
  const gate = createRateGate(() => now)
  expect(await gate.waitMs()).toBe(0)
  await gate.close(4_000)
  await gate.close(1_000)
  now = 4_999
  expect(await gate.waitMs()).toBe(1)
  now = 5_000
  expect(await gate.waitMs()).toBe(0)
})

test('what GitHub asks of one process holds for all of them, until the time it named is over', async () => {
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  await freezeClock(database, new Date('2026-11-24T12:00:00Z'))
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const token = fake.personalToken()
  const processes = Array.from({ length: 2 }, () => {
    const db = new Database(database.connection, {
      name: 'test',
      poolSize: 2,
      role: appRole,
      onIdleError: () => undefined,
    })
    onTestFinished(() => db.close())
    return fake.as({ kind: 'token', token }, { gate: openRateGate(db, 'github test') })
  })
  const call = async (n: number) => {
    const github = processes[n % processes.length]
    if (!github) throw new Error('nobody calls')
    return github.codeHost.protection(shop.address, 'main', signal)
  }
  fake.goesWrong(/^GET /, 'secondary limit')
  const first = await faultOf(call(0))
  expect(first).toMatchObject({ code: 'RATE_LIMIT', retryAfterMs: 7_000 })
  const sent = fake.state.requests.length
  const refused = await Promise.all(Array.from({ length: 40 }, (_, n) => faultOf(call(n))))
  const waits = refused.map(({ retryAfterMs }) => retryAfterMs ?? 0)
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(7_000)
  expect(new Set(waits).size, 'they come back one after another').toBeGreaterThan(30)
  expect(fake.state.requests, 'nobody called early').toHaveLength(sent)
  await freezeClock(database, new Date('2026-11-24T12:00:07Z'))
  await Promise.all(Array.from({ length: 10 }, (_, n) => call(n)))
  // Each asks for the branch and for its rules.
  expect(fake.state.requests).toHaveLength(sent + 20)
})

test('a call that waited for its turn while GitHub asked to slow down is not sent', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const token = fake.personalToken()
  const { codeHost } = fake.as({ kind: 'token', token }, { isPaced: true })
  fake.goesWrong(/^POST .*\/statuses/, 'secondary limit')
  const write = () => faultOf(codeHost.setCheck(checkFor(shop, shop.sha), signal))
  const faults = await Promise.all([write(), write(), write()])
  expect(faults.map(({ code }) => code)).toEqual(['RATE_LIMIT', 'RATE_LIMIT', 'RATE_LIMIT'])
  expect(fake.state.requests.filter((line) => /^POST .*\/statuses/.test(line))).toHaveLength(1)
})

test('reading is tried three times within the call, writing once', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { codeHost } = byToken(fake)
  fake.goesWrong(/^GET .*\/pulls$/, 'bad gateway')
  fake.goesWrong(/^GET .*\/pulls$/, 'connection dropped')
  await codeHost.openPullRequest(draftFor(shop), signal)
  expect(fake.state.requests.filter((line) => line.startsWith('GET'))).toHaveLength(3)
  for (let times = 0; times < 3; times++) fake.goesWrong(/^GET .*\/branches\/main$/, 'bad gateway')
  const fault = await faultOf(codeHost.protection(shop.address, 'main', signal))
  expect(fault).toMatchObject({ code: 'TRANSIENT_NETWORK', retryable: true })
  fake.goesWrong(/^POST .*\/statuses/, 'bad gateway')
  expect(await faultOf(codeHost.setCheck(checkFor(shop, shop.sha), signal))).toMatchObject({
    code: 'TRANSIENT_NETWORK',
  })
  expect(fake.state.requests.filter((line) => /^POST .*\/statuses/.test(line))).toHaveLength(1)
})

test('a GitHub that does not answer is given up in time, and at once when the step is stopped', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { codeHost } = fake.as({ kind: 'token', token: fake.personalToken() }, { timeoutMs: 300 })
  fake.goesWrong(/^GET/, 'no answer')
  const fault = await faultOf(codeHost.protection(shop.address, 'main', signal))
  expect(fault).toMatchObject({ code: 'UPSTREAM_TIMEOUT', retryable: true })
  const stopping = new AbortController()
  fake.goesWrong(/^GET/, 'no answer')
  const asked = fake.state.requests.length
  const stopped = byToken(fake).codeHost.protection(shop.address, 'main', stopping.signal)
  await expect.poll(() => fake.state.requests.length).toBe(asked + 1)
  stopping.abort(new Error('cancelled'))
  await expect(stopped).rejects.toThrow('cancelled')
  const late = byToken(fake).codeHost.protection(shop.address, 'main', stopping.signal)
  await expect(late).rejects.toThrow('cancelled')
  expect(fake.state.requests).toHaveLength(asked + 1)
})

test('the pace GitHub asks for is kept, and a call that cannot have its turn in time makes nothing', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { number } = await byToken(fake).codeHost.openPullRequest(draftFor(shop), signal)
  const identity = { kind: 'token', token: fake.personalToken() } as const
  const { codeHost } = fake.as(identity, { isPaced: true, timeoutMs: 1_500 })
  const comment = (key: string) => codeHost.comment({ address: shop.address, number, key, body: 'x' }, signal)
  await comment('k1')
  // Comments notify people: GitHub asks for three seconds between them.
  expect(await faultOf(comment('k2'))).toMatchObject({ code: 'UPSTREAM_TIMEOUT', retryable: true })
  expect(shop.comments).toHaveLength(1)
})

test('a repository that has moved is said to have; the token does not go after it', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  fake.goesWrong(/^GET .*\/branches/, 'moved')
  const fault = await faultOf(byToken(fake).codeHost.protection(shop.address, 'main', signal))
  expect(fault).toMatchObject({
    code: 'VALIDATION_ERROR',
    message: 'olivia/shop has moved: open it in a browser and give the new address.',
  })
})

test.each([
  ['a token nobody knows', 'github_pat_canaryunknown', 'FATAL', 'GitHub does not accept GITHUB_TOKEN'],
  [
    'a token that may not see the repository',
    null,
    'VALIDATION_ERROR',
    'GitHub has no olivia/gone, or GITHUB_TOKEN may not see it',
  ],
])('%s is named with what to do, without the token', async (_, token, code, sentence) => {
  const fake = await startGitHub()
  const github = fake.as({ kind: 'token', token: token ?? fake.personalToken() })
  const fault = await faultOf(github.codeHost.protection(`${fake.url}/olivia/gone.git`, 'main', signal))
  expect(fault).toMatchObject({ code, retryable: false })
  expect(fault.message).toContain(sentence)
  expect(`${fault.message} ${JSON.stringify(fault.cause)} ${String(fault.cause)}`).not.toContain('canary')
})

test('who we are is asked for by doctor', async () => {
  const fake = await startGitHub()
  expect(await byToken(fake).whoami(signal)).toBe('the token of olivia')
  expect(await fake.as(fake.app([])).whoami(signal)).toBe('the App quantapilot-test')
})

test('steps that work at once share a token of the App, and the last to end gives it back', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const github = fake.as(fake.app([{ repositories: ['olivia/shop'] }]))
  const revoked = () => fake.state.tokens.map((token) => token.revoked)
  const [one, two] = [new AbortController(), new AbortController()]
  const ask = ({ signal: of }: AbortController) => github.credentialFor(shop.address, { write: false }, of)
  const [first, second] = await Promise.all([ask(one), ask(two)])
  expect(first).toEqual(second)
  expect(await ask(one), 'twice in a step').toEqual(first)
  expect(revoked()).toEqual([false])
  await github.credentialFor(shop.address, { write: true }, one.signal)
  one.abort()
  await expect.poll(revoked, { interval: 20 }).toEqual([false, true])
  expect(await ask(two)).toEqual(first)
  two.abort()
  await expect.poll(revoked, { interval: 20 }).toEqual([true, true])
  const three = new AbortController()
  expect(await ask(three)).not.toEqual(first)
  three.abort()
})

test('a token whose step was stopped before it came is given back all the same', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { codeHost } = fake.as(fake.app([{ repositories: ['olivia/shop'] }]))
  const step = new AbortController()
  const asked = codeHost.protection(shop.address, 'main', step.signal)
  step.abort(new Error('stopped'))
  await expect(asked).rejects.toThrow('stopped')
  await expect.poll(() => fake.state.tokens.map((token) => token.revoked), { interval: 20 }).toEqual([true])
  expect(fake.state.requests.some((line) => line.includes('/branches/'))).toBe(false)
})

test('a token with less than five minutes left is not begun to be used', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { codeHost, close } = fake.as(fake.app([{ repositories: ['olivia/shop'] }]))
  fake.state.tokenLifeMs = 301_000
  // GitHub's clock, not ours, says how long it lives.
  fake.state.aheadMs = -20_000
  await codeHost.protection(shop.address, 'main', signal)
  await expect
    .poll(
      async () => {
        await codeHost.protection(shop.address, 'main', signal)
        return fake.state.tokens.length
      },
      { timeout: 5_000, interval: 200 },
    )
    .toBe(2)
  await close()
  expect(fake.state.tokens.every(({ revoked }) => revoked)).toBe(true)
})

const cases: readonly [string, (fake: FakeGitHub) => GitHub, string, string | RegExp][] = [
  [
    'an App that is not installed there',
    (fake) => fake.as(fake.app([{ repositories: ['olivia/other'] }])),
    'PRECONDITION_FAILED',
    'The GitHub App is not installed on olivia/shop: install it there',
  ],
  [
    'an App that was not granted what is needed',
    (fake) => fake.as(fake.app([{ repositories: ['olivia/shop'], permissions: { metadata: 'read' } }])),
    'PRECONDITION_FAILED',
    'give it Contents: read on the page of the App',
  ],
  [
    'an installation that is suspended',
    (fake) => fake.as(fake.app([{ repositories: ['olivia/shop'], isSuspended: true }])),
    'PRECONDITION_FAILED',
    'is suspended: lift that',
  ],
  [
    'an installation of somebody else',
    (fake) => fake.as(fake.app([{ repositories: ['olivia/shop'], account: 'mallory' }])),
    'PRECONDITION_FAILED',
    'an installation that is not the one of olivia/shop, so it was not used',
  ],
  [
    'the key of another App',
    (fake) => {
      const mine = fake.app([])
      fake.app([{ repositories: ['olivia/shop'] }])
      return fake.as(mine)
    },
    'FATAL',
    'by GITHUB_APP_ID and GITHUB_PRIVATE_KEY',
  ],
  [
    'a key that is none',
    (fake) => fake.as({ ...fake.app([]), privateKey: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----' }),
    'FATAL',
    'GITHUB_PRIVATE_KEY cannot be read as a key',
  ],
  [
    'a clock that is ahead',
    (fake) => {
      fake.state.aheadMs = -600_000
      return fake.as(fake.app([{ repositories: ['olivia/shop'] }]))
    },
    'PRECONDITION_FAILED',
    /clock of this machine is off by (?:599|60\d) s \(ahead\)/,
  ],
  [
    'a clock that is behind',
    (fake) => {
      fake.state.aheadMs = 900_000
      return fake.as(fake.app([{ repositories: ['olivia/shop'] }]))
    },
    'PRECONDITION_FAILED',
    /clock of this machine is off by (?:89\d|90\d) s \(behind\)/,
  ],
]

test.each(cases)('%s is named with what to do', async (_, become, code, sentence) => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const fault = await faultOf(become(fake).codeHost.protection(shop.address, 'main', signal))
  expect(fault).toMatchObject({ code, retryable: false })
  expect(fault.message).toMatch(sentence)
  expect(fake.state.tokens).toEqual([])
})

test('a token for more than the one repository is given back unused', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  await fake.repository('olivia/secret', {})
  const { codeHost } = fake.as(fake.app([{ repositories: ['olivia/shop', 'olivia/secret'] }]))
  fake.state.mintsTooMuch = true
  const fault = await faultOf(codeHost.protection(shop.address, 'main', signal))
  expect(fault).toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false })
  expect(fake.state.tokens).toMatchObject([{ revoked: true }])
  expect(fake.state.requests.some((line) => line.includes('/branches/'))).toBe(false)
})

test('a token that GitHub takes back early is asked for anew by the next try', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const { codeHost } = fake.as(fake.app([{ repositories: ['olivia/shop'] }]))
  await codeHost.protection(shop.address, 'main', signal)
  for (const token of fake.state.tokens) token.revoked = true
  expect(await faultOf(codeHost.protection(shop.address, 'main', signal))).toMatchObject({
    code: 'TOOL_FAILURE',
    retryable: true,
  })
  expect(await codeHost.protection(shop.address, 'main', signal)).toMatchObject({ isProtected: false })
})

test('only repositories of its own host are served, and get its credential', async () => {
  const fake = await startGitHub()
  const { codeHost, credentialFor } = byToken(fake)
  for (const address of ['https://gitlab.com/a/b.git', '/srv/shop', `${fake.url}/only-one`, `${fake.url}/../x`]) {
    expect(codeHost.serves(address)).toBe(false)
    expect(await credentialFor(address, { write: true }, signal)).toBeNull()
  }
  expect(codeHost.serves('git@localhost:olivia/shop.git')).toBe(true)
  expect(await credentialFor('git@localhost:olivia/shop.git', { write: true }, signal)).toBeNull()
})

test('everything the adapter throws is a fault for the engine', async () => {
  const fake = await startGitHub()
  const shop = await shopOn(fake)
  const github = fake.as({ kind: 'token', token: fake.personalToken(allGranted) }, { apiUrl: 'http://127.0.0.1:9' })
  onTestFinished(() => github.close())
  const failed: unknown = await github.codeHost
    .protection(shop.address, 'main', signal)
    .catch((error: unknown) => error)
  expect(failed).toBeInstanceOf(Fault)
  expect(failed).toMatchObject({ code: 'TRANSIENT_NETWORK', retryable: true })
})
