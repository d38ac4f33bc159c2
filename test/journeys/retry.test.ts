import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Button } from '../../bot/surface.ts'
import type { Command, Reply } from '../../core/commands/command.ts'
import type { Result } from '../../core/model/problem.ts'
import { administer } from '../support/administer.ts'
import { give, openChats, Wall } from '../support/chats.ts'
import {
  agreed,
  cardWhen,
  denied,
  isAtEnd,
  isAtGate,
  makeRepository,
  openTestHouse,
  startFactory,
  type TestHouse,
} from '../support/house.ts'
import { approve } from '../support/undo.ts'

/** A run that failed on what it read, which another try of the same bytes cannot mend. */
async function failed() {
  const house = await openTestHouse()
  const folder = await makeRepository(house, 'shop', { 'notes.txt': 'x' })
  await house.work()
  const handle = await startFactory(house, folder)
  await cardWhen(house, handle, isAtEnd)
  return { house, folder, handle }
}

const countRuns = async ({ database }: TestHouse): Promise<unknown> =>
  (await administer(database.connection, 'select count(*)::int as n from app.runs'))[0]?.['n']

/** The same request by many at once, each under an id of its own. */
const storm = (house: TestHouse, command: Command): Promise<Result<Reply>[]> =>
  Promise.all(Array.from({ length: 30 }, () => house.ask(command)))

const handleOf = (reply: Reply): string => (reply.kind === 'started' ? reply.card.handle : reply.kind)

test('however often and by how many a run is retried, one other goes on with it, and the rest hear which', async () => {
  const { house, handle } = await failed()
  const answers = await storm(house, { kind: 'retry', run: handle })
  const [begun, ...more] = answers.filter(({ ok }) => ok).map(agreed)
  expect(more).toEqual([])
  const by = begun ? handleOf(begun) : ''
  const refusals = answers.filter(({ ok }) => !ok).map(denied)
  expect(new Set(refusals.map(({ message }) => message))).toEqual(
    new Set([`Run ${handle} was retried already as ${by}.`]),
  )
  expect(await countRuns(house)).toBe(2)
  const audit = await administer(
    house.database.connection,
    `select target, detail->>'by' as by from audit.entries where action = 'run.retry'`,
  )
  expect(audit).toEqual([{ target: handle, by }])
})

test('a retry that failed in turn is the one to retry, and whoever retries the first run hears so', async () => {
  const { house, handle } = await failed()
  const second = handleOf(agreed(await house.ask({ kind: 'retry', run: handle })))
  expect(await cardWhen(house, second, isAtEnd)).toMatchObject({ state: 'failed' })
  expect(denied(await house.ask({ kind: 'retry', run: handle }))).toEqual({
    code: 'wrong_state',
    message: `Run ${handle} was retried already as ${second}.`,
    next: `That one failed too: once the cause is mended, /retry ${second}.`,
  })
  const third = handleOf(agreed(await house.ask({ kind: 'retry', run: second })))
  await cardWhen(house, third, isAtEnd)
  expect(denied(await house.ask({ kind: 'retry', run: handle })).message).toContain(`already as ${third}`)
})

test('the card of a run that was retried says which run goes on, and no longer offers to retry it', async () => {
  const { house, folder } = await failed()
  const wall = new Wall('telegram')
  const chats = openChats(house, [wall])
  const ann = () => chats.caller('telegram', 'ann', 'group')
  agreed(await chats.reception.ask(chats.caller('telegram', 'ann'), { kind: 'whoami' }))
  await give(house, 'ann', 'operator')
  const order = { target: folder, branch: null, pipeline: 'factory', dryRun: false, confirm: false }
  const run = handleOf(agreed(await chats.reception.ask(ann(), { kind: 'run', ...order })))
  await cardWhen(house, run, isAtEnd)
  await chats.settle()
  const buttons = (): readonly Button[] => wall.read('group').flatMap((post) => post.buttons)
  const data = buttons().find(({ label }) => label === `Retry ${run}`)?.data ?? ''
  const pressed = valueOf(await chats.reception.press(ann(), data))
  const by = pressed.kind === 'reply' ? handleOf(pressed.reply) : ''
  await cardWhen(house, by, isAtEnd)
  await chats.settle()

  const again = await chats.reception.press(ann(), data)
  expect(again).toMatchObject({ ok: false, refusal: { message: `Run ${run} was retried already as ${by}.` } })
  expect(
    buttons().map(({ label }) => label),
    'the new run has a card here too',
  ).toEqual([`Retry ${by}`])
  const lines = wall.read('group').find((post) => post.lines[0]?.startsWith(`Run ${run} `))?.lines
  expect(lines?.at(-1)).toBe(`Next: /status ${by}, which goes on with it`)
  expect(await countRuns(house)).toBe(3)
})

function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.refusal.message)
  return result.value
}

test('a database in which a run was retried more than once keeps the newest as its retry', async () => {
  const { house, folder, handle } = await failed()
  const by = handleOf(agreed(await house.ask({ kind: 'retry', run: handle })))
  const newest = await startFactory(house, folder)
  const sql = await readFile(join(import.meta.dirname, '../../migrations/0032_one_retry.sql'), 'utf8')
  await administer(house.database.connection, 'drop index app.runs_one_retry')
  await administer(
    house.database.connection,
    `update app.runs set retry_of = (select min(id::text)::uuid from app.runs) where retry_of is null and number > 1`,
  )
  await administer(house.database.connection, sql)
  const cards = [handle, by, newest].map((run) => cardWhen(house, run, isAtEnd))
  expect((await Promise.all(cards)).map(({ retriedAs }) => retriedAs)).toEqual([newest, null, null])
})

test('however often a run is undone at once, one other asks about it', async () => {
  const house = await openTestHouse()
  const folder = await makeRepository(house, 'shop', { 'README.md': '# Shop\n\nA shop for parts.\n' })
  await house.work()
  const handle = await startFactory(house, folder)
  await approve(house, handle, 'anchor')
  await cardWhen(house, handle, isAtEnd)
  const answers = await storm(house, { kind: 'undo', run: handle, commit: null })
  const begun = answers.filter(({ ok }) => ok).map((answer) => handleOf(agreed(answer)))
  expect(begun).toHaveLength(1)
  await cardWhen(house, begun[0] ?? '', (card) => isAtGate(card) || isAtEnd(card))
  expect(await countRuns(house)).toBe(2)
})
