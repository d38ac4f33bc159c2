import { readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { signIn } from '../../core/commands/sign-in.ts'
import { documentSuite } from '../../core/model/document-suite.ts'
import { Fault } from '../../core/model/problem.ts'
import type { CodeHost } from '../../core/ports.ts'
import { findAuditBreak } from '../../core/store/audit-chain.ts'
import { administer } from '../support/administer.ts'
import type { TestHouse } from '../support/house.ts'
import {
  agreed,
  cardWhen,
  denied,
  git,
  isAtEnd,
  isAtGate,
  makeRepository,
  openTestHouse,
  startFactory,
} from '../support/house.ts'

const readme =
  '# Shop\n\nA shop for parts.\n\n## Features\n\n- Customers must pay by card.\n- A clerk can refund an order.\n- Orders are deleted after a year.\n'

test('a README becomes twelve documents on a branch of their own, and nothing else is touched', async () => {
  const house = await openTestHouse()
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  await writeFile(join(folder, 'draft.txt'), 'not committed')
  const before = await git(folder, 'rev-parse', 'main')
  await house.work()
  const handle = await startFactory(house, folder)
  const card = await cardWhen(house, handle, isAtGate)
  expect(card.outlook).toMatchObject({ likelyMicros: 0 })
  expect(card.gates[0]?.subject.facts.join(' ')).toContain('3 requirements')
  agreed(
    await house.ask({ kind: 'approve', run: handle, gate: null, sha256: card.gates[0]?.subject.artifact.sha256 ?? '' }),
  )
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  const files = (await git(folder, 'ls-tree', '-r', '--name-only', `quantapilot/${handle}/docs`)).split('\n')
  expect(files).toEqual(expect.arrayContaining(documentSuite.map(({ path }) => path)))
  expect(await git(folder, 'rev-parse', 'main')).toBe(before)
  expect(await git(folder, 'status', '--porcelain')).toBe('?? draft.txt')
  expect(await findAuditBreak(house.db, null)).toBeNull()
})

test('a project can only tighten what the server allows, and everybody is told what does not hold', async () => {
  const policy = 'budgets: { usd: 5 }\npolicies: { gates: { start: {}, anchor: { self_approval: false } } }\n'
  const house = await openTestHouse({}, null, { codeHost: null, git: {}, policy })
  const wishes = 'budgets: { usd: 50 }\npolicies: { gates: { anchor: { self_approval: true, quorum: 2 } } }\n'
  const folder = await makeRepository(house, 'shop', { 'README.md': readme, 'quantapilot.yml': wishes })
  await house.work()
  const handle = await startFactory(house, folder)
  const asked = await cardWhen(house, handle, isAtGate)
  const refusals = [
    'budgets.usd: the file asks for 50 and the server allows 5, so 5 holds.',
    'policies.gates.anchor.self_approval: the file says true and the server forbids it, so false holds.',
  ]
  expect(asked).toMatchObject({ money: { capMicros: 5_000_000 }, outlook: { clamped: refusals } })
  expect(asked.gates[0]).toMatchObject({ name: 'start', subject: { risks: refusals } })
  const logs = agreed(await house.ask({ kind: 'logs', run: handle }))
  expect(logs.kind === 'logs' && logs.lines.flatMap(({ detail }) => detail['wish'] ?? [])).toEqual(refusals)
  agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  const written = await cardWhen(house, handle, (card) => isAtGate(card) && card.gates.length === 2)
  expect(written.gates[1]).toMatchObject({ name: 'anchor', quorum: 2 })
  expect(denied(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null })).message).toContain(
    'Four eyes',
  )
})

test('what was approved is byte for byte what is on the branch', async () => {
  const house = await openTestHouse()
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  await house.work()
  const handle = await startFactory(house, folder)
  const card = await cardWhen(house, handle, isAtGate)
  agreed(await house.ask({ kind: 'approve', run: handle, gate: 'anchor', sha256: null }))
  await cardWhen(house, handle, isAtEnd)
  const shown = agreed(await house.ask({ kind: 'artifacts', run: handle, name: 'docs/ANCHOR.md' }))
  expect(shown).toMatchObject({ sha256: card.gates[0]?.subject.artifact.sha256 })
  const onBranch = await git(folder, 'show', `quantapilot/${handle}/docs:docs/ANCHOR.md`)
  expect(shown.kind === 'file' && shown.text.trim()).toBe(onBranch)
})

