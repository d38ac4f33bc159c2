import { expect, test } from 'vitest'
import { z } from 'zod'
import { Fault } from '../../core/model/problem.ts'
import { administer } from '../support/administer.ts'
import { cardWhen, isAtEnd, openTestHouse } from '../support/house.ts'
import { kind, pipelineOf, startRunOf } from '../support/recipe.ts'

/** Half of a letter that takes two UTF-16 units, as a cut in the middle leaves it, and a NUL: Postgres holds neither. */
const broken = ['a', '\ud83d', 'b', '\u0000', 'c', '\ude00', '\\ud83d'].join('')
const mended = 'a\ufffdbc\ufffd\\ud83d'

test('a step whose result holds half a letter is done, and the next step reads it without', async () => {
  let read: unknown
  const write = kind(async () => ({ kind: 'done', output: { [broken]: broken } }))
  const next = kind(async (ctx) => {
    read = await ctx.outputOf('write', z.json())
    return { kind: 'done', output: null }
  })
  const house = await openTestHouse({ texts: pipelineOf('texts', { write, next }) })
  await house.work()
  const { handle } = await startRunOf(house, 'texts', { asked: broken })
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  expect(read).toEqual({ [mended]: mended })
})

test('a failure that is told with half a letter fails its run, and says why', async () => {
  const fail = kind(() =>
    Promise.reject(new Fault({ code: 'VALIDATION_ERROR', message: `It says ${broken}`, retryable: false })),
  )
  const house = await openTestHouse({ texts: pipelineOf('texts', { fail }) })
  await house.work()
  const { handle } = await startRunOf(house, 'texts')
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'failed', reason: `It says ${mended}` })
})

test('what a step says it is doing is shown, also when it is cut within a letter', async () => {
  const house = await openTestHouse({
    texts: pipelineOf('texts', {
      say: kind(async (ctx) => {
        ctx.progress(`${'x'.repeat(199)}😀`)
        await expect.poll(said).toEqual([{ text: `${'x'.repeat(199)}\ufffd` }])
        return { kind: 'done', output: null }
      }),
    }),
  })
  const said = () => administer(house.database.connection, 'select text from app.progress')
  await house.work()
  const { handle } = await startRunOf(house, 'texts')
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
})

test('a question to a model that holds half a letter is on record', async () => {
  const call = {
    model: 'acme/one',
    requestId: null,
    temperature: null,
    maxOutputTokens: 1,
    schemaSha256: null,
    prompt: null,
    question: { sha256: 'a'.repeat(64), bytes: 8, text: broken },
    answer: null,
    tokens: null,
    costMicros: 1,
    durationMs: 1,
    outcome: 'answered',
  } as const
  const ask = kind(async (ctx) => {
    const held = await ctx.reserve({ micros: 1, tokens: 1 }, broken)
    await held.record(call)
    await held.settle({ micros: 1, tokens: 1 })
    return { kind: 'done', output: null }
  })
  const house = await openTestHouse({ texts: pipelineOf('texts', { ask }) })
  await house.work()
  const { handle } = await startRunOf(house, 'texts')
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  const kept = await administer(house.database.connection, 'select text, is_redacted from app.model_texts')
  expect(kept).toEqual([{ text: mended, is_redacted: true }])
})
