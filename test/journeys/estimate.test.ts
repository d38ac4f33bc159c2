import { expect, test } from 'vitest'
import { sayCard } from '../../bot/phrase.ts'
import { agreed, cardWhen, isAtEnd, isAtGate, makeRepository, openTestHouse, startFactory } from '../support/house.ts'
import { spendingAuthor } from '../support/money.ts'

const readme = '# Shop\n\nA shop for parts.\n\n- Customers must pay by card.\n'

test('a run is estimated from those before it, its range covers what it costs, and /status scores it afterwards', async () => {
  let used = 200_000
  const author = spendingAuthor({ worst: 900_000, used: () => used })
  const house = await openTestHouse({}, null, { codeHost: null, git: {}, author })
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  await house.work()
  const whole = async () => {
    const handle = await startFactory(house, folder)
    await cardWhen(house, handle, isAtGate)
    agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
    return await cardWhen(house, handle, isAtEnd)
  }
  const first = await whole()
  expect(first.outlook?.basis).toBe('the README’s length')
  used = 220_000
  const second = await whole()
  expect(second.outlook).toMatchObject({
    basis: '1 earlier run',
    lowMicros: 200_000,
    likelyMicros: 400_000,
    highMicros: 800_000,
  })
  expect(second.money.spentMicros).toBe(440_000)
  expect(sayCard(second).join('\n')).toContain('cost $0.44, 10 % above the estimate of $0.40, within its range')
  const summary = agreed(await house.ask({ kind: 'artifacts', run: second.handle, name: 'summary.md' }))
  expect(summary.kind === 'file' && summary.text).toContain(
    'documents: $0.44; estimated $0.40 ($0.20 to $0.80), from 1 earlier run',
  )
  const third = await whole()
  expect(third.outlook).toMatchObject({ basis: '2 earlier runs', likelyMicros: 420_000 })
})

test('a dry run, which costs nothing, is no measure for the run after it', async () => {
  const author = spendingAuthor({ worst: 900_000, used: () => 200_000 })
  const house = await openTestHouse({}, null, { codeHost: null, git: {}, author })
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  await house.work()
  const dry = await cardWhen(house, await startFactory(house, folder, { dryRun: true }), isAtEnd)
  const next = await cardWhen(house, await startFactory(house, folder), isAtGate)
  expect(next.outlook?.basis).toBe('the README’s length')
  expect(next.outlook?.likelyMicros).toBe(dry.outlook?.likelyMicros)
})
