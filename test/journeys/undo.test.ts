import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createTrunk } from '../../adapters/git/trunk.ts'
import type { RunCard } from '../../core/model/card.ts'
import type { Trunk } from '../../core/workshop.ts'
import { administer } from '../support/administer.ts'
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
  type TestHouse,
} from '../support/house.ts'
import { losing } from '../support/losing.ts'
import { approve, makefile, oneMilestone, outcomes, readme, refsOf, treeOf, undo } from '../support/undo.ts'
import { hasSandbox } from '../support/has-sandbox.ts'
import { append, scriptedAgent, workshopOf } from '../support/workshop.ts'

async function textOf(house: TestHouse, run: string, name: string): Promise<string> {
  const reply = agreed(await house.ask({ kind: 'artifacts', run, name }))
  return reply.kind === 'file' ? reply.text : ''
}

type Port = { readonly trunk?: (trunk: Trunk) => Trunk }

/** A folder in which a run has merged its documents and two milestones, or as many as the README has. */
async function merged(text = readme, { trunk = (given) => given }: Port = {}) {
  const agent = scriptedAgent((task, n) => append(task, n === 1 ? 'one.sh' : 'two.sh', `true ${n}\n`))
  const house = await openTestHouse({}, null, {
    codeHost: null,
    git: {},
    workshop: workshopOf(agent),
    trunk: (options) => trunk(createTrunk(options)),
  })
  const folder = await makeRepository(house, 'shop', { 'README.md': text, Makefile: makefile, 'tests.sh': 'true\n' })
  await house.work()
  const handle = await startFactory(house, folder)
  for (const gate of ['anchor', 'first-merge', 'M-001']) await approve(house, handle, gate)
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  return { house, folder, handle }
}

async function commitMine(folder: string, files: Readonly<Record<string, string>> = {}): Promise<void> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  await git(folder, 'add', '.')
  const who = ['-c', 'user.name=T', '-c', 'user.email=t@localhost']
  await git(folder, ...who, 'commit', '--quiet', '--allow-empty', '-m', 'mine')
}

const isPaused = ({ state }: RunCard): boolean => state === 'paused'

test.runIf(hasSandbox)(
  'a merged run is taken back: the files are those of before, its branches and tags are gone, and history only grew',
  { timeout: 60_000 },
  async () => {
    const { house, folder, handle } = await merged()
    const before = await git(folder, 'rev-parse', 'main')
    expect(await textOf(house, handle, 'summary.md')).toContain(`- merge (compensated): \`git revert ${before}\``)
    const by = await undo(house, handle)
    const card = await approve(house, by, 'undo')
    const [gate] = card.gates
    expect(gate?.subject.what).toContain(`Undo of run ${handle}: 3 merges out of main`)
    expect(gate?.subject.facts).toContain('then 6 more undone')
    expect(await git(folder, 'rev-parse', 'main'), 'nothing before the decision').toBe(before)
    const end = await cardWhen(house, by, isAtEnd)
    expect(end).toMatchObject({ state: 'succeeded' })
    expect(await treeOf(folder, 'main')).toBe(await treeOf(folder, 'main~4'))
    expect(await git(folder, 'rev-parse', 'main~1')).toBe(before)
    expect(await git(folder, 'status', '--porcelain')).toBe('')
    expect(await refsOf(folder)).toBe('refs/heads/main')
    expect(outcomes(end)).toEqual(Array.from({ length: 3 }, () => ['compensated', 'undone', 'was gone']).flat())
    const told = end.takenBack.map(({ what, outcome, says }) => `| ${what} | ${outcome} | ${says} |`)
    expect(await textOf(house, by, 'undo.md')).toContain(told.join('\n'))
    const logs = agreed(await house.ask({ kind: 'logs', run: by }))
    expect(logs.kind === 'logs' && logs.lines.filter(({ kind }) => kind === 'taken_back')).toHaveLength(9)
    const patch = await textOf(house, by, 'undo.patch')
    expect(createHash('sha256').update(patch).digest('hex')).toBe(gate?.subject.artifact.sha256)

    expect(denied(await house.ask({ kind: 'undo', run: handle, commit: null }))).toEqual({
      code: 'wrong_state',
      message: `Run ${handle} was undone already.`,
      next: `See /artifacts ${by} undo.md.`,
    })

    const again = await undo(house, by)
    await approve(house, again, 'undo')
    expect(await cardWhen(house, again, isAtEnd)).toMatchObject({ state: 'succeeded' })
    expect(await treeOf(folder, 'main'), 'an undo is undone like any run').toBe(await treeOf(folder, before))
  },
)

