import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { git } from '../../adapters/git/source-control.fixtures.ts'
import { runProcess, startProcess } from '../../adapters/process/run.ts'
import { follows } from '../../core/commands/greet.ts'
import type { RunCard } from '../../core/model/card.ts'
import type { Json } from '../../core/model/json.ts'
import { deliveryReconciliation } from '../../cron/delivery-reconciliation.ts'
import { hearGitHub } from '../../main/github-events.ts'
import { Intake } from '../../main/intake.ts'
import { administer } from '../support/administer.ts'
import { openChats, Wall } from '../support/chats.ts'
import { allGranted, startGitHub } from '../support/github/github.ts'
import {
  agreed,
  cardWhen,
  isAtEnd,
  isAtGate,
  openTestHouse,
  startFactory,
  type TestHouse,
  type World,
} from '../support/house.ts'
import type { TestDatabase } from '../support/postgres.ts'
import { openState, program, until } from '../support/program.ts'
import { handsOn } from '../support/schedules.ts'
import { hasSandbox } from '../support/has-sandbox.ts'
import { append, scriptedAgent, workshopOf } from '../support/workshop.ts'
import { weather } from './storm.ts'

const readme =
  '# Shop\n\nA shop for parts.\n\n## Features\n\n- Customers must pay by card.\n- A clerk can refund an order.\n'

/** Starts a run, approves its anchor, and answers with how it ended. */
async function runToTheEnd(house: TestHouse, address: string): Promise<RunCard> {
  const handle = await startFactory(house, address)
  await cardWhen(house, handle, isAtGate)
  agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  return await cardWhen(house, handle, isAtEnd)
}