test('changes requested make a new version and a new gate; a decision on the old bytes is refused', async () => {
  const house = await openTestHouse()
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  await house.work()
  const handle = await startFactory(house, folder)
  const first = await cardWhen(house, handle, isAtGate)
  const old = first.gates[0]?.subject.artifact.sha256 ?? ''
  agreed(
    await house.ask({ kind: 'changes', run: handle, gate: null, sha256: old, reason: 'Orders are kept for ten years' }),
  )
  const second = await cardWhen(house, handle, (card) => isAtGate(card) && card.gates.length === 2)
  const fresh = second.gates[1]?.subject
  expect(fresh?.artifact.sha256).not.toBe(old)
  expect(fresh?.changes.join('\n')).toContain('ten years')
  expect(denied(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: old }))).toMatchObject({
    code: 'stale',
  })
  agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: fresh?.artifact.sha256 ?? '' }))
  await cardWhen(house, handle, isAtEnd)
  const adrs = await git(folder, 'show', `quantapilot/${handle}/docs:docs/80_adrs.md`)
  expect(adrs).toContain('ten years')
  expect(adrs).not.toContain('tester')
})

test('a rejected gate ends the run with the reason, and leaves no branch behind', async () => {
  const house = await openTestHouse()
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  await house.work()
  const handle = await startFactory(house, folder)
  await cardWhen(house, handle, isAtGate)
  agreed(await house.ask({ kind: 'reject', run: handle, gate: null, sha256: null, reason: 'wrong project' }))
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({
    state: 'rejected',
    reason: 'Rejected at gate anchor: wrong project',
  })
  expect(await git(folder, 'branch', '--list', 'quantapilot/*')).toBe('')
})

/** A code host that will have none of it. */
const closedHost: CodeHost = {
  serves: () => true,
  openPullRequest: () =>
    Promise.reject(new Fault({ code: 'FATAL', message: 'No pull requests here.', retryable: false })),
  comment: () => Promise.resolve(),
  openIssue: () => Promise.resolve({ number: 0, url: '' }),
  setCheck: () => Promise.resolve(),
  merge: () => Promise.resolve({ commit: '' }),
  protection: () => Promise.resolve({ isProtected: false, requiredChecks: [], requiredApprovals: 0 }),
  closePullRequest: () => Promise.resolve('gone'),
}

/** What is there of runs apart from their history: in the work folder, in the repository, and held in the database. */
async function remains(house: TestHouse, folder: string) {
  const held = await administer(
    house.database.connection,
    `select from app.runs r where r.lock_state is not null or r.worker_id is not null
     union all select from app.gates g where g.verdict is null`,
  )
  return {
    scratch: await readdir(join(house.dir, 'state', 'git', 'scratch')),
    branches: await git(folder, 'branch', '--list', 'quantapilot/*', '--format=%(refname:short)'),
    held: held.length,
  }
}

test('however a run ends it holds nothing and leaves no work folder, and only one that a retry may take on keeps its branch', async () => {
  const house = await openTestHouse({}, null, { codeHost: closedHost, git: {} })
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  await house.work()
  const endings = {
    rejected: { kind: 'reject', gate: null, sha256: null, reason: 'no' },
    cancelled: { kind: 'cancel' },
    failed: { kind: 'approve', gate: null, sha256: null },
  } as const
  for (const [state, command] of Object.entries(endings)) {
    const run = await startFactory(house, folder)
    await cardWhen(house, run, isAtGate)
    agreed(await house.ask({ ...command, run }))
    expect(await cardWhen(house, run, isAtEnd)).toMatchObject({ state })
    const branches = state === 'failed' ? `quantapilot/${run}/docs` : ''
    expect(await remains(house, folder), state).toEqual({ scratch: [], branches, held: 0 })
  }
})