test.runIf(hasSandbox)(
  'one merge alone is taken back, the others stay, and the rest of the run can be undone later',
  { timeout: 60_000 },
  async () => {
    const { house, folder, handle } = await merged()
    const [, second] = (await git(folder, 'log', '--format=%H', '-2')).split('\n')
    const by = await undo(house, handle, second?.slice(0, 9))
    expect(denied(await house.ask({ kind: 'undo', run: handle, commit: null }))).toEqual({
      code: 'lock_held',
      message: `Run ${by} undoes this already.`,
      next: `Watch it with /status ${by}.`,
    })
    await approve(house, by, 'undo')
    expect(outcomes(await cardWhen(house, by, isAtEnd))).toEqual(['compensated'])
    expect((await git(folder, 'ls-tree', '--name-only', 'main')).split('\n')).toEqual(
      expect.arrayContaining(['docs', 'two.sh']),
    )
    expect(await git(folder, 'ls-tree', '--name-only', 'main')).not.toContain('one.sh')
    expect(await refsOf(folder), 'tags and all stay').toContain('refs/tags/lkg-')
    const why = denied(await house.ask({ kind: 'undo', run: handle, commit: second ?? '' }))
    expect(why.message).toBe('That merge was undone already.')

    const rest = await undo(house, handle)
    await approve(house, rest, 'undo')
    expect(outcomes(await cardWhen(house, rest, isAtEnd)).filter((word) => word === 'compensated')).toHaveLength(2)
    expect(await treeOf(folder, 'main')).toBe(await treeOf(folder, 'main~5'))
  },
)

test.runIf(hasSandbox)(
  'where others went on from what was merged the undo asks, and goes on once that is out of the way',
  { timeout: 60_000 },
  async () => {
    const { house, folder, handle } = await merged(oneMilestone)
    await commitMine(folder, { 'one.sh': 'true 1\ntrue mine\n' })
    const by = await undo(house, handle)
    const asked = await cardWhen(house, by, isPaused)
    expect([asked.reasonCode, asked.reason]).toEqual([
      'conflict',
      expect.stringMatching(/^Others have changed on main what \w{12} brought, in one\.sh\./),
    ])
    expect(await refsOf(folder), 'nothing was made').not.toContain('/undo')
    await commitMine(folder, { 'one.sh': 'true 1\n' })
    agreed(await house.ask({ kind: 'resume', run: by }))
    await approve(house, by, 'undo')
    expect(await cardWhen(house, by, isAtEnd)).toMatchObject({ state: 'succeeded' })
    expect(await treeOf(folder, 'main')).toBe(await treeOf(folder, 'main~5'))
  },
)

test.runIf(hasSandbox)(
  'a branch that moves while people think has the revert found and asked again, and keeps what came',
  { timeout: 60_000 },
  async () => {
    const { house, folder, handle } = await merged(oneMilestone)
    const by = await undo(house, handle)
    await cardWhen(house, by, isAtGate)
    await commitMine(folder, { 'mine.txt': 'mine\n' })
    await approve(house, by, 'undo')
    const card = await cardWhen(house, by, (it) => isAtGate(it) && it.gates.length === 2)
    expect(card.gates[1]?.subject.changes).toEqual([expect.stringMatching(/^the same lines, on main as it is now/)])
    await approve(house, by, 'undo')
    expect(await cardWhen(house, by, isAtEnd)).toMatchObject({ state: 'succeeded' })
    expect((await git(folder, 'ls-tree', '--name-only', 'main')).split('\n')).toEqual([
      'Makefile',
      'README.md',
      'mine.txt',
      'tests.sh',
    ])
    expect(await refsOf(folder)).toBe('refs/heads/main')
  },
)