test('a run on a GitHub repository ends with one pull request that a maintainer wants to read, and its address is on the card', async () => {
  const fake = await startGitHub()
  const shop = await fake.repository('olivia/shop', { 'README.md': readme })
  const token = fake.personalToken()
  const house = await openTestHouse({}, null, fake.world(fake.as({ kind: 'token', token })))
  await house.work()
  const card = await runToTheEnd(house, shop.address)
  expect(card).toMatchObject({ state: 'succeeded', reason: null })

  expect(shop.pulls).toHaveLength(1)
  const [pull] = shop.pulls
  expect(pull).toMatchObject({
    title: `Documentation suite (run ${card.handle})`,
    head: `quantapilot/${card.handle}/docs`,
    base: 'main',
    state: 'open',
    labels: ['type:docgen', 'source:agent/built-in'],
  })
  const body = pull?.body ?? ''
  expect(body).toMatch(/<!-- quantapilot-key: [0-9a-f]{64} -->/)
  expect(body).toContain('| `docs/ANCHOR.md` | Anchor |')
  expect(body.match(/^\| `docs\//gm)).toHaveLength(12)
  expect(body).toContain(card.gates[0]?.subject.artifact.sha256)
  expect(body).toMatch(/approved by (?:admin|approver|operator) `actor-\w+`/)
  expect(body).toMatch(/Open questions: \d+/)
  expect(body).toContain('## Undo')
  expect(body).not.toContain('tester')

  const url = `https://github.test/olivia/shop/pull/${pull?.number}`
  expect(card.pullRequest).toEqual({ number: pull?.number, url, end: null })
  const summary = agreed(await house.ask({ kind: 'artifacts', run: card.handle, name: 'summary.md' }))
  expect(summary.kind === 'file' && summary.text).toContain(`Pull request: ${url}`)
  const [told] = await administer(
    house.database.connection,
    "select payload from app.events where kind = 'documentation_generated'",
  )
  expect(told).toMatchObject({ payload: { branch: pull?.head, commit: pull?.sha, pr_number: pull?.number } })

  // A personal token may not make check runs, so the decision stands as a commit status.
  expect(shop.statuses).toMatchObject([{ sha: pull?.sha, context: 'QuantaPilot gate anchor', state: 'success' }])
  expect(fake.state.ledger.map(({ effect }) => effect)).toEqual(['pull.create', 'status.create'])
})

test('as an App, each token holds one repository and what one step needs, and goes with that step', async () => {
  const fake = await startGitHub()
  const shop = await fake.repository('olivia/shop', { 'README.md': readme })
  await fake.repository('olivia/secret', { 'README.md': readme })
  const identity = fake.app([{ repositories: ['olivia/shop', 'olivia/secret'] }])
  const github = fake.as(identity)
  const house = await openTestHouse({}, null, fake.world(github))
  await house.work()
  expect(await runToTheEnd(house, shop.address)).toMatchObject({ state: 'succeeded' })

  const minted = fake.state.tokens
  expect(minted.map(({ permissions }) => permissions)).toEqual([
    { contents: 'read', metadata: 'read' },
    { contents: 'write', metadata: 'read' },
    { pull_requests: 'write', metadata: 'read' },
    { checks: 'write', metadata: 'read' },
  ])
  for (const { repositories, expiresAt } of minted) {
    expect(repositories).toEqual(['olivia/shop'])
    expect(expiresAt).toBeLessThanOrEqual(Date.now() + 3_600_000)
  }
  expect(shop.checkRuns).toMatchObject([
    { name: 'QuantaPilot gate anchor', conclusion: 'success', sha: shop.pulls[0]?.sha },
  ])
  // While the process goes on, each goes with the step it was made for.
  await expect.poll(() => minted.every(({ revoked }) => revoked)).toBe(true)
})

test('a merge that GitHub could not tell us of is found at the next look, and told where the run is shown, once', async () => {
  const fake = await startGitHub()
  const shop = await fake.repository('olivia/shop', { 'README.md': readme })
  const github = fake.as(fake.app([{ repositories: ['olivia/shop'] }]))
  const house = await openTestHouse({}, null, fake.world(github))
  const slack = new Wall('slack')
  const chats = openChats(house, [slack])
  await follows(house.desk, 'slack', 'channel')
  await house.work()
  const { handle, pullRequest } = await runToTheEnd(house, shop.address)
  await chats.settle()
  const before = slack.read('channel').length
  const closed = (url: string, merged: boolean) => ({
    action: 'closed',
    repository: { full_name: 'olivia/shop' },
    sender: { login: 'olivia' },
    pull_request: {
      number: pullRequest?.number ?? 0,
      html_url: url,
      merged,
      merge_commit_sha: merged ? 'b'.repeat(40) : null,
      head: { sha: 'a'.repeat(40) },
    },
  })
  const url = pullRequest?.url ?? ''
  const missed = fake.tells('pull_request', closed(url, true), 502)
  fake.tells('pull_request', closed(`${url}000`, false), 0)
  const { people } = house.desk
  const webhooks = github.deliveries && { deliveries: github.deliveries, people }
  const hands = { ...handsOn(house.database), webhooks }
  expect(await deliveryReconciliation.work(hands)).toEqual({ looked: 2, missed: 2, lost: 0 })

  const log = () => undefined
  const receiver = { verify: () => true, handle: hearGitHub(house.db, log) }
  const intake = new Intake({ db: house.db, people }, { github: receiver, telegram: null, slack: null }, log)
  onTestFinished(() => intake.stop())
  await intake.drain()
  const body = closed(url, true)
  const late = { source: 'github', deliveryId: missed, topic: 'pull_request', body, bodySha256: 'x', sizeBytes: 1 }
  expect(await intake.webhooks.github?.keep(late), 'it comes after all').toBe(false)
  expect(await intake.webhooks.github?.keep({ ...late, deliveryId: 'by-hand' })).toBe(true)
  await intake.drain()
  await chats.settle()

  const news = slack.read('channel').slice(before)
  expect(news.map(({ lines }) => lines)).toEqual([[`✓ Run ${handle}: The docs pull request was merged on GitHub.`]])
  const card = await cardWhen(house, handle, isAtEnd)
  expect(card).toMatchObject({ state: 'succeeded', pullRequest: { url, end: 'merged' } })
  const kept = JSON.stringify([
    await administer(house.database.connection, "select * from app.events where kind like 'pull_request%'"),
    await administer(house.database.connection, 'select * from app.intake'),
  ])
  expect(kept.match(/pull_request_merged/g)).toHaveLength(1)
  expect(kept).not.toContain('olivia')
  expect(kept, 'all are dealt with').not.toContain('"done_at":null')
})

test('no token is ever in an argument, a file or the database', async () => {
  const fake = await startGitHub()
  const shop = await fake.repository('olivia/shop', { 'README.md': readme })
  const identity = fake.app([{ repositories: ['olivia/shop'] }])
  const world = fake.world(fake.as(identity))
  const witness = await listeningGit()
  const house = await openTestHouse({}, null, { ...world, git: { ...world.git, env: { PATH: witness.path } } })
  await house.work()
  const card = await runToTheEnd(house, shop.address)
  expect(card).toMatchObject({ state: 'succeeded' })

  const calls = await readFile(witness.calls, 'utf8')
  const secrets = fake.state.tokens.flatMap(({ token }) => [
    token,
    Buffer.from(`x-access-token:${token}`).toString('base64'),
  ])
  const forms = secrets.flatMap((secret) => [secret, Buffer.from(secret).toString('hex')])
  const found = (text: string): readonly string[] => forms.filter((form) => text.includes(form))
  expect(secrets.length).toBeGreaterThanOrEqual(8)
  // The witness sees what it should: git was led to the host, with the token where only git can read it.
  expect(calls).toContain(`push`)
  expect(calls).toContain('environment: token given')
  expect(found(calls)).toEqual([])
  expect(found(await textOfFolder(house.dir))).toEqual([])
  const database = await textOfDatabase(house.database)
  expect(database).toContain(card.handle)
  expect(found(database)).toEqual([])
})

/** A git that writes down what it was started with, and then does it. */
async function listeningGit(): Promise<{ readonly path: string; readonly calls: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'qp-witness-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const bin = join(dir, 'bin')
  const calls = join(dir, 'calls')
  const rest = '/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin'
  await mkdir(bin)
  const seen = 'case "$GIT_CONFIG_VALUE_0" in Authorization:*) echo "environment: token given";; esac'
  const script = `#!/bin/sh\n{ printf '%s\\n' "$@"; ${seen}; } >>'${calls}'\nPATH='${rest}' exec git "$@"\n`
  await writeFile(join(bin, 'git'), script)
  await chmod(join(bin, 'git'), 0o755)
  return { path: `${bin}:${rest}`, calls }
}

async function textOfFolder(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return (await Promise.all(files.map((file) => readFile(file, 'latin1')))).join('\n')
}

/** Every row of every table. */
async function textOfDatabase({ connection }: TestDatabase): Promise<string> {
  const tables = await administer(
    connection,
    "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname in ('app', 'pii')",
  )
  const texts: string[] = []
  for (const { name } of tables) {
    const rows = await administer(connection, `select t::text as row from ${String(name)} t`)
    texts.push(...rows.map(({ row }) => String(row)))
  }
  expect(texts.length).toBeGreaterThan(50)
  return texts.join('\n')
}

test.each([
  ['the pull request', /^POST .*\/pulls$/],
  ['its labels', /\/labels$/],
  ['the status', /^POST .*\/statuses/],
])('when the answer about %s is lost after it was made, the next try adopts it', async (_, on) => {
  const fake = await startGitHub()
  const shop = await fake.repository('olivia/shop', { 'README.md': readme })
  fake.goesWrong(on, 'answer dropped')
  const world = fake.world(fake.as({ kind: 'token', token: fake.personalToken() }))
  const house = await openTestHouse({}, null, world)
  await house.work()
  const card = await runToTheEnd(house, shop.address)
  expect(card).toMatchObject({ state: 'succeeded' })
  expect(shop.pulls).toHaveLength(1)
  expect(shop.pulls[0]?.labels).toHaveLength(2)
  expect(shop.statuses).toHaveLength(1)
  expect(card.pullRequest).toMatchObject({ number: shop.pulls[0]?.number })
  expect(fake.state.mishaps).toEqual([])
})

test('a missing permission ends the run with its name, and the branch stays for another try', async () => {
  const fake = await startGitHub()
  const shop = await fake.repository('olivia/shop', { 'README.md': readme })
  const token = fake.personalToken({ contents: 'write', metadata: 'read' })
  const house = await openTestHouse({}, null, fake.world(fake.as({ kind: 'token', token })))
  await house.work()
  const card = await runToTheEnd(house, shop.address)
  expect(card).toMatchObject({ state: 'failed', reasonCode: 'PRECONDITION_FAILED' })
  expect(card.reason).toContain('GITHUB_TOKEN may not do this in olivia/shop: give it Pull requests: write')
  expect(await git(shop.folder, ['branch', '--list', 'quantapilot/*'])).not.toBe('')
})

test('a cancelled run leaves neither a branch nor a pull request', async () => {
  const fake = await startGitHub()
  const shop = await fake.repository('olivia/shop', { 'README.md': readme })
  const house = await openTestHouse({}, null, fake.world(fake.as(fake.app([{ repositories: ['olivia/shop'] }]))))
  await house.work()
  const handle = await startFactory(house, shop.address)
  await cardWhen(house, handle, isAtGate)
  agreed(await house.ask({ kind: 'cancel', run: handle }))
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'cancelled' })
  expect(shop.pulls).toEqual([])
  expect(await git(shop.folder, ['branch', '--list', 'quantapilot/*'])).toBe('')
})

