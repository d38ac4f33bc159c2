import { describe, expect, onTestFinished, test } from 'vitest'
import { Purse } from '../core/engine/purse.ts'
import { Fault } from '../core/model/problem.ts'
import { handleOf } from '../core/model/handle.ts'
import type { Level } from '../core/store/call.ts'
import type { Executor } from '../core/store/database.ts'
import { reserve } from '../core/store/reserve.ts'
import { settleUses } from '../core/store/settle-uses.ts'
import { administer, openSession } from './support/administer.ts'
import {
  agreed,
  cardWhen,
  denied,
  isAtEnd,
  openTestHouse,
  type TestHouse,
  testSettings,
  uncapped,
} from './support/house.ts'
import { atTheTill, race, readSpending } from './support/money.ts'
import { freezeClock } from './support/postgres.ts'
import { kind, pipelineOf, startRunOf } from './support/recipe.ts'

const capped = (level: Level['level'], about: string, capMicros: number | null = 10): Level => ({
  level,
  about,
  period: level.endsWith('day') ? 'day' : level === 'hour' || level === 'minute' ? level : null,
  zone: 'Europe/Berlin',
  capMicros,
  capTokens: null,
})

/** As if all that was spent had been spent on another day. */
async function endTheDay({ database: { connection } }: TestHouse): Promise<void> {
  const another = `to_char(now(), 'YYYY'), '2001'`
  await administer(connection, `update app.spending set key = replace(key, ${another})`)
  await administer(connection, `update app.reservations set levels = replace(levels::text, ${another})::jsonb`)
}