test.runIf(hasSandbox)('an undo that is rejected changes nothing and leaves no branch', async () => {
  const { house, folder, handle } = await merged(oneMilestone)
  const [before, refs] = [await git(folder, 'rev-parse', 'main'), await refsOf(folder)]
  const by = await undo(house, handle)
  await cardWhen(house, by, isAtGate)
  expect(await refsOf(folder)).toContain(`quantapilot/${by}/undo`)
  agreed(await house.ask({ kind: 'reject', run: by, gate: null, sha256: null, reason: 'keep it' }))
  expect(await cardWhen(house, by, isAtEnd)).toMatchObject({ state: 'rejected' })
  expect([await git(folder, 'rev-parse', 'main'), await refsOf(folder)]).toEqual([before, refs])
  expect(await undo(house, handle), 'it may be asked for again').not.toBe(by)
})

test.runIf(hasSandbox)(
  'a merge that took commits of others along is left to a person, and the rest is undone when told to go on',
  { timeout: 60_000 },
  async () => {
    const { house, folder, handle } = await merged(oneMilestone)
    const before = await git(folder, 'rev-parse', 'main')
    // As when a code host merges on a branch that has moved since we looked.
    await administer(
      house.database.connection,
      `update app.effects set target = target || '{"before": "${await git(folder, 'rev-parse', 'main~2')}"}'
       where kind = 'merge' and result->>'commit' = '${before}'`,
    )
    const by = await undo(house, handle)
    const asked = await cardWhen(house, by, isPaused)
    expect(asked.reason).toMatch(/commits of others in between\. Revert it by hand\. Then \/resume/)
    agreed(await house.ask({ kind: 'resume', run: by }))
    const end = await cardWhen(house, by, isAtEnd)
    expect(outcomes(end)).toEqual(['failed', 'undone', 'was gone', 'failed', 'undone', 'was gone'])
    expect(await git(folder, 'rev-parse', 'main')).toBe(before)
    expect(await refsOf(folder)).toBe('refs/heads/main')
  },
)

test.runIf(hasSandbox)(
  'when each thing that an undo does is done and its answer lost, it is all undone, once',
  async () => {
    const { house, folder, handle } = await merged(oneMilestone, { trunk: losing })
    const before = await git(folder, 'rev-parse', 'main')
    const by = await undo(house, handle)
    await approve(house, by, 'undo')
    const card = await cardWhen(house, by, isAtEnd)
    expect(card).toMatchObject({ state: 'succeeded' })
    expect(await git(folder, 'rev-parse', 'main~1'), 'one commit').toBe(before)
    expect(await treeOf(folder, 'main')).toBe(await treeOf(folder, 'main~3'))
    expect(await refsOf(folder)).toBe('refs/heads/main')
    const logs = agreed(await house.ask({ kind: 'logs', run: by }))
    const lost =
      logs.kind === 'logs'
        ? logs.lines.flatMap(({ detail }) => (typeof detail['error'] === 'string' ? [detail['error']] : []))
        : []
    expect(lost.toSorted()).toEqual(
      ['commitPatch', 'merge', 'revert', 'withdraw'].map((name) => `the answer of ${name} was lost`),
    )
    const { connection } = house.database
    const rows = await administer(connection, "select kind from app.effects where state = 'undone' order by kind")
    expect(rows.map(({ kind }) => kind)).toEqual(['branch', 'branch', 'merge', 'merge', 'tag', 'tag'])
  },
)

