import { expect, test } from 'vitest'
import { createBuiltinAuthor } from '../../adapters/builtin-author/author.ts'
import type { Author, AuthorRequest, Writing } from '../../core/ports.ts'
import type { Reviewer } from '../../core/workshop.ts'
import { administer } from '../support/administer.ts'
import { hasSandbox } from '../support/has-sandbox.ts'
import { agreed, cardWhen, git, isAtEnd, makeRepository, openTestHouse, startFactory } from '../support/house.ts'
import { atWork, isWaitingAt, twoMilestones } from '../support/real-work.ts'
import { append, scriptedAgent, workshopOf } from '../support/workshop.ts'

const passes = 'echo true >> tests.sh'

test.runIf(hasSandbox).each([
  ['the project’s file', { settings: 'models: { dev: { temperature: 0.1, max_output_tokens: 100 } }\n' }, [100, 0.1]],
  [
    'the server’s policy',
    {
      settings: 'models: { dev: { max_output_tokens: 9000 } }\n',
      policy: 'models: { dev: { max_output_tokens: 4000 } }\n',
    },
    [4_000, undefined],
  ],
])('what %s says of answers holds every call of a coding agent', { timeout: 90_000 }, async (_, files, held) => {
  const { house, handle, heard } = await atWork({ commands: [passes], ...files })
  await cardWhen(house, handle, isWaitingAt('M-001'))
  const sent = heard.map((text) => JSON.parse(text) as Record<string, unknown>)
  expect(sent.map((body) => [body['max_output_tokens'], body['temperature']])).toEqual([held, held])
  const rows = await administer(
    house.database.connection,
    `select reserved_tokens from app.reservations where purpose like 'agent %'`,
  )
  expect(rows).toHaveLength(2)
  for (const row of rows) expect(Number(row['reserved_tokens'])).toBeLessThan(Number(held[0]) + 5_000)
})

test.runIf(hasSandbox)(
  'where tests need not pass, a change that fails them goes to people at once, who are told, and nobody merges it unasked',
  { timeout: 90_000 },
  async () => {
    const settings = 'gates: { tests_required: false }\n'
    const { house, handle } = await atWork({
      commands: ['echo x >> a.txt; echo false > tests.sh'],
      settings,
      readme: twoMilestones,
    })
    for (const gate of ['M-001', 'M-002']) {
      const card = await cardWhen(house, handle, isWaitingAt(gate))
      const { risks, facts } = card.gates.find(({ name }) => name === gate)?.subject ?? { risks: [], facts: [] }
      expect(risks).toContain(
        `The tests fail: the project’s commands ended with 2. ${gate}/test-1.txt has what they printed.`,
      )
      expect(facts.join()).not.toContain('tests passed')
      agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
    }
  },
)

/** Writes what the built-in author does, with links that lead nowhere, however often it is told. */
function carelessAuthor(): Author {
  const author = createBuiltinAuthor()
  const broken = (writing: Writing): Writing => ({
    ...writing,
    documents: writing.documents.map(({ path, text }) => ({ path, text: `${text}\n[more](nowhere.md)\n` })),
  })
  return {
    ...author,
    writeAnchor: async (request, desk) => broken(await author.writeAnchor(request, desk)),
    writeSuite: async (request, desk) => broken(await author.writeSuite(request, desk)),
  }
}

test.runIf(hasSandbox)(
  'where documents need not pass the lint, those that do not go to people, who are told',
  { timeout: 90_000 },
  async () => {
    const workshop = workshopOf(scriptedAgent(() => Promise.resolve()))
    const house = await openTestHouse({}, null, { codeHost: null, git: {}, author: carelessAuthor(), workshop })
    const settings = 'gates: { docs_lint: false }\n'
    const folder = await makeRepository(house, 'shop', { 'README.md': twoMilestones, 'quantapilot.yml': settings })
    await house.work()
    const handle = await startFactory(house, folder)
    const anchor = await cardWhen(house, handle, isWaitingAt('anchor'))
    expect(anchor.outlook?.policy).toContain('documents need not pass the lint')
    expect(anchor.gates.at(-1)?.subject.risks).toContainEqual(
      expect.stringMatching(/^The lint has 1 error in ANCHOR\.md, first: docs\/ANCHOR\.md:\d+ \S+: .*nowhere\.md/),
    )
    agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
    const merge = await cardWhen(house, handle, isWaitingAt('first-merge'))
    expect(merge.gates.at(-1)?.subject.risks).toEqual([
      expect.stringContaining('The lint has 12 errors in the documents, first: docs/00_overview.md:'),
    ])
  },
)

