import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { RunCard } from '../../core/model/card.ts'
import type { Within } from '../../core/pipeline.ts'
import {
  agreed,
  cardWhen,
  git,
  isAtEnd,
  isAtGate,
  makeRepository,
  openTestHouse,
  startFactory,
} from '../support/house.ts'
import { administer } from '../support/administer.ts'
import { spendingAuthor } from '../support/money.ts'
import { kind, pipelineOf, startRunOf } from '../support/recipe.ts'

const spend = (micros: number, within?: Within) =>
  kind(async (ctx) => {
    const held = await ctx.reserve({ micros, tokens: 1 }, 'call', within)
    await held.settle({ micros, tokens: 1 })
    return { kind: 'done', output: null }
  })

/** A run of two steps that each spend, and whose cap holds the first only. */
async function atTheEndOfItsMoney(within?: Within) {
  const steps = { first: spend(600_000, within), second: spend(600_000, within), third: spend(1, within) }
  const house = await openTestHouse({ spend: pipelineOf('spend', steps, { cap: { micros: 1_000_000, tokens: 100 } }) })
  await house.work()
  const { handle } = await startRunOf(house, 'spend')
  return { house, handle, card: await cardWhen(house, handle, isPaused) }
}

const isPaused = ({ state }: RunCard): boolean => state === 'paused'
const openGate = ({ gates }: RunCard) => gates.find(({ verdict }) => verdict === null)

describe('a run that has no money for its next call', () => {
  test('asks for more by itself, says how much, and goes on when that is granted', async () => {
    const { house, handle, card } = await atTheEndOfItsMoney()
    expect(card.reasonCode).toBe('budget')
    expect(openGate(card)).toMatchObject({
      name: 'budget',
      kind: 'budget',
      roles: ['approver', 'admin'],
      subject: { what: 'Raise the budget by $0.50 and 1,000 tokens, which second has run out of', options: ['phase'] },
    })
    agreed(await house.ask({ kind: 'approve', run: handle, gate: 'budget', sha256: null }))
    const end = await cardWhen(house, handle, isAtEnd)
    expect(end).toMatchObject({ state: 'succeeded', money: { spentMicros: 1_200_001, capMicros: 1_500_000 } })
  })

  test('granted only for its phase pauses behind it, and goes on when told to', async () => {
    const { house, handle } = await atTheEndOfItsMoney()
    agreed(await house.ask({ kind: 'approve', run: handle, gate: 'budget', sha256: null, option: 'phase' }))
    const held = await cardWhen(house, handle, (card) => isPaused(card) && card.reasonCode === 'phase_done')
    expect(held).toMatchObject({ phase: { title: 'third' }, money: { spentMicros: 1_200_000 } })
    expect(held.reason).toBe('The phase that more money was granted for is done.')
    agreed(await house.ask({ kind: 'resume', run: handle }))
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  })

  test('stays paused when that is refused, and can ask for another amount', async () => {
    const { house, handle } = await atTheEndOfItsMoney()
    agreed(await house.ask({ kind: 'reject', run: handle, gate: 'budget', sha256: null, reason: 'Too much.' }))
    expect(await cardWhen(house, handle, isPaused)).toMatchObject({ state: 'paused', reasonCode: 'budget' })
    agreed(await house.ask({ kind: 'budget', run: handle, raiseMicros: 300_000 }))
    agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ money: { capMicros: 1_300_000 } })
  })

  test('is not sent back like a document: nobody writes a request for money again', async () => {
    const { house, handle } = await atTheEndOfItsMoney()
    const sent = await house.ask({ kind: 'changes', run: handle, gate: null, sha256: null, reason: 'Half of it.' })
    expect(sent).toMatchObject({
      ok: false,
      refusal: { message: 'Gate budget asks for money: nothing of it can be changed.' },
    })
    expect(openGate(await cardWhen(house, handle, isPaused))?.name).toBe('budget')
  })

  test('asks for what a person names instead, where somebody knows better', async () => {
    const { house, handle } = await atTheEndOfItsMoney()
    agreed(await house.ask({ kind: 'budget', run: handle, raiseMicros: 250_000 }))
    const twice = await house.ask({ kind: 'budget', run: handle, raiseMicros: 1 })
    expect(twice, 'a person’s own stands').toMatchObject({ ok: false, refusal: { code: 'wrong_state' } })
    const another = `insert into app.gates (run_id, id, step_id, kind, name, subject, policy)
      select run_id, gen_random_uuid(), step_id, kind, name, subject, policy from app.gates where verdict is null`
    await expect(administer(house.database.connection, another)).rejects.toThrow('gates_one_request')
    agreed(await house.ask({ kind: 'approve', run: handle, gate: 'budget', sha256: null }))
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ money: { capMicros: 1_250_000 } })
  })

  test('that is resumed without more withdraws what it asked for, and asks anew', async () => {
    const { house, handle, card } = await atTheEndOfItsMoney()
    agreed(await house.ask({ kind: 'resume', run: handle }))
    const again = await cardWhen(house, handle, (it) => isPaused(it) && it.gates.length === 2)
    expect(again.gates.map(({ verdict }) => verdict)).toEqual(['withdrawn', null])
    expect(openGate(again)?.gateId).not.toBe(openGate(card)?.gateId)
  })

  test('asks whoever the project lets raise it, and nothing that a gate does not offer is granted', async () => {
    const policy = {
      roles: ['admin'],
      quorum: 1,
      selfApproval: true,
      expiresAfterMs: null,
      remindEveryMs: null,
    } as const
    const { house, handle, card } = await atTheEndOfItsMoney({ zone: null, caps: {}, raise: policy })
    expect(openGate(card)?.roles).toEqual(['admin'])
    const odd = await house.ask({ kind: 'approve', run: handle, gate: 'budget', sha256: null, option: 'forever' })
    expect(odd).toMatchObject({
      ok: false,
      refusal: { message: 'Gate budget offers no forever.', next: 'It offers: phase.' },
    })
  })
})