test('without a code host a run ends at its branch, as before', async () => {
  const fake = await startGitHub()
  const shop = await fake.repository('olivia/shop', { 'README.md': readme })
  const github = fake.as({ kind: 'token', token: fake.personalToken(allGranted) })
  const world: World = { ...fake.world(github), codeHost: null }
  const house = await openTestHouse({}, null, world)
  await house.work()
  const card = await runToTheEnd(house, shop.address)
  expect(card).toMatchObject({ state: 'succeeded', pullRequest: null })
  expect(shop.pulls).toEqual([])
  expect(await git(shop.folder, ['branch', '--list', 'quantapilot/*'])).toContain(card.handle)
})

test('the program itself, set up by its environment, opens the pull request, fetches what it missed, and doctor says as whom', {
  timeout: 120_000,
}, async () => {
  const fake = await startGitHub()
  const shop = await fake.repository('olivia/shop', { 'README.md': readme })
  const identity = fake.app([{ repositories: ['olivia/shop'] }])
  const state = await openState()
  const variables = {
    GITHUB_APP_ID: identity.appId,
    GITHUB_PRIVATE_KEY: identity.privateKey,
    GITHUB_WEBHOOK_SECRET: 'it-is-a-secret-to-everybody',
    QP_HTTP_PORT: '0',
    QP_OPS_PORT: '0',
    GITHUB_API_URL: `${fake.url}/api/v3`,
    NODE_EXTRA_CA_CERTS: fake.caFile,
    QP_GIT_CA_FILE: fake.caFile,
    QP_ALLOWED_HOSTS: 'localhost',
    QP_LOG_LEVEL: 'info',
  }
  const start = (word: string) => {
    const { env, ...rest } = program(state, word)
    return { ...rest, env: { ...env, ...variables } }
  }
  const limits = { timeoutMs: 30_000, maxOutputBytes: 1_000_000 }
  const doctor = await runProcess({ ...start('doctor'), ...limits })
  expect(doctor.stdout.toString()).toMatch(/✓ github +acts as the App quantapilot-test/)

  const missed = fake.tells('push', { ref: 'refs/heads/main' }, 502)
  const worker = await startProcess({ ...start('start'), stdout: 'pipe', stderr: 'pipe' })
  let said = doctor.stdout.toString() + doctor.stderr
  for (const stream of [worker.stdout, worker.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  onTestFinished(async () => void (await worker.kill()))
  const handle = await startFactory(state, shop.address)
  const card = async (): Promise<RunCard | null> => {
    const reply = agreed(await state.ask({ kind: 'status', run: handle, page: 1 }))
    return reply.kind === 'card' ? reply.card : null
  }
  await until(async () => {
    const now = await card()
    return now !== null && (isAtGate(now) || isAtEnd(now))
  }, 'the gate')
  agreed(await state.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  await until(async () => (await card())?.state === 'succeeded', 'the end')
  expect((await card())?.pullRequest).toMatchObject({ number: shop.pulls[0]?.number })
  await until(async () => {
    const kept = await administer(state.database.connection, 'select delivery_id from app.intake')
    return kept.length === 1 && kept[0]?.['delivery_id'] === missed
  }, 'what was missed is fetched')
  expect(await worker.kill({ graceMs: 20_000 })).toEqual({ exitCode: 0 })
  expect(fake.state.tokens.length).toBeGreaterThanOrEqual(4)
  expect(fake.state.tokens.every(({ revoked }) => revoked)).toBe(true)
  expect(said).toContain('QuantaPilot')
  expect(said).not.toMatch(/canary|PRIVATE KEY/)
})

test('runs that meet a limit of GitHub wait as long as it says, in all processes, and none of them fails', async () => {
  const storm = { runs: 60, stormMs: 3_000, slots: 20, windowMs: 1_000 }
  const seen = await weather(storm)
  expect(seen.during, 'while it lasted').toMatchObject({ lost: 0, charged: 0 })
  expect(seen.during['succeeded']).toBeLessThan(storm.runs)
  expect(seen).toMatchObject({ early: 0, unasked: 0 })
  // All of them ask at once before anybody knows of the limit.
  expect(seen.calls).toBeLessThanOrEqual(storm.runs + 1.2 * storm.slots * (storm.stormMs / storm.windowMs - 1))
})

test.runIf(hasSandbox)(
  'milestones wait for GitHub’s checks, go back when they fail, and are merged at the approved commit',
  async () => {
    const fake = await startGitHub()
    const files = {
      'README.md': '# Shop\n\nA shop.\n\n## Paying\n\n- Customers must pay by card.\n',
      Makefile: 'test:\n\tsh tests.sh\n',
    }
    const shop = await fake.repository('olivia/shop', files)
    const github = fake.as(
      fake.app([{ repositories: ['olivia/shop'], permissions: { ...allGranted, statuses: 'read' } }]),
    )
    const agent = scriptedAgent((task, n) => append(task, 'tests.sh', `true # ${n}\n`))
    const house = await openTestHouse({}, null, { ...fake.world(github), workshop: workshopOf(agent, github.checks) })
    await house.work()
    shop.requiredChecks = ['ci']
    const handle = await startFactory(house, shop.address)
    const finds = async (branch: string, conclusion: string): Promise<string> => {
      await cardWhen(house, handle, ({ waitingFor }) => waitingFor === 'signal')
      const pull = shop.pulls.find(({ head }) => head.endsWith(branch))
      const sha = await git(shop.folder, ['rev-parse', pull?.head ?? ''])
      shop.checkRuns.unshift({
        id: shop.checkRuns.length + 900,
        externalId: null,
        name: 'ci',
        sha,
        status: 'completed',
        conclusion,
        summary: '',
      })
      const payload = {
        action: 'completed',
        repository: { full_name: 'olivia/shop' },
        check_run: { head_sha: sha, conclusion, name: 'ci' },
      }
      expect(await hear({ topic: 'check_run', body: payload })).toBe(1)
      return sha
    }
    const hear = async ({ topic, body }: { topic: string; body: Json }): Promise<number> => {
      let runs = 0
      await hearGitHub(
        house.db,
        (_, __, fields) => void (runs = Number(fields['runs'])),
      )({ topic, body, id: '1' } as never)
      return runs
    }
    const approve = async (name: string): Promise<void> => {
      await cardWhen(
        house,
        handle,
        (card) => isAtGate(card) && card.gates.some((gate) => gate.name === name && gate.verdict === null),
      )
      agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
    }
    await approve('anchor')
    await finds('/docs', 'success')
    await approve('first-merge')
    await finds('/m-001', 'failure')
    await cardWhen(house, handle, () => agent.tasks.length === 2)
    expect(agent.tasks[1]?.prompt).toContain('The code host’s checks failed: ci')
    await expect
      .poll(() => git(shop.folder, ['rev-list', '--count', `main..quantapilot/${handle}/m-001`]), { timeout: 10_000 })
      .toBe('2')
    await finds('/m-001', 'success')
    await approve('M-001')
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
    expect(shop.pulls.map(({ merged, title }) => [merged, title])).toEqual([
      [true, `Documentation suite (run ${handle})`],
      [true, 'feat: paying (M-001)'],
    ])
    expect(shop.pulls[1]?.labels).toEqual(['type:feature_xs', 'source:agent/scripted'])
    expect(await git(shop.folder, ['show', 'main:tests.sh'])).toBe('true # 1\ntrue # 2')
    expect((await git(shop.folder, ['tag'])).split('\n')).toHaveLength(2)
    expect(fake.state.ledger.filter(({ effect }) => effect === 'pull.merge')).toHaveLength(2)
  },
)
