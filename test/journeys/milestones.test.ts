import { readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  agreed,
  cardWhen,
  git,
  isAtEnd,
  isAtGate,
  makeRepository,
  openTestHouse,
  startFactory,
  type TestHouse,
} from '../support/house.ts'
import { losing } from '../support/losing.ts'
import type { AgentReport } from '../../core/workshop.ts'
import { hasSandbox } from '../support/has-sandbox.ts'
import { append, type Deed, scriptedAgent, workshopOf } from '../support/workshop.ts'

const readme = `# Shop

A shop for parts.

## Paying

- Customers must pay by card.

## Refunds

- A clerk can refund an order.
`

/** Runs without a package of anybody's. */
const makefile = 'test:\n\tsh tests.sh\n'

async function approve(house: TestHouse, handle: string, gate: string) {
  const card = await cardWhen(
    house,
    handle,
    (it) => isAtGate(it) && it.gates.some(({ name, verdict }) => name === gate && verdict === null),
  )
  agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  return card.gates.find(({ name, verdict }) => name === gate && verdict === null)
}

test.runIf(hasSandbox)(
  'a README becomes merged code: documents first, then each milestone, and the folder has it all at the end',
  async () => {
    const agent = scriptedAgent(async (task, n) => {
      const [, id] = /- (R-\w+):/.exec(task.prompt) ?? []
      await append(task, 'shop.sh', `# ${id}\n`)
      await append(task, 'tests.sh', `grep -q ${id} shop.sh # ${n}\n`)
    })
    const house = await openTestHouse({}, null, { codeHost: null, git: {}, workshop: workshopOf(agent) })
    const folder = await makeRepository(house, 'shop', { 'README.md': readme, Makefile: makefile })
    await house.work()
    const handle = await startFactory(house, folder)
    await approve(house, handle, 'anchor')
    await approve(house, handle, 'first-merge')
    const gate = await approve(house, handle, 'M-001')
    expect(gate?.subject.what).toContain('M-001 Paying: 2 files (+2 −0) into main')
    expect(gate?.subject.facts.join()).toContain('undo: merge compensated by a revert, branch and tag undone')
    const card = await cardWhen(house, handle, isAtEnd)
    expect(card).toMatchObject({ state: 'succeeded', money: { spentMicros: 20_000, reservedMicros: 0 } })
    const log = (await git(folder, 'log', '--format=%s')).split('\n')
    expect(log).toEqual([
      'feat: refunds (M-002)',
      'feat: paying (M-001)',
      `docs: documentation suite of run ${handle}`,
      'first',
    ])
    expect(await git(folder, 'status', '--porcelain')).toBe('')
    expect(await git(folder, 'branch', '--list', 'quantapilot/*')).toBe('')
    expect(agent.tasks).toHaveLength(2)
  },
)

test.runIf(hasSandbox)(
  'when each thing that is done outside is done and its answer lost, the same comes of it, once',
  async () => {
    const agent = scriptedAgent((task, n) => append(task, 'tests.sh', `true # ${n}\n`))
    const house = await openTestHouse({}, null, {
      codeHost: null,
      git: {},
      workshop: (options) => {
        const workshop = workshopOf(agent)(options)
        if (!workshop) throw new Error('no workshop')
        const { workspaces, trunk, sandbox } = workshop
        return { ...workshop, workspaces: losing(workspaces), trunk: losing(trunk), sandbox: losing(sandbox) }
      },
    })
    const folder = await makeRepository(house, 'shop', { 'README.md': readme, Makefile: makefile })
    await house.work()
    const handle = await startFactory(house, folder)
    for (const gate of ['anchor', 'first-merge', 'M-001']) await approve(house, handle, gate)
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded', money: { reservedMicros: 0 } })
    expect((await git(folder, 'log', '--format=%s')).split('\n')).toEqual([
      'feat: refunds (M-002)',
      'feat: paying (M-001)',
      `docs: documentation suite of run ${handle}`,
      'first',
    ])
    expect(await git(folder, 'status', '--porcelain')).toBe('')
    expect((await git(folder, 'tag')).split('\n')).toHaveLength(3)
  },
)

