import { readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import type { RunCard } from '../../core/model/card.ts'
import { type Foundry, openFoundry, processesWith } from '../support/foundry.ts'
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
import { until } from '../support/program.ts'
import { hasSandbox } from '../support/has-sandbox.ts'
import { scriptedAgent, workshopOf } from '../support/workshop.ts'

const readme = '# Shop\n\nA shop for parts.\n\n## Paying\n\n- Customers must pay by card.\n'
const files = { 'README.md': readme, Makefile: 'test:\n\tsh tests.sh\n', 'tests.sh': 'true\n', 'a.txt': 'a\n' }

const isOpen =
  (gate: string) =>
  (card: RunCard): boolean =>
    isAtGate(card) && card.gates.some(({ name, verdict }) => name === gate && verdict === null)

async function toTheAgent(house: TestHouse, handle: string): Promise<void> {
  for (const gate of ['anchor', 'first-merge']) {
    await until(() => shows(house, handle, isOpen(gate)), `${handle} at ${gate}`)
    agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  }
}

async function shows(house: TestHouse, handle: string, isThere: (card: RunCard) => boolean): Promise<boolean> {
  const reply = agreed(await house.ask({ kind: 'status', run: handle, page: 1 }))
  return reply.kind === 'card' && isThere(reply.card)
}

test.runIf(hasSandbox)(
  'agents of runs in the same and in other repositories work at once, and no file of one is in the patch of another',
  { timeout: 60_000 },
  async () => {
    const inside = new Set<string>()
    const allThere = Promise.withResolvers<void>()
    const seen: string[] = []
    const agent = scriptedAgent(async ({ folder }) => {
      const [run = ''] = basename(folder).split('-')
      for (const name of await readdir(folder, { recursive: true }))
        if (name.endsWith('.txt') || name.endsWith('.md')) await writeFile(join(folder, name), `written by ${run}\n`)
      for (let n = 0; n < 20; n++) await writeFile(join(folder, `made-${n}.txt`), `written by ${run}\n`)
      inside.add(run)
      if (inside.size === 4) allThere.resolve()
      await allThere.promise
      for (const name of await readdir(folder))
        if (name.endsWith('.txt')) seen.push(`${run}: ${await readFile(join(folder, name), 'utf8')}`)
    })
    const house = await openTestHouse({}, null, { codeHost: null, git: {}, workshop: workshopOf(agent) })
    const [one, other] = [await makeRepository(house, 'one', files), await makeRepository(house, 'other', files)]
    for (const branch of ['next', 'last']) await git(one, 'branch', branch)
    await house.work()
    await house.work()
    const handles: string[] = []
    for (const branch of ['main', 'next', 'last']) handles.push(await startFactory(house, one, { branch }))
    handles.push(await startFactory(house, other))
    await Promise.all(handles.map((handle) => toTheAgent(house, handle)))
    for (const handle of handles) {
      await until(() => shows(house, handle, isOpen('M-001')), `the change of ${handle}`)
      const said = agreed(await house.ask({ kind: 'artifacts', run: handle, name: 'M-001.patch' }))
      const patch = said.kind === 'file' ? said.text : ''
      const writers = [...patch.matchAll(/^\+written by (\w+)$/gm)].map(([, run]) => run)
      expect(writers.length).toBeGreaterThan(20)
      expect(new Set(writers)).toEqual(new Set([handle]))
    }
    expect(inside, 'they were there at once').toEqual(new Set(handles))
    expect(seen.filter((line) => !new RegExp(`^(\\w+): written by \\1\\n$`).test(line))).toEqual([])
    expect(await readdir(join(house.dir, 'state', 'work'))).toEqual([])
    for (const handle of handles) agreed(await house.ask({ kind: 'cancel', run: handle }))
    for (const handle of handles) await cardWhen(house, handle, isAtEnd)
    for (const folder of [one, other]) {
      expect(await git(folder, 'branch', '--list', 'quantapilot/*')).toBe('')
      expect(
        (await readdir(join(folder, '.git'), { recursive: true })).filter((name) => name.endsWith('.lock')),
      ).toEqual([])
    }
  },
)

/** A run whose agent, or whose tests, go on until they are ended. */
async function busyRun(mark: string, who: 'agent' | 'tests') {
  const forever = new Promise<void>(() => undefined)
  const begin = `setsid sleep ${mark} >/dev/null 2>&1 & nohup sleep ${mark} >/dev/null 2>&1 &`
  const commands = who === 'agent' ? [begin] : [`echo '${begin} sleep ${mark}' > tests.sh`]
  const ready = (n: number): Promise<void> => (who === 'agent' && n === 2 ? forever : Promise.resolve())
  const foundry = await openFoundry({ host: 'folder', commands, ready })
  const worker = await foundry.start()
  const folder = await makeRepository(foundry.state, 'shop', files)
  const handle = await startFactory(foundry.state, folder)
  await toTheAgent(foundry.state, handle)
  await until(async () => (await processesWith(mark)) >= 2, 'it is at work')
  return { foundry, worker, folder, handle }
}

async function nothingIsLeft(foundry: Foundry, folder: string): Promise<void> {
  await expect.poll(() => foundry.leftovers(), { timeout: 5_000 }).toEqual([])
  expect(await git(folder, 'branch', '--list', 'quantapilot/*')).toBe('')
}

test.runIf(hasSandbox).each(['agent', 'tests'] as const)(
  'a cancel ends all that the %s have begun within five seconds, and nothing of the run is left',
  { timeout: 60_000 },
  async (who) => {
    const mark = `31.4${process.pid}${who.length}`
    const { foundry, folder, handle } = await busyRun(mark, who)
    agreed(await foundry.state.ask({ kind: 'cancel', run: handle }))
    await expect.poll(() => processesWith(mark), { timeout: 5_000 }).toBe(0)
    await until(() => shows(foundry.state, handle, ({ state }) => state === 'cancelled'), 'the end')
    await nothingIsLeft(foundry, folder)
  },
)

test.runIf(hasSandbox)(
  'a run that is cancelled while nobody works, after its worker was killed, leaves nothing once a worker is there again',
  { timeout: 60_000 },
  async () => {
    const mark = `31.5${process.pid}`
    const { foundry, worker, folder, handle } = await busyRun(mark, 'agent')
    await worker.kill({ signal: 'SIGKILL' })
    await expect.poll(() => processesWith(mark), { timeout: 5_000 }).toBe(0)
    agreed(await foundry.state.ask({ kind: 'cancel', run: handle }))
    expect(await foundry.leftovers(), 'the killed could not tidy up').not.toEqual([])
    await foundry.start()
    await until(() => shows(foundry.state, handle, ({ state }) => state === 'cancelled'), 'the end')
    await nothingIsLeft(foundry, folder)
  },
)
