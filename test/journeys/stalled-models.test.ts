import { expect, test } from 'vitest'
import { administer } from '../support/administer.ts'
import type { TestHouse } from '../support/house.ts'
import { agreed, cardWhen, isAtEnd, openTestHouse, testSettings } from '../support/house.ts'
import { until } from '../support/program.ts'
import { question, startProvider } from '../support/provider.ts'
import { kind, pipelineOf, startRunOf } from '../support/recipe.ts'

/** A run whose one step asks a model that has begun to answer and says no more. */
async function atAStalledModel() {
  const provider = await startProvider()
  const { model, held } = provider
  const call = kind(
    async (ctx) => {
      const reserved = await ctx.reserve({ micros: 100, tokens: 10 }, 'call')
      const { text, used } = await model.ask(question, ctx.signal)
      await reserved.settle({ micros: 50, tokens: used.tokens })
      return { kind: 'done', output: text }
    },
    { timeoutMs: 600_000, onPause: 'abort' },
  )
  const house = await openTestHouse({ asks: pipelineOf('asks', { call }) })
  await house.work()
  const { handle } = await startRunOf(house, 'asks')
  await until(async () => (await held()) === 1, 'the model has begun to answer')
  return { ...provider, house, handle }
}

const fenceOf = async ({ database }: TestHouse): Promise<unknown> =>
  (
    await administer(database.connection, 'select max(fence)::int as fence, sum(deaths)::int as deaths from app.runs')
  )[0]

test('a run at a stalled model is paused within five seconds, its call is ended, and it goes on when it is resumed', async () => {
  const { house, handle, held, release } = await atAStalledModel()
  const asked = performance.now()
  agreed(await house.ask({ kind: 'pause', run: handle }))
  const card = await cardWhen(house, handle, ({ state }) => state === 'paused')
  expect(performance.now() - asked).toBeLessThan(5_000)
  expect(card.money, 'nobody knows whether the call cost anything').toMatchObject({
    spentMicros: 0,
    reservedMicros: 100,
  })
  await until(async () => (await held()) === 0, 'the provider sees the call end')
  agreed(await house.ask({ kind: 'resume', run: handle }))
  await until(async () => (await held()) === 1, 'the model is asked again')
  await release()
  const end = await cardWhen(house, handle, isAtEnd)
  expect(end).toMatchObject({ state: 'succeeded', money: { spentMicros: 50, reservedMicros: 100 } })
})

test('a run at a stalled model is cancelled within five seconds, and its call is ended', async () => {
  const { house, handle, held } = await atAStalledModel()
  const asked = performance.now()
  agreed(await house.ask({ kind: 'cancel', run: handle }))
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'cancelled' })
  expect(performance.now() - asked).toBeLessThan(5_000)
  await until(async () => (await held()) === 0, 'the provider sees the call end')
})

test('a worker keeps its run while the model stalls for longer than a lease', async () => {
  const { house, handle, release } = await atAStalledModel()
  const before = await fenceOf(house)
  const [begun] = await administer(house.database.connection, 'select now()::text as at')
  const beaten = `select from app.workers where state = 'live'
    and beat_at > '${String(begun?.['at'])}'::timestamptz + interval '${2 * testSettings.leaseMs} ms'`
  await until(async () => (await administer(house.database.connection, beaten)).length === 1, 'two leases have passed')
  await release()
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded', money: { spentMicros: 50 } })
  expect(await fenceOf(house)).toEqual(before)
  expect(before).toEqual({ fence: 1, deaths: 0 })
})