/** A run at the gate of its only milestone's first change, made by an agent that does this. */
async function atWork(deed: Deed, files: Readonly<Record<string, string>> = {}, report: Partial<AgentReport> = {}) {
  const scripted = scriptedAgent(deed)
  const agent: typeof scripted = {
    ...scripted,
    work: async (task, desk) => ({ ...(await scripted.work(task, desk)), ...report }),
  }
  const house = await openTestHouse({}, null, { codeHost: null, git: {}, workshop: workshopOf(agent) })
  const given = { 'README.md': readme.split('## Refunds')[0] ?? '', Makefile: makefile, ...files }
  const folder = await makeRepository(house, 'shop', given)
  await house.work()
  const handle = await startFactory(house, folder)
  await approve(house, handle, 'anchor')
  await approve(house, handle, 'first-merge')
  return { agent, house, folder, handle }
}

const isPaused = ({ state }: { state: string }): boolean => state === 'paused'

const passing: Deed = (task, n) => append(task, 'tests.sh', `true # R-${n}\n`)

test.runIf(hasSandbox)(
  'what fails its tests goes back with what they said, and people see only what passed',
  async () => {
    const { agent, house, handle } = await atWork((task, n) =>
      writeFile(join(task.folder, 'tests.sh'), n === 1 ? 'echo broken glass; false\n' : 'true\n'),
    )
    const card = await cardWhen(house, handle, (it) => isAtGate(it) && it.gates.some(({ name }) => name === 'M-001'))
    expect(agent.tasks).toHaveLength(2)
    expect(agent.tasks[1]?.prompt).toContain('broken glass')
    expect(agent.tasks[1]?.prompt).toContain('The files hold your last try')
    expect(card.gates.find(({ name }) => name === 'M-001')?.subject.facts.join('\n')).toMatch(/tests passed in \d/)
  },
)

test.runIf(hasSandbox)(
  'a change to the code host’s own files never gets as far as a gate, and after three tries a person is asked',
  async () => {
    const { agent, house, handle } = await atWork((task, n) =>
      append(task, '.gitattributes', `${n}\n`).then(() => append(task, 'tests.sh', 'true\n')),
    )
    const card = await cardWhen(house, handle, isPaused)
    expect(card.reasonCode).toBe('attempts')
    expect(card.reason).toMatch(/^M-001 was sent back 3 times, last because: This may not be part of the change/)
    expect(agent.tasks).toHaveLength(3)
    agreed(await house.ask({ kind: 'resume', run: handle }))
    await cardWhen(house, handle, (it) => isPaused(it) && agent.tasks.length === 4)
  },
)

test.runIf(hasSandbox)(
  'what cannot be taken from an agent goes back to it with the reason, and its other files stay',
  async () => {
    const seen: string[][] = []
    const { agent, house, handle } = await atWork(async (task, n) => {
      seen.push((await readdir(task.folder)).filter((name) => ['tests.sh', 'leak'].includes(name)))
      if (n === 1) await append(task, 'tests.sh', 'true\n')
      if (n === 1) await symlink('/etc/passwd', join(task.folder, 'leak'))
    })
    const card = await cardWhen(house, handle, (it) => isAtGate(it) && it.gates.some(({ name }) => name === 'M-001'))
    expect(agent.tasks).toHaveLength(2)
    expect(agent.tasks[1]?.prompt).toContain('leak is a symbolic link and was left out')
    expect(seen).toEqual([[], ['tests.sh']])
    expect(card.gates.find(({ name }) => name === 'M-001')?.subject.what, 'people see the rest alone').toContain(
      '1 file (+1 −0)',
    )
  },
)