describe('what cannot be worked on ends with a sentence that says what to do', () => {
  test.each<[string, Readonly<Record<string, string | Uint8Array>>, string]>([
    ['no README', { 'notes.txt': 'x' }, 'has no README.md on branch main. Add one'],
    ['an empty README', { 'README.md': ' \n' }, 'README.md is empty. Write what to build'],
    [
      'a README in another markup',
      { 'readme.rst': 'Shop' },
      'no README.md on branch main; readme.rst is not read. Add one',
    ],
    ['a folder in place of the README', { 'README.md/a.txt': 'x' }, 'README.md is a folder. Put the text'],
    [
      'UTF-16, as an editor on Windows may save it',
      { 'README.md': Buffer.from('\ufeffShop', 'utf16le') },
      'README.md is UTF-16 text. Save it as',
    ],
    ['bytes that are no text', { 'README.md': 'a\0b' }, 'README.md is not text'],
    ['settings with a mistake', { 'README.md': readme, 'quantapilot.yml': 'polices: 1\n' }, 'Did you mean `policies`?'],
    ['a README too long to read', { 'README.md': 'a'.repeat(200_001) }, 'make it shorter'],
  ])('%s', async (_, files, sentence) => {
    const house = await openTestHouse()
    const folder = await makeRepository(house, 'shop', files)
    await house.work()
    const handle = await startFactory(house, folder)
    const card = await cardWhen(house, handle, isAtEnd)
    expect(card).toMatchObject({ state: 'failed', reasonCode: 'VALIDATION_ERROR' })
    expect(card.reason).toContain(sentence)
  })

  test('a link in place of the README', async () => {
    const house = await openTestHouse()
    const folder = await makeRepository(house, 'shop', { 'docs/about.md': readme })
    await symlink('docs/about.md', join(folder, 'README.md'))
    await git(folder, 'add', '--all')
    await git(folder, '-c', 'user.name=T', '-c', 'user.email=t@localhost', 'commit', '--quiet', '--message', 'link')
    await house.work()
    const card = await cardWhen(house, await startFactory(house, folder), isAtEnd)
    expect(card.reason).toContain('README.md is a symbolic link in the repository, which is not followed')
  })

  test('an address that no network could make right is refused when it is typed, before anything is stored', async () => {
    const house = await openTestHouse({}, null, {
      codeHost: null,
      git: { allowedHosts: ['git.example.org', '10.0.0.9'] },
    })
    const order = { kind: 'run', branch: null, pipeline: 'factory', dryRun: false, confirm: false } as const
    for (const [target, sentence] of [
      ['/srv/a\nb', /line break/],
      ['https://me:secret@git.example.org/a.git', /^The address holds a password or token[^.]*\.$/],
      ['http://git.example.org/a.git', 'http:// is not allowed: use https:// or ssh://.'],
      ['git://git.example.org/a.git', /^git:\/\/ is not allowed/],
      ['file:///srv/a.git', 'file addresses are not allowed here: give the path of a folder, or use https or ssh.'],
      ['ext::id', /start other programs/],
      ['owner/shop', /is not an address: give https:\/\/host/],
      [
        'https://evil.example/a.git',
        'The host evil.example is not allowed: ask an admin to add it to the allowed hosts.',
      ],
      ['git@evil.example:a.git', /^The host evil\.example is not allowed/],
      ['https://10.0.0.8/a.git', /^The host 10\.0\.0\.8 is not allowed/],
    ] as const) {
      const refusal = denied(await house.ask({ ...order, target }))
      expect(refusal, target).toEqual({ code: 'invalid_input', message: expect.stringMatching(sentence) as string })
      expect(refusal.message).not.toContain('secret')
    }
    const branch = denied(await house.ask({ ...order, target: 'https://git.example.org/a.git', branch: 'a..b' }))
    expect(branch.message).toContain('is not a branch name')
    expect(agreed(await house.ask({ kind: 'runs', page: 1 }))).toMatchObject({ runs: [] })
    for (const target of ['https://10.0.0.9/a.git', 'git@git.example.org:a.git', '/nowhere'])
      agreed(await house.ask({ ...order, target }))
  })
})

