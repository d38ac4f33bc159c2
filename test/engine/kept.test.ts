import { expect, test } from 'vitest'
import { Fault } from '../../core/model/problem.ts'
import { administer } from '../support/administer.ts'
import { agreed, cardWhen, isAtEnd, openTestHouse, type TestHouse } from '../support/house.ts'
import { kind, pipelineOf, startRunOf } from '../support/recipe.ts'

const noMoney = () => new Fault({ code: 'BUDGET_EXCEEDED', message: 'No money.', retryable: false })

test('the newest that a try has kept is what the next one finds, also where it was there before', async () => {
  const found: (string | null)[] = []
  const texts = ['one', 'other', 'one']
  const draft = kind(async (ctx) => {
    const kept = await ctx.latest('draft')
    found.push(kept && new TextDecoder().decode(await ctx.read(kept)))
    const text = texts.shift()
    if (text === undefined) return { kind: 'done', output: null }
    await ctx.keep([await ctx.save('draft', new TextEncoder().encode(text), 'text/plain')])
    throw noMoney()
  })
  const house = await openTestHouse({ draft: pipelineOf('draft', { draft }) })
  await house.work()
  const { handle } = await startRunOf(house, 'draft')
  for (let n = 1; n <= 3; n++) {
    await cardWhen(house, handle, ({ state }) => state === 'paused' && found.length === n)
    agreed(await house.ask({ kind: 'resume', run: handle }))
  }
  await cardWhen(house, handle, isAtEnd)
  expect(found).toEqual([null, 'one', 'other', 'one'])
  const reply = agreed(await house.ask({ kind: 'artifacts', run: handle, name: null }))
  expect(reply).toMatchObject({ artifacts: [{ name: 'draft', step: 'draft' }] })
})

test('a worker that has lost its run keeps nothing for it', async () => {
  const late = Promise.withResolvers<unknown>()
  let tries = 0
  const house: TestHouse = await openTestHouse({
    draft: pipelineOf('draft', {
      draft: kind(async (ctx) => {
        if (++tries > 1) return { kind: 'done', output: (await late.promise) === 'LeaseLost' }
        const saved = await ctx.save('draft', new TextEncoder().encode('late'), 'text/plain')
        const lose = `update app.runs set state = 'queued', worker_id = null, fence = fence + 1, queued_at = app.clock_now()
          where id = '${ctx.runId}'`
        await administer(house.database.connection, lose)
        late.resolve(await ctx.keep([saved]).catch(({ name }: Error) => name))
        throw noMoney()
      }),
    }),
  })
  await house.work()
  const { handle } = await startRunOf(house, 'draft')
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  expect(await late.promise).toBe('LeaseLost')
  const reply = agreed(await house.ask({ kind: 'artifacts', run: handle, name: null }))
  expect(reply).toMatchObject({ artifacts: [] })
})
