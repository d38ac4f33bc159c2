import { expect, test } from 'vitest'
import type { RunCard } from '../../core/model/card.ts'
import { administer } from '../support/administer.ts'
import { openFoundry } from '../support/foundry.ts'
import {
  agreed,
  cardWhen,
  git,
  isAtEnd,
  isAtGate,
  makeRepository,
  startFactory,
  type TestHouse,
} from '../support/house.ts'
import { until } from '../support/program.ts'
import { atWork } from '../support/real-work.ts'
import { trapInDatabase } from '../support/trap.ts'
import { hasSandbox } from '../support/has-sandbox.ts'

const readme = '# Shop\n\nA shop for parts.\n\n## Paying\n\n- Customers must pay by card.\n'
const files = { 'README.md': readme, Makefile: 'test:\n\tsh tests.sh\n' }

const isPaused = ({ state }: RunCard): boolean => state === 'paused'
const isOpen =
  (gate: string) =>
  (card: RunCard): boolean =>
    card.gates.some(({ name, verdict }) => name === gate && verdict === null)

/** Makes a file and prints more than there is money for; where the file is there already it finishes. */
const firstHalf = `if [ -f a.sh ]; then echo '. ./a.sh' > tests.sh; else echo true >> a.sh; MORE seq 20000; fi`

async function namesOf(house: TestHouse, handle: string): Promise<readonly string[]> {
  const reply = agreed(await house.ask({ kind: 'artifacts', run: handle, name: null }))
  return reply.kind === 'artifacts'
    ? reply.artifacts.map(({ name }) => name).filter((name) => name.startsWith('M-'))
    : []
}

async function textOf(house: TestHouse, handle: string, name: string): Promise<string> {
  const reply = agreed(await house.ask({ kind: 'artifacts', run: handle, name }))
  return reply.kind === 'file' ? reply.text : ''
}

/** Grants what the run asks for, and what the milestone shows after that; answers with the card at its gate. */
async function toTheEnd(house: TestHouse, handle: string): Promise<RunCard> {
  const card = await cardWhen(house, handle, (it) => isAtGate(it) && isOpen('M-001')(it))
  agreed(await house.ask({ kind: 'approve', run: handle, gate: 'M-001', sha256: null }))
  await cardWhen(house, handle, isAtEnd)
  return card
}

const tokens = 'limits: { tokens_per_run: 40000 }\n'

test.runIf(hasSandbox)(
  'what an agent had written when its money was refused is there when it goes on, and is not paid for again',
  { timeout: 60_000 },
  async () => {
    const more = `ln -s /etc/passwd leak; mkdir .github; echo 'on: push' > .github/x.yml; echo 'k=ghp_${'a'.repeat(36)}' > key.sh;`
    const command = firstHalf.replace('MORE', more).replace('> tests.sh', '> tests.sh; rm -r .github key.sh')
    const { house, folder, handle, heard } = await atWork({ commands: [command], settings: tokens })
    const card = await cardWhen(house, handle, isPaused)
    expect(card).toMatchObject({ reasonCode: 'budget', money: { spentTokens: 120 } })
    expect(isOpen('budget')(card)).toBe(true)
    expect(isOpen('M-001')(card), 'nobody is shown what is unfinished').toBe(false)
    expect(await namesOf(house, handle)).toEqual([
      'M-001/task.md',
      'M-001/unfinished-1.json',
      'M-001/unfinished-1.patch',
    ])
    expect(await git(folder, 'branch', '--list', 'quantapilot/*')).toBe('')
    agreed(await house.ask({ kind: 'approve', run: handle, gate: 'budget', sha256: null }))
    const shown = await toTheEnd(house, handle)
    expect(shown.money.spentTokens, 'one call before, two after').toBe(360)
    const [, question = ''] = heard
    expect(question).toContain('The files hold unfinished work of your own, from a try that was ended early')
    for (const why of [
      'leak is a symbolic link and was left out',
      '.github/x.yml: git’s and the code host’s own files are for people',
      'key.sh: it holds what looks like a key or password',
    ])
      expect(question).toContain(why)
    expect(await git(folder, 'show', 'main:a.sh'), 'it was written once').toBe('true')
    expect((await git(folder, 'ls-tree', '-r', '--name-only', 'main')).split('\n')).not.toContain('leak')
  },
)