test.runIf(hasSandbox)(
  'an agent that leaves the same files again and again is stopped, and a person is asked',
  async () => {
    const { agent, house, handle } = await atWork(() => Promise.resolve(), {
      'quantapilot.yml': 'limits: { max_retries: 9 }\n',
    })
    const card = await cardWhen(house, handle, isPaused)
    expect([card.reasonCode, agent.tasks.length]).toEqual(['no_progress', 3])
    const named = /\/artifacts \w+ (M-001\/agent-3\.txt) has its last words/.exec(card.reason ?? '')?.[1]
    const words = agreed(await house.ask({ kind: 'artifacts', run: handle, name: named ?? '' }))
    expect(words.kind === 'file' && words.text).toContain('done')
  },
)

test.runIf(hasSandbox)('an agent that cannot even begin is not asked twice, and people hear why', async () => {
  const said =
    'node:internal/modules/cjs/loader:1210\n  throw err;\n\nError: Cannot find module /opt/agent.mjs\n    at x'
  const report = { ended: 'failed', said, calls: 0 } as const
  const { agent, house, handle } = await atWork(() => Promise.resolve(), {}, report)
  const card = await cardWhen(house, handle, isPaused)
  expect([card.reasonCode, agent.tasks.length]).toEqual(['no_progress', 1])
  expect(card.reason).toContain(
    'ended with an error before it asked its model anything for M-001: Error: Cannot find module /opt/agent.mjs. ',
  )
  const words = agreed(await house.ask({ kind: 'artifacts', run: handle, name: 'M-001/agent-1.txt' }))
  expect(words.kind === 'file' && words.text).toContain(said)
})

test.runIf(hasSandbox)(
  'changes asked for at the gate reach the agent, and the next gate shows what is new',
  async () => {
    const { agent, house, handle } = await atWork(passing)
    await cardWhen(house, handle, (it) => isAtGate(it) && it.gates.some(({ name }) => name === 'M-001'))
    agreed(await house.ask({ kind: 'changes', run: handle, gate: null, reason: 'Name the card too.', sha256: null }))
    const isAgain = (it: Parameters<typeof isAtGate>[0]) =>
      isAtGate(it) && it.gates.filter(({ name }) => name === 'M-001').length === 2
    const card = await cardWhen(house, handle, isAgain)
    expect(agent.tasks[1]?.prompt).toMatch(/<<< a reviewer asks for (\w+)\nName the card too\.\n>>> \1/)
    const open = card.gates.find(({ verdict }) => verdict === null)
    expect(open?.subject.changes).toEqual(['now +true # R-2'])
  },
)

test.runIf(hasSandbox)(
  'a base that moves while people think has the change tested and asked again, and the merge holds both',
  async () => {
    const { agent, house, folder, handle } = await atWork(passing)
    await cardWhen(house, handle, (it) => isAtGate(it) && it.gates.some(({ name }) => name === 'M-001'))
    await git(
      folder,
      '-c',
      'user.name=T',
      '-c',
      'user.email=t@localhost',
      'commit',
      '--quiet',
      '--allow-empty',
      '-m',
      'mine',
    )
    await approve(house, handle, 'M-001')
    const isAgain = (it: Parameters<typeof isAtGate>[0]) =>
      isAtGate(it) && it.gates.filter(({ name }) => name === 'M-001').length === 2
    const card = await cardWhen(house, handle, isAgain)
    expect(card.gates.find(({ verdict }) => verdict === null)?.subject.changes).toEqual([
      'the same lines, on main as it is now',
    ])
    await approve(house, handle, 'M-001')
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
    expect((await git(folder, 'log', '--format=%s', '-2')).split('\n')).toEqual(['feat: paying (M-001)', 'mine'])
    expect(agent.tasks, 'nothing was written twice').toHaveLength(1)
  },
)

