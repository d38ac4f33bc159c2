import { expect, test } from 'vitest'
import { uuidv7 } from '../../core/store/uuid.ts'
import { hearGitHub } from '../../main/github-events.ts'
import { rollBack } from '../../main/rollback.ts'
import { administer } from '../support/administer.ts'
import { allGranted, startGitHub } from '../support/github/github.ts'
import type { Pull, Repository } from '../support/github/state.ts'
import {
  agreed,
  cardWhen,
  denied,
  git,
  isAtEnd,
  isAtGate,
  openTestHouse,
  startFactory,
  type TestHouse,
} from '../support/house.ts'
import { approve, makefile, oneMilestone, outcomes, readme, refsOf, treeOf, undo } from '../support/undo.ts'
import { hasSandbox } from '../support/has-sandbox.ts'
import { append, scriptedAgent, workshopOf } from '../support/workshop.ts'

/** A GitHub repository in which a run has merged its documents and one milestone. */
async function mergedOnGitHub({ hasChecks = false } = {}) {
  const fake = await startGitHub()
  const files = { 'README.md': oneMilestone, Makefile: makefile, 'tests.sh': 'true\n' }
  const shop = await fake.repository('olivia/shop', files)
  const github = fake.as(
    fake.app([{ repositories: ['olivia/shop'], permissions: { ...allGranted, statuses: 'read' } }]),
  )
  const agent = scriptedAgent((task, n) => append(task, 'one.sh', `true ${n}\n`))
  const house = await openTestHouse({}, null, {
    ...fake.world(github),
    ...(hasChecks ? { checks: github.checks } : {}),
    workshop: workshopOf(agent),
  })
  await house.work()
  const handle = await startFactory(house, shop.address)
  for (const gate of ['anchor', 'first-merge', 'M-001']) await approve(house, handle, gate)
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  return { fake, shop, github, house, handle }
}

/** The check of the newest pull request passes, and GitHub tells of it. */
async function passes(house: TestHouse, shop: Repository): Promise<void> {
  const sha = await git(shop.folder, 'rev-parse', shop.pulls.at(-1)?.head ?? '')
  const check = { name: 'ci', sha, status: 'completed', conclusion: 'success' }
  shop.checkRuns.push({ id: 900, externalId: null, summary: '', ...check })
  const body = {
    action: 'completed',
    repository: { full_name: shop.fullName },
    check_run: { head_sha: sha, conclusion: 'success', name: 'ci' },
  }
  const hear = hearGitHub(house.db, () => undefined)
  await hear({ source: 'github', topic: 'check_run', body, deliveryId: uuidv7() })
}

test.runIf(hasSandbox)(
  'on GitHub the revert is a pull request that waits for its checks, merged at exactly the approved commit, also when each answer is lost',
  { timeout: 60_000 },
  async () => {
    const { fake, shop, house, handle } = await mergedOnGitHub({ hasChecks: true })
    const before = await git(shop.folder, 'rev-parse', 'main')
    shop.requiredChecks = ['ci']
    for (const on of [/^POST .*\/pulls$/, /^PUT .*\/merge$/]) fake.goesWrong(on, 'answer dropped')
    const by = await undo(house, handle)
    await cardWhen(house, by, ({ waitingFor }) => waitingFor === 'signal')
    await passes(house, shop)
    const card = await approve(house, by, 'undo')
    expect(card.gates[0]?.subject.facts).toContain('1 check passed')
    const pull = shop.pulls.at(-1)
    expect(pull).toMatchObject({ head: `quantapilot/${by}/undo`, base: 'main', labels: ['type:revert'], merged: false })
    expect(card.pullRequest?.number).toBe(pull?.number)
    expect(pull?.body).toContain(card.gates[0]?.subject.artifact.sha256)
    const approved = pull?.sha
    const end = await cardWhen(house, by, isAtEnd)
    expect(end).toMatchObject({ state: 'succeeded' })
    expect([pull?.merged, pull?.sha]).toEqual([true, approved])
    expect(await git(shop.folder, 'rev-parse', 'main~1')).toBe(before)
    expect(await treeOf(shop.folder, 'main')).toBe(await treeOf(shop.folder, 'main~3'))
    expect(await refsOf(shop.folder)).toBe('refs/heads/main')
    expect(shop.pulls, 'one more, whatever was lost').toHaveLength(3)
    expect(fake.state.mishaps).toEqual([])
    const around = ['pull was gone', 'branch was gone']
    expect(end.takenBack.map(({ what, outcome }) => `${what.split(' ')[0]} ${outcome}`)).toEqual(
      [
        ['merge compensated', 'tag undone'],
        around,
        ['merge compensated', 'tag undone', 'check irreversible'],
        around,
      ].flat(),
    )
  },
)