test.runIf(hasSandbox)(
  'what unfinished work may not hold is refused in the whole try that comes of it',
  { timeout: 60_000 },
  async () => {
    const command = firstHalf.replace('MORE', `mkdir .github; echo 'on: push' > .github/x.yml;`)
    const settings = 'limits: { tokens_per_run: 40000, max_retries: 0 }\n'
    const { house, handle } = await atWork({ commands: [command], settings })
    await cardWhen(house, handle, isPaused)
    agreed(await house.ask({ kind: 'approve', run: handle, gate: 'budget', sha256: null }))
    const card = await cardWhen(house, handle, (it) => isPaused(it) && it.reasonCode !== 'budget')
    expect(card.reason).toMatch(/last because: This may not be part of the change/)
    expect(card.gates.map(({ name }) => name)).not.toContain('M-001')
  },
)

test.runIf(hasSandbox).each(['is paused', 'loses its worker in order'])(
  'a run that %s in the middle of an agent’s work keeps it as well',
  { timeout: 60_000 },
  async (how) => {
    const busy = Promise.withResolvers<void>()
    let isFirst = true
    const ready = async (n: number): Promise<void> => {
      if (n !== 2 || !isFirst) return
      isFirst = false
      busy.resolve()
      await new Promise(() => undefined)
    }
    const commands = [firstHalf.replace('MORE seq 20000;', 'true;')]
    const { house, worker, folder, handle, heard } = await atWork({ commands, settings: '', ready })
    await busy.promise
    if (how === 'is paused') {
      agreed(await house.ask({ kind: 'pause', run: handle }))
      await cardWhen(house, handle, isPaused)
      agreed(await house.ask({ kind: 'resume', run: handle }))
    } else {
      await worker.stop()
      await house.work()
    }
    await toTheEnd(house, handle)
    expect(heard[2]).toContain('unfinished work of your own')
    expect(await git(folder, 'show', 'main:a.sh')).toBe('true')
  },
)

test.runIf(hasSandbox)(
  'a worker that is killed between keeping such work and the pause loses nothing of it, and nothing is there twice',
  { timeout: 120_000 },
  async () => {
    // A second file where the first is there, and no end before the third try.
    const long = 'seq 60000'
    const command = `if [ -f b.sh ]; then echo '. ./a.sh' > tests.sh; elif [ -f a.sh ]; then echo true >> b.sh; ${long}; else echo true >> a.sh; ${long}; fi`
    const foundry = await openFoundry({ host: 'folder', commands: [command] })
    const { state } = foundry
    const worker = await foundry.start()
    const settings = 'limits: { tokens_per_run: 200000 }\n'
    const folder = await makeRepository(state, 'shop', { ...files, 'quantapilot.yml': settings })
    const handle = await startFactory(state, folder)
    const when = async (isThere: (card: RunCard) => boolean): Promise<RunCard> => {
      let last: RunCard | null = null
      await until(async () => {
        const reply = agreed(await state.ask({ kind: 'status', run: handle, page: 1 }))
        last = reply.kind === 'card' ? reply.card : null
        return last !== null && isThere(last)
      }, handle)
      return last as unknown as RunCard
    }
    const point = { table: 'attempts', on: 'insert', when: `new.step_id = 'm-001-implement'` } as const
    const trap = await trapInDatabase(state.database.connection, point)
    for (const gate of ['anchor', 'first-merge']) {
      await when((card) => isAtGate(card) && isOpen(gate)(card))
      agreed(await state.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
    }
    expect(await trap.sprung).toBe(true)
    await worker.kill({ signal: 'SIGKILL' })
    await trap.open()
    await foundry.start()
    const paused = await when(isPaused)
    expect(paused.reasonCode).toBe('budget')
    expect(paused.gates.filter(({ name }) => name === 'budget')).toHaveLength(1)
    expect((await textOf(state, handle, 'M-001/unfinished-1.patch')).match(/^\+\+\+ .*/gm)).toEqual([
      '+++ b/a.sh',
      '+++ b/b.sh',
    ])
    agreed(await state.ask({ kind: 'approve', run: handle, gate: 'budget', sha256: null }))
    await when((card) => isAtGate(card) && isOpen('M-001')(card))
    agreed(await state.ask({ kind: 'approve', run: handle, gate: 'M-001', sha256: null }))
    const end = await when(isAtEnd)
    expect(end.state).toBe('succeeded')
    for (const file of ['a.sh', 'b.sh']) expect(await git(folder, 'show', `main:${file}`), file).toBe('true')
    const calls = `select count(*)::integer as calls, sum(spent_tokens)::integer as spent, count(*) filter (where settled_at is null)::integer as open
      from app.reservations where run_id = '${end.runId}' and step_id = 'm-001-implement'`
    expect(await administer(state.database.connection, calls), 'one call, one, and two').toEqual([
      { calls: 4, spent: 480, open: 0 },
    ])
    await expect.poll(() => foundry.leftovers(), { timeout: 5_000 }).toEqual([])
  },
)