test('documents that do not pass the lint fail the run where policy says nothing, or the server demands it', async () => {
  for (const policy of ['', 'gates: { docs_lint: true }\n']) {
    const house = await openTestHouse({}, null, { codeHost: null, git: {}, author: carelessAuthor(), policy })
    const settings = policy === '' ? '' : 'gates: { docs_lint: false }\n'
    const folder = await makeRepository(house, 'shop', { 'README.md': twoMilestones, 'quantapilot.yml': settings })
    await house.work()
    const card = await cardWhen(house, await startFactory(house, folder), isAtEnd)
    expect(card).toMatchObject({ state: 'failed', reason: expect.stringContaining('do not pass the lint') })
  }
})

test.runIf(hasSandbox)(
  'what a project says of models, commands and merges reaches whoever works for it',
  { timeout: 90_000 },
  async () => {
    const heard: AuthorRequest['tuning'][] = []
    const builtin = createBuiltinAuthor()
    const author: Author = {
      ...builtin,
      writeAnchor: (request, desk) => (heard.push(request.tuning), builtin.writeAnchor(request, desk)),
    }
    const reviewer: Reviewer = {
      name: 'm',
      review: ({ tuning, milestone }) => {
        heard.push(tuning)
        const criteria = milestone.criteria.map(() => ({ verdict: 'met', why: 'in a.txt' }) as const)
        return Promise.resolve({ by: 'm', criteria, bugs: [], leftOut: [] })
      },
    }
    const agent = scriptedAgent((task) => append(task, 'a.txt', 'one\n'))
    const models = ['m/one', 'm/two', 'm/three']
    const workshop = workshopOf(agent, null, reviewer)
    const house = await openTestHouse({}, null, { codeHost: null, git: {}, author, models, workshop })
    const settings = `models:
  arch: { model: m/one, temperature: 0.1, max_output_tokens: 1001 }
  dev: { model: m/two, temperature: 0.2, max_output_tokens: 1002 }
  qa: { model: m/three, temperature: 0.3, max_output_tokens: 1003 }
stack: { build: echo so it is built, test: echo and tried }
steps: [{ name: impl, timeout_s: 77 }]
policies: { merge: merge, allow_paths: ["*.txt"], model_change_requires_gate: true }
`
    const folder = await makeRepository(house, 'shop', { 'README.md': twoMilestones, 'quantapilot.yml': settings })
    await house.work()
    const handle = await startFactory(house, folder)
    for (const gate of ['anchor', 'first-merge', 'M-001']) {
      await cardWhen(house, handle, isWaitingAt(gate))
      if (gate !== 'M-001') agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
    }
    expect(heard).toEqual([
      { model: 'm/one', temperature: 0.1, maxOutputTokens: 1_001, mayChange: false },
      { model: 'm/three', temperature: 0.3, maxOutputTokens: 1_003, mayChange: false },
    ])
    const asked = { model: 'm/two', temperature: 0.2, maxOutputTokens: 1_002, mayChange: false, timeoutMs: 77_000 }
    expect(agent.tasks).toMatchObject([asked])
    const log = agreed(await house.ask({ kind: 'artifacts', run: handle, name: 'M-001/test-1.txt' }))
    expect(log.kind === 'file' && log.text).toMatch(/so it is built[\s\S]+and tried/)
    expect(await git(folder, 'rev-list', '--count', '--merges', 'main'), 'not squashed').toBe('1')
  },
)