test('an open pull request of ours is closed and its branch removed; the check goes with its commit', async () => {
  const fake = await startGitHub()
  const shop = await fake.repository('olivia/shop', { 'README.md': readme })
  const github = fake.as(fake.app([{ repositories: ['olivia/shop'] }]))
  const house = await openTestHouse({}, null, fake.world(github))
  await house.work()
  const handle = await startFactory(house, shop.address)
  await approve(house, handle, 'anchor')
  await cardWhen(house, handle, isAtEnd)
  fake.goesWrong(/^PATCH .*\/pulls/, 'answer dropped')
  const card = await cardWhen(house, await undo(house, handle), isAtEnd)
  expect(outcomes(card)).toEqual(['irreversible', 'was gone', 'undone'])
  expect(shop.pulls).toMatchObject([{ state: 'closed', merged: false }])
  expect(fake.state.ledger.filter(({ effect }) => effect === 'pull.close')).toHaveLength(1)
  expect(await refsOf(shop.folder)).toBe('refs/heads/main')
  expect(denied(await house.ask({ kind: 'undo', run: handle, commit: null })).message).toContain('undone already')
})

/** Puts the label, as GitHub tells of it, and answers with how many runs were set going. */
async function label(
  { github, house, shop }: Awaited<ReturnType<typeof mergedOnGitHub>>,
  pull: Pull | undefined,
  { login, deliveryId = uuidv7() }: { readonly login: string; readonly deliveryId?: string },
): Promise<number> {
  pull?.labels.push('rollback:request')
  const body = {
    action: 'labeled',
    label: { name: 'rollback:request' },
    sender: { login },
    repository: { full_name: shop.fullName },
    pull_request: {
      number: pull?.number ?? 0,
      html_url: `https://github.test/olivia/shop/pull/${pull?.number}`,
      merged: pull?.merged ?? false,
      merge_commit_sha: pull?.mergeCommit ?? null,
      head: { sha: pull?.sha ?? '' },
    },
  }
  let runs = 0
  const log = (_: unknown, __: unknown, fields: Readonly<Record<string, unknown>>): void => {
    if ('runs' in fields) runs = Number(fields['runs'])
  }
  const { codeHost, labels } = github
  const hear = hearGitHub(house.db, log, rollBack({ desk: house.desk, codeHost, labels, log }))
  await hear({ source: 'github', topic: 'pull_request', body, deliveryId })
  return runs
}

test.runIf(hasSandbox)(
  'a label of somebody who may write there starts an undo of just that merge, and the gate decides; nobody is named',
  { timeout: 60_000 },
  async () => {
    const there = await mergedOnGitHub()
    const { fake, shop, house, handle } = there
    const before = await git(shop.folder, 'rev-parse', 'main')
    Object.assign(shop.people, { trixie: 'read', walter: 'write' })
    const pull = shop.pulls.at(-1)
    expect(await label(there, pull, { login: 'trixie' })).toBe(0)
    expect(await label(there, pull, { login: 'stranger' })).toBe(0)
    expect([shop.comments, await git(shop.folder, 'rev-parse', 'main')]).toEqual([[], before])

    fake.goesWrong(/^POST .*\/comments$/, 'answer dropped')
    fake.goesWrong(/^DELETE .*\/labels/, 'answer dropped')
    expect(await label(there, pull, { login: 'walter', deliveryId: 'd1' })).toBe(1)
    expect(await label(there, pull, { login: 'walter', deliveryId: 'd1' }), 'told twice, begun once').toBe(1)
    const runs = agreed(await house.ask({ kind: 'runs', page: 1 }))
    const [by] = runs.kind === 'runs' ? runs.runs.map((run) => run.handle) : []
    expect(runs).toMatchObject({ runs: [{ pipeline: 'undo' }, { handle }] })
    const card = await cardWhen(house, by ?? '', isAtGate)
    expect(card).toMatchObject({
      startedBy: 'the system',
      gates: [{ subject: { what: expect.stringContaining('1 merge out of main') } }],
    })
    expect(pull?.labels).not.toContain('rollback:request')
    expect(shop.comments).toMatchObject([
      { number: pull?.number, edits: 0, body: expect.stringContaining(`Run ${by} prepares`) },
    ])
    expect(await git(shop.folder, 'rev-parse', 'main'), 'a label decides nothing').toBe(before)
    expect(await label(there, pull, { login: 'walter' })).toBe(0)
    expect(shop.comments.at(-1)?.body).toContain(`Nothing is undone: Run ${by} undoes this already.`)
    await approve(house, by ?? '', 'undo')
    expect(outcomes(await cardWhen(house, by ?? '', isAtEnd))).toEqual(['compensated'])
    expect(await git(shop.folder, 'ls-tree', '--name-only', 'main')).not.toContain('one.sh')
    expect(await label(there, shop.pulls.at(-2), { login: 'walter' })).toBe(0)
    expect(shop.comments.at(-1)?.body).toContain('That merge was undone already.')
    const tables = ['app.events', 'app.plans', 'app.effects', 'app.inbox', 'app.runs', 'audit.entries', 'app.attempts']
    const kept = await Promise.all(
      tables.map((table) => administer(house.database.connection, `select * from ${table}`)),
    )
    expect(JSON.stringify(kept)).not.toMatch(/walter|trixie/)
  },
)
