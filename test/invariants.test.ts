import { expect, test } from 'vitest'
import { z } from 'zod'
import { Fault } from '../core/model/problem.ts'
import { appendAudit } from '../core/store/audit.ts'
import type { Executor } from '../core/store/database.ts'
import { checkInvariants } from '../core/store/invariants.ts'
import { statement } from '../core/store/statement.ts'
import { invariants } from '../cron/invariants.ts'
import { administer } from './support/administer.ts'
import type { TestHouse } from './support/house.ts'
import { agreed, cardWhen, isAtEnd, isAtGate, openTestHouse, uncapped } from './support/house.ts'
import { kind, pipelineOf, startRunOf } from './support/recipe.ts'
import type { Told } from './support/schedules.ts'
import { handsOn, openAs } from './support/schedules.ts'

const policy = {
  roles: ['approver'],
  quorum: 1,
  selfApproval: true,
  expiresAfterMs: null,
  remindEveryMs: null,
} as const

/** Money, an effect, a verdict, and a gate on its bytes. */
const whole = pipelineOf(
  'whole',
  {
    page: kind(async (ctx) => {
      const held = await ctx.reserve({ micros: 10, tokens: 1 }, 'call')
      await held.settle({ micros: 7, tokens: 1 })
      await ctx.effect({
        name: 'crate',
        kind: 'crate',
        target: {},
        undo: 'take it off',
        reversal: 'undo',
        find: () => Promise.resolve(null),
        make: (key) => Promise.resolve(key),
        result: z.string(),
      })
      const artifact = await ctx.save('page', Buffer.from('page'), 'text/plain')
      const subject = { artifact, what: 'a page', risks: [], questions: [], changes: [], facts: [] }
      return { kind: 'done', output: null, artifacts: [artifact], subject, verdict: 'good' }
    }),
  },
  {
    plan: () => [
      { type: 'step', id: 'page', kind: 'page', title: 'page' },
      {
        type: 'gate',
        id: 'gate',
        name: 'page',
        title: 'gate',
        judges: 'page',
        policy: { ...policy, roles: ['approver'] },
      },
    ],
  },
)

const broken = pipelineOf('broken', {
  fall: kind(() => Promise.reject(new Fault({ code: 'FATAL', message: 'It fell.', retryable: false }))),
})

/** A run that waits at its gate, one that was approved, one that failed, one that is paused; and a key. */
async function fill(house: TestHouse): Promise<void> {
  // A day that is capped is a level with a row.
  await house.work({ money: { ...uncapped, instanceDay: { capMicros: 1e9, capTokens: null } } })
  const { handle: approved } = await startRunOf(house, 'whole')
  await cardWhen(house, approved, isAtGate)
  agreed(await house.ask({ kind: 'approve', run: approved, gate: null, sha256: null }))
  await cardWhen(house, approved, isAtEnd)
  await cardWhen(house, (await startRunOf(house, 'broken')).handle, isAtEnd)
  const { handle: paused } = await startRunOf(house, 'whole')
  await cardWhen(house, paused, isAtGate)
  agreed(await house.ask({ kind: 'pause', run: paused }))
  await cardWhen(house, (await startRunOf(house, 'whole')).handle, isAtGate)
  agreed(await house.ask({ kind: 'key', verb: 'add', name: 'laptop', scopes: ['read'] }))
}

const anyone = `gen_random_uuid()`