describe('reservations', () => {
  test('of forty that race for ten units exactly ten are granted, at every level, one by one and in one batch', async () => {
    const till = await atTheTill()
    expect(await race(till, 1)).toEqual([])
  })

  test('the run’s own cap holds as well, and a refusal changes nothing anywhere', async () => {
    const { house, worker, ask } = await atTheTill(5)
    const level = capped('instance-day', 'all')
    const granted = await reserve(
      house.db,
      worker,
      Array.from({ length: 8 }, () => ask([level])),
    )
    expect(granted.filter((each) => each.granted)).toHaveLength(5)
    expect(granted.at(-1)?.refusals).toMatchObject([{ level: 'run', leftMicros: 0 }])
    expect(await readSpending(house.database.connection)).toMatchObject([
      { level: 'instance-day', reserved_micros: '5' },
    ])
  })

  test('are booked with what was really used where they were made, the day after as well, and more than reserved is told', async () => {
    const { house, worker, run, ask } = await atTheTill()
    const asked = ask([capped('project-day', 'shop')], 4)
    await reserve(house.db, worker, [asked])
    await endTheDay(house)
    const use = { run: run.id, id: asked.id, micros: 9, tokens: 1 }
    expect(await settleUses(house.db, [use])).toEqual([{ id: asked.id, overMicros: 5, overTokens: 0 }])
    expect(await settleUses(house.db, [use]), 'once').toEqual([])
    const [row] = await readSpending(house.database.connection)
    expect(row).toMatchObject({ spent_micros: '9', reserved_micros: '0' })
    expect(row?.key).toMatch(/^shop:2001-/)
  })

  test('never leave less than nothing, nor count at a level that nobody knows', async () => {
    const { house, worker, ask } = await atTheTill()
    await reserve(house.db, worker, [ask([capped('hour', 'all')], 4)])
    const write = (sql: string) => administer(house.database.connection, sql)
    for (const column of ['spent_micros', 'spent_tokens', 'reserved_micros', 'reserved_tokens'])
      await expect(write(`update app.spending set ${column} = -1`), column).rejects.toThrow('amount_is_not_negative')
    await expect(write(`update app.spending set level = 'week'`)).rejects.toThrow('spending_level_is_known')
  })

  test('of a worker that lost its run are not made', async () => {
    const { house, worker, ask } = await atTheTill()
    const stale = { ...ask([capped('hour', 'all')]), fence: 99 }
    expect(await reserve(house.db, worker, [stale])).toEqual([{ granted: false, refusals: [] }])
    expect(await reserve(house.db, worker, [{ ...stale, levels: [] }])).toEqual([{ granted: false, refusals: [] }])
    expect(await readSpending(house.database.connection)).toEqual([])
  })

  test('count each at a level whose day two zones share', async () => {
    const { house, worker, run, ask } = await atTheTill()
    const asks = ['UTC', 'Etc/UTC'].map((zone) => ask([{ ...capped('project-day', 'shop'), zone }], 4))
    await reserve(house.db, worker, [ask([{ ...capped('project-day', 'shop'), zone: 'UTC' }], 0)])
    await reserve(house.db, worker, asks)
    expect(await readSpending(house.database.connection)).toMatchObject([{ reserved_micros: '8' }])
    expect(
      await reserve(house.db, worker, [ask([{ ...capped('project-day', 'shop'), zone: 'UTC' }], 4)]),
    ).toMatchObject([{ granted: false }])
    await settleUses(
      house.db,
      asks.map(({ id }) => ({ run: run.id, id, micros: 3, tokens: 1 })),
    )
    expect(await readSpending(house.database.connection)).toMatchObject([{ spent_micros: '6', reserved_micros: '0' }])
  })

  test.each([
    ['minute', 30_000, [60_000, 3_600_000]],
    ['hour', 1_770_000, [3_600_000, 7_200_000]],
  ] as const)(
    'a full %s ends in its time, also where the clock is set back, and counts no second time',
    async (level, leftMs, laterMs) => {
      const { house, worker, run } = await atTheTill()
      const at = new Date('2026-10-25T00:30:30Z')
      await freezeClock(house.database, at)
      const caps = { [level]: { capMicros: 10, capTokens: null } }
      const lease = { worker, holds: true, lost: new AbortController().signal }
      const purse = new Purse(house.db, lease, {
        money: { ...testSettings.money, zone: 'Europe/Berlin', ...caps },
        log: () => undefined,
      })
      const payer = { run: run.id, fence: run.fence, step: 's', project: null, actor: 'a' }
      const ask = () =>
        purse.reserve(payer, { micros: 10, tokens: 1 }, { purpose: 'call', within: { zone: null, caps: {} } })
      expect(await ask()).toHaveProperty('id')
      expect(await ask()).toMatchObject({ code: 'RATE_LIMIT', retryAfterMs: leftMs })
      for (const ms of laterMs) {
        await freezeClock(house.database, new Date(at.getTime() + ms))
        expect(await ask()).toHaveProperty('id')
      }
    },
  )

  test('begin their day where the project is', async () => {
    const { house, worker, ask } = await atTheTill()
    const at = (zone: string): Level => ({ ...capped('project-day', zone), zone })
    await reserve(house.db, worker, [ask([at('Pacific/Kiritimati'), at('Pacific/Niue')])])
    const days = (await readSpending(house.database.connection)).map(({ key }) => key.slice(-16, -6)).toSorted()
    expect(new Set(days).size, 'a day and an hour lie between them').toBe(2)
  })
})

const brokenOff = {
  model: 'acme/one',
  requestId: null,
  temperature: null,
  maxOutputTokens: 1,
  schemaSha256: null,
  prompt: null,
  answer: null,
  tokens: null,
  costMicros: null,
  durationMs: 1,
  outcome: 'stopped',
} as const

