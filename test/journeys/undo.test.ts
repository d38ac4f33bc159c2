import { expect, test } from 'vitest'
import type { RunCard } from '../../core/model/card.ts'
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
import { append, hasSandbox, scriptedAgent, workshopOf } from '../support/workshop.ts'

const readme = `# Shop

A shop for parts.

## Paying

- Customers must pay by card.

## Refunds

- A clerk can refund an order.
`

const makefile = 'test:\n\tsh tests.sh\n'

async function approve(house: TestHouse, handle: string, gate: string): Promise<RunCard> {
  const isOpen = ({ name, verdict }: RunCard['gates'][number]): boolean => name === gate && verdict === null
  const card = await cardWhen(house, handle, (it) => isAtGate(it) && it.gates.some(isOpen))
  agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  return card
}

async function undo(house: TestHouse, run: string, commit: string | null = null): Promise<string> {
  const reply = agreed(await house.ask({ kind: 'undo', run, commit }))
  if (reply.kind !== 'started') throw new Error(reply.kind)
  return reply.card.handle
}

async function textOf(house: TestHouse, run: string, name: string): Promise<string> {
  const reply = agreed(await house.ask({ kind: 'artifacts', run, name }))
  return reply.kind === 'file' ? reply.text : ''
}

/** A folder in which a run has merged its documents and two milestones. */
async function merged() {
  const agent = scriptedAgent((task, n) => append(task, n === 1 ? 'one.sh' : 'two.sh', 'true\n'))
  const house = await openTestHouse({}, null, { codeHost: null, git: {}, workshop: workshopOf(agent) })
  const folder = await makeRepository(house, 'shop', { 'README.md': readme, Makefile: makefile, 'tests.sh': 'true\n' })
  await house.work()
  const handle = await startFactory(house, folder)
  for (const gate of ['anchor', 'first-merge', 'M-001']) await approve(house, handle, gate)
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  return { house, folder, handle }
}

test.runIf(hasSandbox)(
  'a merged run is taken back: the files are those of before, its branches and tags are gone, and history only grew',
  async () => {
    const { house, folder, handle } = await merged()
    const before = await git(folder, 'rev-parse', 'main')
    const by = await undo(house, handle)
    const card = await approve(house, by, 'undo')
    const [gate] = card.gates
    expect(gate?.subject.what).toContain(`Undo of run ${handle}: 3 merges out of main`)
    expect(await cardWhen(house, by, isAtEnd)).toMatchObject({ state: 'succeeded' })
    expect(await git(folder, 'rev-parse', 'main^{tree}')).toBe(await git(folder, 'rev-parse', 'main~4^{tree}'))
    expect(await git(folder, 'rev-parse', 'main~1')).toBe(before)
    expect(await git(folder, 'status', '--porcelain')).toBe('')
    expect(await git(folder, 'for-each-ref', '--format=%(refname)')).toBe('refs/heads/main')
    const rows = (await textOf(house, by, 'undo.md')).split('\n').filter((line) => /^\| (?!effect|---)/.test(line))
    expect(rows.map((row) => row.split(' | ')[1])).toEqual(
      Array.from({ length: 3 }, () => ['compensated', 'undone', 'was gone']).flat(),
    )
  },
)
