import { afterEach, expect, test, vi } from 'vitest'
import { logTo } from './log.ts'

afterEach(() => vi.restoreAllMocks())

function openLog() {
  const lines: string[] = []
  vi.spyOn(process.stderr, 'write').mockImplementation((line) => lines.push(String(line)) > 0)
  return { log: logTo({ logLevel: 'info', secretValues: [] }), lines }
}

test('the same line is written once a minute', () => {
  const now = vi.spyOn(performance, 'now').mockReturnValue(0)
  const { log, lines } = openLog()
  const say = (at: number, message: string): void => {
    now.mockReturnValue(at)
    log('warn', message, {})
  }
  for (const at of [0, 30_000, 60_000, 60_001, 90_000]) say(at, 'one')
  for (const at of [90_000, 120_002]) say(at, 'two')
  say(120_002, 'one')
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject(
    ['one', 'one', 'two', 'one'].map((message) => ({ message })),
  )
})

test('a busy server writes each line as fast as a quiet one', () => {
  const { log, lines } = openLog()
  const msOf = (first: number): number => {
    const before = process.threadCpuUsage()
    for (let n = first; n < first + 2_000; n++) log('info', 'request', { n })
    const { user, system } = process.threadCpuUsage(before)
    return (user + system) / 1_000
  }
  msOf(0)
  const quiet = msOf(2_000)
  for (let first = 4_000; first < 40_000; first += 2_000) msOf(first)
  expect(msOf(40_000)).toBeLessThan(5 * quiet + 20)
  expect(lines).toHaveLength(42_000)
})