describe('a run', () => {
  const spender = (caught: Fault[] = []) =>
    kind(async (ctx) => {
      const held = await ctx.reserve({ micros: 600, tokens: 10 }, 'call').catch((error: Fault) => {
        caught.push(error)
        throw error
      })
      await held.settle({ micros: 500, tokens: 10 })
      return { kind: 'done', output: null }
    })

  async function open(money: Partial<typeof uncapped>, caught: Fault[] = []): Promise<TestHouse> {
    const house = await openTestHouse({ spend: pipelineOf('spend', { s: spender(caught) }) })
    await house.work({ money: { ...uncapped, ...money } })
    return house
  }

  test('that the day does not hold pauses as budget, says whose day it is, and goes on when there is room', async () => {
    const house = await open({ instanceDay: { capMicros: 1_000, capTokens: null } })
    const first = await startRunOf(house, 'spend')
    await cardWhen(house, first.handle, isAtEnd)
    const { handle } = await startRunOf(house, 'spend')
    const card = await cardWhen(house, handle, ({ state }) => state === 'paused')
    expect(card.reasonCode).toBe('budget')
    expect(card.reason).toMatch(
      /what this server may use in a day has \$0\.0005 left\. \/resume after the day has ended/,
    )
    await endTheDay(house)
    agreed(await house.ask({ kind: 'resume', run: handle }))
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  })

  test.each([1, 3])('whose %d reservations are made and not answered for loses none of that money', async (count) => {
    const { house, worker, run } = await atTheTill()
    let isLost = false
    const db: Executor = {
      run: async (statement, params) => {
        const rows = await house.db.run(statement, params)
        if (isLost || !statement.name.startsWith('reserve')) return rows
        isLost = true
        throw new Fault({ code: 'TRANSIENT_NETWORK', message: 'The answer was lost.', retryable: true })
      },
    }
    const lease = { worker, holds: true, lost: new AbortController().signal }
    const purse = new Purse(db, lease, { money: testSettings.money, log: () => undefined })
    const payer = { run: run.id, fence: run.fence, step: 's', project: null, actor: 'a' }
    const within = { zone: null, caps: {} }
    const asked = Array.from({ length: count }, () =>
      purse.reserve(payer, { micros: 100, tokens: 1 }, { purpose: 'call', within }),
    )
    const ids = (await Promise.allSettled(asked)).flatMap((each) =>
      each.status === 'fulfilled' && typeof each.value === 'object' && 'id' in each.value ? [each.value.id] : [],
    )
    expect(ids, 'one that came alone is tried again by its step').toHaveLength(count === 1 ? 0 : count)
    for (const id of ids) await purse.settle({ run: run.id, id, micros: 40, tokens: 1 }, 'call')
    const ledger = `select spent_micros::integer as spent, reserved_micros::integer as reserved from app.budgets where scope = 'run'`
    await expect
      .poll(() => administer(house.database.connection, ledger))
      .toEqual([{ spent: ids.length * 40, reserved: 0 }])
  })

  test('whose call is over while the database is away books it when that is back, and makes it no second time', async () => {
    let tries = 0
    const isHeld = Promise.withResolvers<void>()
    const step = kind(async (ctx) => {
      tries++
      const held = await ctx.reserve({ micros: 600, tokens: 10 }, 'call')
      await isHeld.promise
      await held.settle({ micros: 500, tokens: 10 })
      return { kind: 'done', output: null }
    })
    const house = await openTestHouse({ spend: pipelineOf('spend', { s: step }) })
    await house.work()
    const { handle } = await startRunOf(house, 'spend')
    const { connection } = house.database
    await expect.poll(() => administer(connection, 'select from app.reservations')).toHaveLength(1)
    const session = openSession(connection)
    onTestFinished(() => session.end())
    await session.unsafe('begin')
    await session.unsafe(`select from app.budgets where scope = 'run' for update`)
    isHeld.resolve()
    const breakOff = `select pg_terminate_backend(pid) from pg_locks where not granted`
    await expect.poll(() => administer(connection, breakOff)).toHaveLength(1)
    await session.unsafe('rollback')
    await cardWhen(house, handle, isAtEnd)
    const ledger = `select spent_micros, reserved_micros from app.budgets where scope = 'run'`
    expect([tries, await administer(connection, ledger)]).toEqual([1, [{ spent_micros: '500', reserved_micros: '0' }]])
  })

  test('whose call broke off holds its money until an admin books what it cost, once and on record', async () => {
    let goOn = (): void => undefined
    const isWaiting = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const call = { ...brokenOff, question: { sha256: 'a'.repeat(64), bytes: 1, text: 'q' } }
    const step = kind(async (ctx) => {
      await (await ctx.reserve({ micros: 600, tokens: 10 }, 'first', { zone: null, caps: {} })).record(call)
      await ctx.reserve({ micros: 300, tokens: 10 }, 'second')
      await isWaiting
      return { kind: 'done', output: null }
    })
    const house = await openTestHouse({ spend: pipelineOf('spend', { s: step }) })
    await house.work({ money: { ...uncapped, instanceDay: { capMicros: 10_000, capTokens: null } } })
    const { handle, id } = await startRunOf(house, 'spend')
    const look = { kind: 'budget', run: handle, raiseMicros: null } as const
    const money = async () => {
      const reply = agreed(await house.ask(look))
      if (reply.kind !== 'budget') throw new Error(reply.kind)
      return reply
    }
    await expect.poll(async () => (await money()).money.reservedMicros).toBe(900)
    const during = await money()
    expect(during.held, 'the second may be under way').toMatchObject([
      { step: 's', purpose: 'first', reservedMicros: 600 },
    ])
    const ids = await administer(
      house.database.connection,
      `select right(id::text, 8) as id from app.reservations where run_id = '${id}' order by created_at, id`,
    )
    const [first, second] = ids.map((row) => String(row['id']))
    const book = (callId = '', micros = 0, as = house.actor) =>
      house.ask({ ...look, booked: { call: callId, micros } }, as)
    expect(denied(await book(second))).toMatchObject({ code: 'wrong_state' })
    expect(denied(await book(first, 0, { ...house.actor, roles: ['operator'] }))).toMatchObject({ code: 'not_allowed' })
    agreed(await book(first, 250))
    expect(denied(await book(first, 250)), 'once').toMatchObject({ code: 'not_found' })
    expect((await money()).money).toMatchObject({ spentMicros: 250, spentTokens: 10, reservedMicros: 300 })
    const calls = agreed(await house.ask({ kind: 'calls', run: handle, page: 1 }))
    expect(calls).toMatchObject({ calls: [{ outcome: 'stopped', costMicros: 250 }] })
    goOn()
    await cardWhen(house, handle, isAtEnd)
    agreed(await book(second))
    expect(await money()).toMatchObject({ held: [], money: { spentMicros: 250, spentTokens: 10, reservedMicros: 0 } })
    expect(await readSpending(house.database.connection)).toMatchObject([
      { level: 'instance-day', spent_micros: '250', reserved_micros: '0' },
    ])
    const audit = await administer(
      house.database.connection,
      `select action, detail->>'micros' as micros from audit.entries where action = 'call.book' order by seq`,
    )
    expect(audit).toEqual([
      { action: 'call.book', micros: '250' },
      { action: 'call.book', micros: '0' },
    ])
  })

  test('that the minute does not hold waits for its end and uses up no try', async () => {
    const caught: Fault[] = []
    const house = await open({ minute: { capMicros: null, capTokens: 15 } }, caught)
    // A minute that ends between two of them holds each: the next two are in one.
    for (let pair = 0; pair < 3 && caught.length === 0; pair++) {
      const runs = [await startRunOf(house, 'spend'), await startRunOf(house, 'spend')]
      await cardWhen(house, runs[0]?.handle ?? '', isAtEnd).catch(() => undefined)
    }
    expect(caught.length).toBeGreaterThanOrEqual(1)
    expect(caught[0]).toMatchObject({ code: 'RATE_LIMIT', retryable: true })
    expect(caught[0]?.retryAfterMs).toBeLessThanOrEqual(60_000)
  })

  test('whose one call is more than a minute ever holds does not wait for one that does', async () => {
    const house = await open({ minute: { capMicros: null, capTokens: 5 } })
    const { handle } = await startRunOf(house, 'spend')
    const card = await cardWhen(house, handle, ({ state }) => state === 'paused')
    expect(card.reason).toContain('more than what this server may use in a minute ever holds')
    expect(handle).toBe(handleOf(1))
  })
})
