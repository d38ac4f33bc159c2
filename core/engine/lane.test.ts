import { expect, test } from 'vitest'
import { Lane } from './lane.ts'

test('what is submitted together goes out together, and each hears its own answer', async () => {
  const batches: number[][] = []
  const lane = new Lane<number, string>(async (items) => {
    batches.push([...items])
    return items.map((item) => `answer ${item}`)
  }, 10)
  expect(await Promise.all([1, 2, 3].map((item) => lane.submit(item)))).toEqual(['answer 1', 'answer 2', 'answer 3'])
  expect(batches).toEqual([[1, 2, 3]])
})

test('what arrives while a batch is in flight waits for the next one', async () => {
  const batches: number[][] = []
  const land = Promise.withResolvers<void>()
  const lane = new Lane<number, number>(async (items) => {
    batches.push([...items])
    if (batches.length === 1) await land.promise
    return items
  }, 10)
  const first = lane.submit(1)
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  const rest = [lane.submit(2), lane.submit(3)]
  expect(batches).toEqual([[1]])
  land.resolve()
  await Promise.all([first, ...rest])
  expect(batches).toEqual([[1], [2, 3]])
})

test('one poisoned item fails alone', async () => {
  const lane = new Lane<number, number>(async (items) => {
    if (items.includes(2)) throw new Error('poison')
    return items
  }, 10)
  const results = await Promise.allSettled([1, 2, 3].map((item) => lane.submit(item)))
  expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
})

test('a batch is no longer than it may be', async () => {
  const sizes: number[] = []
  const lane = new Lane<number, number>(async (items) => {
    sizes.push(items.length)
    return items
  }, 2)
  await Promise.all([1, 2, 3, 4, 5].map((item) => lane.submit(item)))
  expect(sizes).toEqual([2, 2, 1])
})
