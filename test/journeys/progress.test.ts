import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { sayCard } from '../../bot/phrase.ts'
import type { Board } from '../../bot/surface.ts'
import { follow } from '../../bot/terminal/follow.ts'
import { Screen } from '../../bot/terminal/screen.ts'
import { ProgressBoard } from '../../core/engine/progress-board.ts'
import type { StepContext } from '../../core/pipeline.ts'
import { administer } from '../support/administer.ts'
import type { Chats } from '../support/chats.ts'
import { give, openChats, Wall } from '../support/chats.ts'
import type { TestHouse } from '../support/house.ts'
import { agreed, cardWhen, isAtEnd, openTestHouse } from '../support/house.ts'
import { kind, pipelineOf, startRunOf } from '../support/recipe.ts'
import { openSlackRoom } from '../support/slack/open.ts'
import { openRoom, places, startIn, textsIn } from '../support/telegram/room.ts'

/** A step under way that a test speaks through, until it lets it end. */
function aStep() {
  let enter: (ctx: StepContext) => void = () => undefined
  const inside = new Promise<StepContext>((resolve) => (enter = resolve))
  let end = (): void => undefined
  const ended = new Promise<void>((resolve) => (end = resolve))
  const step = kind(async (ctx) => {
    enter(ctx)
    await ended
    return { kind: 'done', output: null, artifacts: [] }
  })
  return { step, inside, end }
}

/** When a board wrote, in milliseconds. */
function timed(board: Board): Board & { readonly at: number[] } {
  const at: number[] = []
  return {
    name: board.name,
    paceMs: board.paceMs,
    at,
    post: (address, post) => (at.push(performance.now()), board.post(address, post)),
    edit: (address, place, post) => (at.push(performance.now()), board.edit(address, place, post)),
  }
}

/** Shows what is due, again and again, until the test ends. */
function keepShowing(chats: Chats): void {
  const over = new AbortController()
  const shown = (async () => {
    while (!over.signal.aborted) {
      await chats.settle()
      await delay(50)
    }
  })()
  onTestFinished(async () => {
    over.abort()
    await shown
  })
}

async function followAt(house: TestHouse, chats: Chats, surface: string, address: string): Promise<void> {
  agreed(await chats.reception.ask(chats.caller(surface, `${surface} person`), { kind: 'whoami' }))
  await give(house, `${surface} person`, 'operator')
  const there = chats.caller(surface, `${surface} person`, address)
  agreed(await chats.reception.ask(there, { kind: 'subscribe', project: null, level: 'all' }))
}

const changesOf = async ({ database }: TestHouse): Promise<number> =>
  Number((await administer(database.connection, 'select n from app.progress'))[0]?.['n'] ?? 0)

test('a model that reports a hundred times a second is written once a second, and shown in each chat at its pace', {
  timeout: 60_000,
}, async () => {
  const { step, inside, end } = aStep()
  const house = await openTestHouse({ busy: pipelineOf('busy', { work: step }) })
  const [api, room] = [await openRoom(), await openSlackRoom()]
  api.hasLimits = true
  const [telegram, slack] = [timed(startIn(api).telegram), timed(room.slack)]
  const chats = openChats(house, [telegram, slack])
  await followAt(house, chats, 'telegram', `${places.group}`)
  await followAt(house, chats, 'slack', 'T01/C01')
  await house.work()
  const { handle } = await startRunOf(house, 'busy')
  keepShowing(chats)
  const ctx = await inside
  const began = performance.now()
  let reports = 0
  for (; performance.now() - began < 10_000 || reports < 500; reports++) {
    ctx.progress(`writing docs/20_requirements.md with acme/one, ${reports} characters`)
    await delay(10)
  }
  ctx.progress('writing docs/20_requirements.md with acme/one, 3,100 characters')
  const last = /docs\/20_requirements\.md with acme\/one, 3,100 characters/
  await expect.poll(() => textsIn(api, places.group).join('\n'), { timeout: 10_000 }).toMatch(last)
  await expect.poll(() => JSON.stringify([...room.fake.messages.values()]), { timeout: 10_000 }).toMatch(last)
  const seconds = (performance.now() - began) / 1_000
  expect(await changesOf(house)).toBeLessThanOrEqual(seconds + 1)
  for (const { at, name } of [telegram, slack]) {
    expect(at.length, name).toBeGreaterThanOrEqual(3)
    const gaps = at.slice(1).map((time, index) => time - (at[index] ?? 0))
    expect(Math.min(...gaps), name).toBeGreaterThanOrEqual(1_000)
  }
  expect(chats.faults, 'no network had to say that it was too much').toEqual([])
  const card = await cardWhen(house, handle, ({ progress }) => progress !== null)
  expect(sayCard(card).join('\n')).toMatch(last)
  end()
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded', progress: null })
  await expect.poll(() => textsIn(api, places.group).join('\n'), { timeout: 10_000 }).toMatch(/✓ done/)
  expect(textsIn(api, places.group).join('\n'), 'nothing is under way any more').not.toMatch(last)
})

test('of many busy runs in one chat one card moves at a time, and what people must hear comes before', async () => {
  const steps = Array.from({ length: 5 }, aStep)
  const recipes = steps.map(({ step }, index) => [`busy${index}`, pipelineOf(`busy${index}`, { work: step })] as const)
  const house = await openTestHouse(Object.fromEntries(recipes))
  const wall = new Wall('telegram')
  const chats = openChats(house, [wall])
  await followAt(house, chats, 'telegram', 'group')
  await house.work()
  for (const [name] of recipes) await startRunOf(house, name)
  const contexts = await Promise.all(steps.map(({ inside }) => inside))
  await chats.settle()
  const edits = (): number => [...wall.posts.values()].reduce((sum, post) => sum + post.edits, 0)
  const before = edits()
  for (const ctx of contexts) ctx.progress('at it')
  await expect
    .poll(async () => (await administer(house.database.connection, 'select 1 from app.progress')).length)
    .toBe(5)
  await chats.settle()
  expect(edits(), 'just written to').toBe(before)
  // As if it had been silent for a while.
  await administer(house.database.connection, `update app.destinations set next_at = '-infinity'`)
  await chats.settle()
  expect(edits()).toBe(before + 1)
  for (const { end } of steps) end()
})

test('what a step says after its end is dropped, and a database that is away fails nothing', async () => {
  const { step, inside, end } = aStep()
  const house = await openTestHouse({ busy: pipelineOf('busy', { work: step }) })
  await house.work()
  const { handle } = await startRunOf(house, 'busy')
  const ctx = await inside
  ctx.progress(`one ${'x'.repeat(1_000)}`)
  const card = await cardWhen(house, handle, ({ progress }) => progress !== null)
  expect(card.progress).toHaveLength(200)
  const shown: string[] = []
  const out = { isTTY: true, columns: 400, write: (text: string) => shown.push(text) > 0 }
  const screen = new Screen({ out: out as never, input: process.stdin, colour: false })
  const left = AbortSignal.abort()
  await follow(screen, (command) => house.ask(command), handle, left)
  expect(shown.join(''), 'the terminal’s one line').toMatch(/Run r\w+ .* one x{100}/)
  end()
  await cardWhen(house, handle, isAtEnd)
  ctx.progress('from beyond')
  const said: string[] = []
  const away = { run: () => Promise.reject(new Error('away')) }
  const board = new ProgressBoard(away as never, (_, message) => said.push(message))
  board.say({ run: card.runId, step: 'work', text: 'x', signal: new AbortController().signal })
  await expect.poll(() => said).toEqual(['the progress of steps could not be written'])
  expect(await changesOf(house)).toBe(1)
})