/** A run that ended with its documents on a branch, as it does without an agent. */
async function documented() {
  const house = await openTestHouse()
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  await house.work()
  const handle = await startFactory(house, folder)
  return { house, folder, handle }
}

test('what changes no default branch is undone without asking; a live run is not', async () => {
  const { house, folder, handle } = await documented()
  await cardWhen(house, handle, isAtGate)
  expect(denied(await house.ask({ kind: 'undo', run: handle, commit: null }))).toEqual({
    code: 'wrong_state',
    message: `Run ${handle} is not over yet.`,
    next: `Stop it first: /cancel ${handle}.`,
  })
  await approve(house, handle, 'anchor')
  await cardWhen(house, handle, isAtEnd)
  expect(denied(await house.ask({ kind: 'undo', run: handle, commit: 'abcdef0' })).message).toBe(
    `Run ${handle} merged no commit that begins with abcdef0.`,
  )
  const by = await undo(house, handle)
  const card = await cardWhen(house, by, isAtEnd)
  expect(card).toMatchObject({ state: 'succeeded', gates: [], takenBack: [{ outcome: 'undone' }] })
  expect(await refsOf(folder)).toBe('refs/heads/main')
})

test('a branch that somebody works on stays, and is tried again by the next undo', async () => {
  const { house, folder, handle } = await documented()
  await approve(house, handle, 'anchor')
  await cardWhen(house, handle, isAtEnd)
  const branch = `quantapilot/${handle}/docs`
  const ours = await git(folder, 'rev-parse', branch)
  await git(folder, 'branch', '--force', branch, 'main')
  const card = await cardWhen(house, await undo(house, handle), isAtEnd)
  expect(card.takenBack).toEqual([
    { what: `branch ${branch}`, outcome: 'failed', says: expect.stringContaining('somebody works on it') },
  ])
  await git(folder, 'branch', '--force', branch, ours)
  expect(outcomes(await cardWhen(house, await undo(house, handle), isAtEnd))).toEqual(['undone'])
})

test('a run that has done nothing outside, and one that nobody knows, are refused', async () => {
  const { house, handle } = await documented()
  await cardWhen(house, handle, isAtGate)
  agreed(await house.ask({ kind: 'cancel', run: handle }))
  await cardWhen(house, handle, isAtEnd)
  expect(denied(await house.ask({ kind: 'undo', run: handle, commit: null })).message).toBe(
    `Run ${handle} has done nothing outside that could be undone.`,
  )
  expect(denied(await house.ask({ kind: 'undo', run: 'rzzzz', commit: null })).code).toBe('not_found')
  const order = { target: '/nowhere', branch: null, dryRun: false, confirm: false }
  expect(denied(await house.ask({ kind: 'run', pipeline: 'undo', ...order })).message).toContain('/undo <run>')
})

test('a run that failed and was undone does not go on', async () => {
  const { house, folder, handle } = await documented()
  await cardWhen(house, handle, isAtGate)
  await approve(house, handle, 'anchor')
  await cardWhen(house, handle, isAtEnd)
  const { connection } = house.database
  await administer(connection, "update app.runs set state = 'failed', reason_code = 'FATAL', reason = 'It fell.'")
  await administer(
    connection,
    `update app.events e set kind = 'run_failed', payload = payload || '{"state": "failed", "code": "FATAL", "message": "It fell."}'
     from app.runs r where r.id = e.run_id and r.event_seq = e.seq`,
  )
  const by = await undo(house, handle)
  await cardWhen(house, by, isAtEnd)
  expect(await refsOf(folder)).toBe('refs/heads/main')
  expect(denied(await house.ask({ kind: 'retry', run: handle }))).toEqual({
    code: 'wrong_state',
    message: `Run ${handle} was undone by run ${by}.`,
    next: 'Start a new one with /run.',
  })
})
