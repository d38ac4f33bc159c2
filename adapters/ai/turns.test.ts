import { expect, test } from 'vitest'
import { nextTurn } from './turns.ts'

test('what begins in turns lets a timer be heard in between, however much begins at once', async () => {
  let beats = 0
  const timer = setInterval(() => beats++, 1)
  const work = async (): Promise<void> => {
    await nextTurn()
    const end = performance.now() + 2
    while (performance.now() < end);
  }
  await Promise.all(Array.from({ length: 50 }, work))
  clearInterval(timer)
  expect(beats).toBeGreaterThanOrEqual(25)
})