test.runIf(hasSandbox)(
  'where others changed the same lines the run asks what to do, and has it made again when told to go on',
  async () => {
    const { agent, house, folder, handle } = await atWork((task) => append(task, 'tests.sh', `true # R-1\n`))
    await cardWhen(house, handle, (it) => isAtGate(it) && it.gates.some(({ name }) => name === 'M-001'))
    await writeFile(join(folder, 'tests.sh'), 'true # mine\n')
    await git(folder, 'add', '.')
    await git(folder, '-c', 'user.name=T', '-c', 'user.email=t@localhost', 'commit', '--quiet', '-m', 'mine')
    await approve(house, handle, 'M-001')
    const card = await cardWhen(house, handle, isPaused)
    expect([card.reasonCode, card.reason]).toEqual([
      'conflict',
      expect.stringMatching(/^M-001 does not fit main any more/),
    ])
    agreed(await house.ask({ kind: 'resume', run: handle }))
    await cardWhen(house, handle, (it) => isAtGate(it) && agent.tasks.length === 2)
    await approve(house, handle, 'M-001')
    await cardWhen(house, handle, isAtEnd)
    expect(await git(folder, 'show', 'main:tests.sh')).toBe('true # mine\ntrue # R-1')
  },
)

test.runIf(hasSandbox)(
  'migrations and the rules of continuous integration have gates of their own where the project wants them',
  async () => {
    const policies =
      'policies: { gates: { migration: { roles: [approver] }, ci-policy: { roles: [admin, approver] } } }\n'
    const { house, folder, handle } = await atWork(
      async (task) => {
        await append(task, 'tests.sh', 'true\n')
        await append(task, 'db.sql', 'create table a (b int);\ndrop table customers;\n')
        await append(task, 'Jenkinsfile', 'sh "make"\n')
      },
      { 'quantapilot.yml': policies },
    )
    const milestone = await approve(house, handle, 'M-001')
    expect(milestone?.subject.risks[0]).toBe('db.sql takes data away: drop table customers;')
    const ci = await approve(house, handle, 'ci-policy')
    expect(ci).toMatchObject({ roles: ['admin', 'approver'], subject: { changes: ['Jenkinsfile +sh "make"'] } })
    const migration = await approve(house, handle, 'migration')
    expect(migration).toMatchObject({
      roles: ['approver'],
      subject: { risks: ['db.sql takes data away: drop table customers;'] },
    })
    expect(migration?.subject.artifact.sha256, 'all three are about the same bytes').toBe(
      milestone?.subject.artifact.sha256,
    )
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
    expect(await git(folder, 'show', 'main:Jenkinsfile')).toBe('sh "make"')
  },
)

test.runIf(hasSandbox)(
  'documents whose base moved are offered once more, and what they take the place of is gone',
  async () => {
    const agent = scriptedAgent(passing)
    const house = await openTestHouse({}, null, { codeHost: null, git: {}, workshop: workshopOf(agent) })
    const folder = await makeRepository(house, 'shop', { 'README.md': readme, Makefile: makefile })
    await house.work()
    const handle = await startFactory(house, folder)
    await approve(house, handle, 'anchor')
    await cardWhen(house, handle, (it) => isAtGate(it) && it.gates.some(({ name }) => name === 'first-merge'))
    const name = ['-c', 'user.name=T', '-c', 'user.email=t@localhost']
    await git(folder, ...name, 'commit', '--quiet', '--allow-empty', '-m', 'mine')
    await approve(house, handle, 'first-merge')
    const again = (it: Parameters<typeof isAtGate>[0]) =>
      isAtGate(it) && it.gates.filter((gate) => gate.name === 'first-merge').length === 2
    const offered = await cardWhen(house, handle, again)
    expect(offered.outlook?.policy, 'which gates there will be').toContain('gate m-001: one of approver or admin')
    const changesOf = (card: typeof offered): unknown =>
      card.gates.find(({ verdict }) => verdict === null)?.subject.changes
    expect(changesOf(offered)).toEqual([expect.stringMatching(/^the same documents, on main as it is now \(/)])
    const left = (await git(folder, 'branch', '--list', 'quantapilot/*', '--format=%(refname:short)')).split('\n')
    expect(left).toEqual([`quantapilot/${handle}/docs-2`])
    await approve(house, handle, 'first-merge')
    await cardWhen(house, handle, (it) => isAtGate(it) && it.gates.some((gate) => gate.name === 'M-001'))
    expect((await git(folder, 'log', '--format=%s')).split('\n').slice(0, 2)).toEqual([
      `docs: documentation suite of run ${handle}`,
      'mine',
    ])
  },
)
