import { afterEach, expect, test, vi } from 'vitest'
import { logTo } from './log.ts'

afterEach(() => void vi.restoreAllMocks())

test('a line has its time, comes once a minute, and says how often it was kept back', () => {
  const written: string[] = []
  vi.spyOn(process.stderr, 'write').mockImplementation((line) => written.push(String(line)) > 0)
  let at = new Date('2026-11-24T12:00:00Z')
  const log = logTo({ logLevel: 'warn', secretValues: [] }, () => at)
  const lines = () => written.splice(0).map((line) => JSON.parse(line) as unknown)
  log('info', 'nobody asked for this', {})
  for (let second = 0; second < 59; second++) {
    at = new Date(Date.UTC(2026, 10, 24, 12, 0, second))
    log('warn', 'the database is away', { host: 'db' })
  }
  const away = { level: 'warn', message: 'the database is away', host: 'db' }
  expect(lines()).toEqual([{ at: '2026-11-24T12:00:00.000Z', ...away }])
  at = new Date('2026-11-24T12:01:00Z')
  log('warn', 'the database is away', { host: 'db' })
  log('error', 'something else', {})
  expect(lines()).toEqual([
    { at: '2026-11-24T12:01:00.000Z', ...away, repeated: 58 },
    { at: '2026-11-24T12:01:00.000Z', level: 'error', message: 'something else' },
  ])
  at = new Date('2026-11-24T12:30:00Z')
  log('warn', 'the database is away', { host: 'db' })
  expect(lines()).toEqual([{ at: '2026-11-24T12:30:00.000Z', ...away }])
  at = new Date('2026-11-24T11:00:00Z')
  log('warn', 'the database is away', { host: 'db' })
  expect(lines()).toHaveLength(1)
})

test('a busy server writes each line as fast as a quiet one', () => {
  const lines: string[] = []
  vi.spyOn(process.stderr, 'write').mockImplementation((line) => lines.push(String(line)) > 0)
  const log = logTo({ logLevel: 'info', secretValues: [] })
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
