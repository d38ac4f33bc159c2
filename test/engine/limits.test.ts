import { expect, test } from 'vitest'
import { Fault } from '../../core/model/problem.ts'
import type { StepLimits } from '../../core/pipeline.ts'
import { cardWhen, isAtEnd, openTestHouse } from '../support/house.ts'
import { kind, pipelineOf, startRunOf } from '../support/recipe.ts'

const away = new Fault({ code: 'TRANSIENT_NETWORK', message: 'away', retryable: true })

const limited = (limits: StepLimits) => () => Promise.resolve(limits)

test.each([
  [0, 1],
  [2, 3],
])('a step whose run allows %i more tries has %i of them', async (retries, tries) => {
  let count = 0
  const fails = kind(() => Promise.reject(++count > 9 ? new Error('too often') : away), {
    limits: limited({ timeoutMs: null, retries }),
  })
  const house = await openTestHouse({ p: pipelineOf('p', { fails }) })
  await house.work()
  const { handle } = await startRunOf(house, 'p')
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'failed', reasonCode: 'TRANSIENT_NETWORK' })
  expect(count).toBe(tries)
})

test('a try takes no longer than its run allows, shorter or longer than is usual for its kind', async () => {
  const [short, long] = [
    kind(({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))), {
      limits: limited({ timeoutMs: 1_000, retries: 0 }),
    }),
    kind(
      async ({ signal }) => {
        await new Promise((resolve) => setTimeout(resolve, 300))
        signal.throwIfAborted()
        return { kind: 'done', output: null }
      },
      { timeoutMs: 100, limits: limited({ timeoutMs: 10_000, retries: null }) },
    ),
  ]
  const house = await openTestHouse({ p: pipelineOf('p', { long, short }) })
  await house.work()
  const { handle } = await startRunOf(house, 'p')
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({
    state: 'failed',
    reasonCode: 'UPSTREAM_TIMEOUT',
    reason: 'The step took longer than 1 s.',
    phase: { n: 2 },
  })
})

test('where the limits of a run cannot be read the step is not begun', async () => {
  let begun = 0
  const unread = new Fault({ code: 'VALIDATION_ERROR', message: 'no such policy', retryable: false })
  const step = kind(
    () => {
      begun++
      return Promise.resolve({ kind: 'done', output: null })
    },
    { limits: () => Promise.reject(unread) },
  )
  const house = await openTestHouse({ p: pipelineOf('p', { step }) })
  await house.work()
  const { handle } = await startRunOf(house, 'p')
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'failed', reason: 'no such policy' })
  expect(begun).toBe(0)
})