test('a call that is dear by itself waits for a yes, which holds for its whole step and no other', async () => {
  const policy = {
    roles: ['approver'],
    quorum: 1,
    selfApproval: true,
    expiresAfterMs: null,
    remindEveryMs: null,
  } as const
  const costly = { zone: null, caps: {}, costly: { micros: 500_000, policy } }
  const twice = kind(async (ctx) => {
    for (const micros of [600_000, 700_000])
      await (await ctx.reserve({ micros, tokens: 1 }, 'call', costly)).settle({ micros, tokens: 1 })
    return { kind: 'done', output: null }
  })
  const steps = { cheap: spend(400_000, costly), dear: twice, other: spend(600_000, costly) }
  const house = await openTestHouse({ spend: pipelineOf('spend', steps, { cap: { micros: 9_000_000, tokens: 100 } }) })
  await house.work()
  const { handle } = await startRunOf(house, 'spend')
  const card = await cardWhen(house, handle, isPaused)
  expect(card.phase.title).toBe('dear')
  expect(openGate(card)).toMatchObject({
    name: 'costly-prompt',
    roles: ['approver'],
    subject: { call: { step: 'dear', micros: 900_000 } },
  })
  expect(await house.ask({ kind: 'budget', run: handle, raiseMicros: 1 })).toMatchObject({
    ok: false,
    refusal: { next: `Decide it: /approve ${handle} costly-prompt.` },
  })
  agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  const other = await cardWhen(house, handle, (it) => isPaused(it) && it.phase.title === 'other')
  expect(other.money.spentMicros, 'both calls of the step were made').toBe(1_700_000)
  expect(other.money.capMicros, 'a yes to a call raises nothing').toBe(9_000_000)
})

const readme = '# Shop\n\nA shop for parts.\n\n- Customers must pay by card.\n'

test('a higher cap in the repository’s own file is asked for, not taken, and a dear call can be named there', async () => {
  const house = await openTestHouse({}, null, {
    codeHost: null,
    git: {},
    author: spendingAuthor({ worst: 90_000, used: () => 20_000 }),
  })
  const files = {
    'README.md': readme,
    'quantapilot.yml': 'budgets: { usd: 0.05 }\nlimits: { costly_prompt_usd: 0.08 }\n',
  }
  const folder = await makeRepository(house, 'shop', files)
  await house.work()
  const handle = await startFactory(house, folder)
  expect(openGate(await cardWhen(house, handle, isPaused))?.name).toBe('costly-prompt')
  agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  const small = await cardWhen(house, handle, (it) => isPaused(it) && openGate(it)?.name === 'budget')
  expect(openGate(small)?.subject.facts).toEqual(['half as much again, or what the call needs where that is more'])
  await writeFile(join(folder, 'quantapilot.yml'), 'budgets: { usd: 3 }\n')
  await git(folder, '-c', 'user.name=T', '-c', 'user.email=t@localhost', 'commit', '--quiet', '-am', 'more')
  agreed(await house.ask({ kind: 'resume', run: handle }))
  const asked = await cardWhen(house, handle, (it) => isPaused(it) && openGate(it)?.subject.micros === 2_950_000)
  expect(openGate(asked)?.subject.facts).toEqual(['quantapilot.yml on main allows it by now'])
  expect(asked.money.capMicros, 'nothing is raised before somebody says so').toBe(50_000)
  agreed(await house.ask({ kind: 'approve', run: handle, gate: 'budget', sha256: null }))
  expect(await cardWhen(house, handle, isAtGate)).toMatchObject({
    money: { capMicros: 3_000_000, spentMicros: 20_000 },
  })
  agreed(await house.ask({ kind: 'approve', run: handle, gate: 'anchor', sha256: null }))
  await cardWhen(house, handle, (it) => isPaused(it) && openGate(it)?.name === 'costly-prompt')
  agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  await cardWhen(house, handle, isAtEnd)
  const adrs = agreed(await house.ask({ kind: 'artifacts', run: handle, name: 'docs/80_adrs.md' }))
  expect(adrs.kind === 'file' && adrs.text, 'what was granted before the documents stands in them').toMatch(
    /Approved at gate budget[\s\S]*Raise the budget by \$2\.95/,
  )
  const summary = agreed(await house.ask({ kind: 'artifacts', run: handle, name: 'summary.md' }))
  expect(summary.kind === 'file' && summary.text).toMatch(/^- costly-prompt: approved by approver actor-/m)
})