test('a README in capitals is one', async () => {
  const house = await openTestHouse()
  const folder = await makeRepository(house, 'shop', { 'README.MD': readme })
  await house.work()
  expect(await cardWhen(house, await startFactory(house, folder), isAtGate)).toMatchObject({ state: 'waiting' })
})

test('after the README is mended, a retry starts over from the repository as it is now', async () => {
  const house = await openTestHouse()
  const folder = await makeRepository(house, 'shop', { 'notes.txt': 'x' })
  await house.work()
  const handle = await startFactory(house, folder)
  await cardWhen(house, handle, isAtEnd)
  await writeFile(join(folder, 'README.md'), readme)
  await git(folder, 'add', '--all')
  await git(folder, '-c', 'user.name=T', '-c', 'user.email=t@localhost', 'commit', '--quiet', '--message', 'readme')
  const again = agreed(await house.ask({ kind: 'retry', run: handle }))
  expect(again.kind).toBe('started')
  if (again.kind === 'started') await cardWhen(house, again.card.handle, isAtGate)
})

test('a second run on the same repository and branch is told who holds it, and goes on when that one is over', async () => {
  const house = await openTestHouse()
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  await house.work()
  const first = await startFactory(house, folder)
  await cardWhen(house, first, isAtGate)
  const second = await startFactory(house, folder)
  expect(await cardWhen(house, second, (card) => card.behind === first)).toMatchObject({ state: 'queued' })
  agreed(await house.ask({ kind: 'cancel', run: first }))
  await cardWhen(house, second, isAtGate)
})

test('the same delivery hears the same answer and starts nothing twice', async () => {
  const house = await openTestHouse()
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  const run = { kind: 'run', target: folder, branch: null, pipeline: 'factory', dryRun: false, confirm: false } as const
  const first = agreed(await house.ask(run, house.actor, 'delivery-1'))
  const again = agreed(await house.ask(run, house.actor, 'delivery-1'))
  if (first.kind !== 'started') throw new Error(first.kind)
  // The card is drawn as the run stands by now; the answer is the same.
  const { handle, startedAt } = first.card
  expect(again).toMatchObject({ kind: 'started', card: { handle, startedAt } })
  expect(agreed(await house.ask({ kind: 'runs', page: 1 }))).toMatchObject({ runs: [{}] })
  expect(denied(await house.ask({ ...run, branch: 'other' }, house.actor, 'delivery-1'))).toMatchObject({
    code: 'invalid_input',
  })
})

test('a second person at this terminal may look and do nothing else until an admin says so', async () => {
  const house = await openTestHouse()
  const guest = await signIn(house.desk, { surface: 'terminal', account: 'guest', label: 'guest' })
  const run = {
    kind: 'run',
    target: '/nowhere',
    branch: null,
    pipeline: 'factory',
    dryRun: false,
    confirm: false,
  } as const
  expect(denied(await house.ask(run, guest))).toMatchObject({ code: 'not_allowed' })
  expect(agreed(await house.ask({ kind: 'runs', page: 1 }, guest))).toMatchObject({ kind: 'runs' })
})

test('more money is asked for, and given by a decision that is audited', async () => {
  const house = await openTestHouse()
  const folder = await makeRepository(house, 'shop', {
    'README.md': readme,
    'quantapilot.yml': 'budgets: { usd: 2 }\n',
  })
  await house.work()
  const handle = await startFactory(house, folder)
  await cardWhen(house, handle, isAtGate)
  expect(agreed(await house.ask({ kind: 'budget', run: handle, raiseMicros: null }))).toMatchObject({
    money: { capMicros: 2_000_000 },
  })
  agreed(await house.ask({ kind: 'budget', run: handle, raiseMicros: 5_000_000 }))
  agreed(await house.ask({ kind: 'approve', run: handle, gate: 'budget', sha256: null }))
  expect(agreed(await house.ask({ kind: 'budget', run: handle, raiseMicros: null }))).toMatchObject({
    money: { capMicros: 7_000_000 },
  })
})