/** What somebody did to the database, and which invariant says so. */
const breaks: readonly (readonly [string, string])[] = [
  ['everyRunCanGoOn', `update app.gates set verdict = 'withdrawn', decided_at = now() where verdict is null`],
  ['eventsAreGapless', 'delete from app.events where seq = 2'],
  ['rowEqualsFold', `update app.runs set state = 'cancelled' where state = 'succeeded'`],
  ['rowEqualsFold', `update app.runs set position = 0 where state = 'succeeded'`],
  ['effectsAreMade', `update app.effects set state = 'planned', done_at = null`],
  ['ledgerAddsUp', 'update app.budgets set spent_micros = spent_micros + 1'],
  ['ledgerAddsUp', 'update app.reservations set spent_micros = 6'],
  ['decisionsAreAudited', `update app.gates set artifact_sha256 = 'another' where verdict = 'approved'`],
  ['decisionsAreAudited', `update app.gates set verdict = 'rejected' where verdict = 'approved'`],
  ['decisionsAreAudited', `delete from audit.entries where action = 'gate.approved'`],
  ['planMatchesHistory', `insert into app.plans select run_id, 2, input, steps from app.plans`],
  ['attemptsFollowHistory', 'update app.runs set attempt = 7'],
  ['attemptsFollowHistory', 'delete from app.attempts where outcome = $$failed$$'],
  ['fencesRise', `update app.runs set fence = 0 where state = 'succeeded'`],
  [
    'fencesRise',
    `insert into app.attempts select run_id, position, 2, step_id, outcome, output, error_code, error, duration_ms, fence - 1
    from app.attempts where outcome = 'failed'`,
  ],
  ['reasonsAreTold', `update app.runs set reason_code = 'x', reason = 'made up' where state = 'waiting'`],
  ['reasonsAreTold', `update app.runs set reason = 'made up' where state = 'failed'`],
  ['reasonsAreTold', `update app.runs set reason_code = 'VALIDATION_ERROR' where state = 'failed'`],
  ['reasonsAreTold', `update app.runs set reason_code = 'budget' where state = 'paused'`],
  ['reasonsAreTold', `update app.runs set reason = 'made up' where state = 'succeeded'`],
  ['verdictsWereGiven', `update app.runs set verdicts = verdicts || '{"gate": "approved"}' where state = 'waiting'`],
  ['verdictsWereGiven', `update app.runs set verdicts = '{"other": "good"}' where state = 'failed'`],
  ['verdictsWereGiven', `update app.runs set verdicts = '{}' where state = 'succeeded'`],
  ['capsHold', 'update app.budgets set cap_micros = 6'],
  ['capsHold', 'update app.budgets set cap_tokens = 0'],
  [
    'spendingAddsUp',
    `insert into app.spending (level, key, spent_micros, reserved_micros) values ('instance-day', 'x', 999999999, 5000)`,
  ],
  ['spendingAddsUp', `update app.spending set reserved_tokens = reserved_tokens + 1`],
  ['spendingAddsUp', `update app.spending set spent_micros = 0, begun_at = begun_at - interval '1 year'`],
  [
    'rightsAreAudited',
    `insert into app.actor_roles (actor_id, role) select actor_id, 'auditor' from app.actor_roles where role = 'admin'`,
  ],
  [
    'rightsAreAudited',
    `insert into app.api_keys (id, owner_id, label, scopes, sha256)
    select ${anyone}, owner_id, label, scopes, repeat('a', 64) from app.api_keys`,
  ],
  [
    'rightsAreAudited',
    `insert into pii.erasures (actor_id, asked_by) select actor_id, actor_id from app.actor_roles where role = 'admin'`,
  ],
  ['rightsAreAudited', `delete from audit.entries where action = 'role.grant'`],
  [
    'effectsAreAudited',
    `insert into app.effects select run_id, 'other', step_id, kind, target, state, result, undo, planned_at, done_at
    from app.effects limit 1`,
  ],
  ['effectsAreAudited', `update app.effects set state = 'undone'`],
  ['auditChainHolds', `update audit.entries set action = 'nothing' where seq = 1`],
]

class Undone extends Error {}

/** What does not hold once this has been done, which nobody else ever sees. */
async function brokenBy(house: TestHouse, n: number, sql: string): Promise<string[]> {
  const breaking = statement({ name: `test_break_${n}`, params: [], row: z.object({}), sql })
  let names: string[] = []
  const work = async (tx: Executor): Promise<void> => {
    await tx.run(breaking, {})
    names = namesOf(await checkInvariants(tx))
    throw new Undone()
  }
  await expect(openAs(house.database, null).transaction(work)).rejects.toThrow(Undone)
  return names
}

const namesOf = (found: Awaited<ReturnType<typeof checkInvariants>>): string[] =>
  Object.entries(found)
    .filter(([, violations]) => violations.length > 0)
    .map(([name]) => name)

test('each invariant holds of a database in use, and whatever breaks it is found', { timeout: 60_000 }, async () => {
  const house = await openTestHouse({ whole, broken })
  await fill(house)
  const held = await checkInvariants(house.db)
  expect(namesOf(held)).toEqual([])
  for (const [n, [name, sql]] of breaks.entries()) expect(await brokenBy(house, n, sql), sql).toContain(name)
  expect(new Set(breaks.map(([name]) => name)), 'none is left out').toEqual(new Set(Object.keys(held)))
})

test('a replay, which has no run, may have used more of the server’s day than its runs did', async () => {
  const house = await openTestHouse({ whole, broken })
  await fill(house)
  const { connection } = house.database
  await administer(connection, 'update app.spending set spent_micros = spent_micros + 5')
  expect(namesOf(await checkInvariants(house.db))).toEqual(['spendingAddsUp'])
  await house.db.transaction((tx) =>
    appendAudit(tx, [
      {
        actorId: house.actor.id,
        action: 'model.replay',
        runId: null,
        correlationId: null,
        target: 'call:1',
        contentSha256: null,
        detail: {},
      },
    ]),
  )
  expect(namesOf(await checkInvariants(house.db))).toEqual([])
})

test('every night what does not hold is in the log, and the schedule fails', async () => {
  const house = await openTestHouse({ whole, broken })
  const told: Told[] = []
  const hands = handsOn(house.database, told)
  expect(await invariants.work(hands)).toEqual({ checked: 16, broken: 0 })
  await administer(
    house.database.connection,
    `insert into app.spending (level, key, spent_micros) values ('instance-day', 'x', 9)`,
  )
  await expect(invariants.work(hands)).rejects.toThrow('These do not hold: spendingAddsUp. See qp doctor --invariants.')
  expect(told).toEqual([
    {
      level: 'error',
      message: 'an invariant does not hold',
      fields: {
        invariant: 'spendingAddsUp',
        subject: 'instance-day x',
        problem: 'the level does not equal its reservations',
        found: 1,
      },
    },
  ])
  await administer(house.database.connection, `delete from app.spending where key = 'x'`)
})
