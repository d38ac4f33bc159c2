import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { drawRun } from '../../bot/cards.ts'
import { sayNext } from '../../bot/phrase.ts'
import { cardWhen, denied, isAtEnd, isAtGate, openTestHouse } from '../support/house.ts'
import { kind, pipelineOf, startRunOf } from '../support/recipe.ts'

const policy = {
  roles: ['approver'],
  quorum: 1,
  selfApproval: true,
  expiresAfterMs: null,
  remindEveryMs: null,
} as const

/** Its first step finds out how long it may take, as the factory's does, and the next one has something to judge. */
const page = (deadlineMs: number) =>
  pipelineOf(
    'page',
    {
      read: kind(async () => ({
        kind: 'done',
        output: null,
        limits: { capMicros: null, capTokens: null, deadlineMs },
      })),
      write: kind(async (ctx) => {
        const artifact = await ctx.save('page', Buffer.from('a page'), 'text/plain')
        const subject = { artifact, what: 'a page', risks: [], questions: [], changes: [], facts: [] }
        return { kind: 'done', output: null, artifacts: [artifact], subject }
      }),
    },
    {
      plan: () => [
        { type: 'step', id: 'read', kind: 'read', title: 'reading' },
        { type: 'step', id: 'write', kind: 'write', title: 'writing' },
        { type: 'gate', id: 'gate', name: 'page', title: 'gate', judges: 'write', policy },
      ],
    },
  )

test('a gate is open until the deadline of its run at the longest, says so, and closes then', async () => {
  const house = await openTestHouse({ page: page(1_500) })
  await house.work()
  const { handle } = await startRunOf(house, 'page')
  const open = await cardWhen(house, handle, isAtGate)
  expect(open.gates[0]?.expiresAt).toEqual(new Date(open.startedAt.getTime() + 1_500))
  const end = await cardWhen(house, handle, isAtEnd)
  expect(end).toMatchObject({ state: 'failed', gates: [{ verdict: 'expired' }] })
  expect(end.reason).toContain('deadline')
  expect(end.elapsedMs).toBeLessThan(4_000)
  const late = denied(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  expect(late.code).toBe('stale')

  const again = denied(await house.ask({ kind: 'retry', run: handle }))
  expect(again).toMatchObject({ code: 'wrong_state', next: 'Start a new one with /run.' })
  expect(sayNext(end)).toContain('/run')
  expect(drawRun(end, 'key').buttons).toEqual([])
})

test('a gate whose time is up takes no decision, also before anybody has come to close it', async () => {
  const house = await openTestHouse({ page: page(1_500) })
  const worker = await house.work()
  const { handle } = await startRunOf(house, 'page')
  const open = await cardWhen(house, handle, isAtGate)
  await worker.stop()
  await delay((open.gates[0]?.expiresAt?.getTime() ?? 0) - Date.now() + 50)
  const late = denied(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  expect(late).toMatchObject({ code: 'stale', message: 'Gate page closed because nobody decided it in time.' })
})
