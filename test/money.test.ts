import { describe, expect, test } from 'vitest'
import type { Fault } from '../core/model/problem.ts'
import { handleOf } from '../core/model/handle.ts'
import type { Level } from '../core/store/call.ts'
import { reserve } from '../core/store/reserve.ts'
import { settleUses } from '../core/store/settle-uses.ts'
import { administer } from './support/administer.ts'
import { agreed, cardWhen, isAtEnd, openTestHouse, type TestHouse, uncapped } from './support/house.ts'
import { atTheTill, race, readSpending } from './support/money.ts'
import { kind, pipelineOf, startRunOf } from './support/recipe.ts'

const capped = (level: Level['level'], about: string, capMicros: number | null = 10): Level => ({
  level,
  about,
  period: level.endsWith('day') ? 'day' : level === 'hour' || level === 'minute' ? level : null,
  zone: 'Europe/Berlin',
  capMicros,
  capTokens: null,
})

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
    await administer(
      house.database.connection,
      `update app.spending set key = replace(key, to_char(now(), 'YYYY'), '2001')`,
    )
    await administer(
      house.database.connection,
      `update app.reservations set levels = replace(levels::text, to_char(now(), 'YYYY'), '2001')::jsonb`,
    )
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

  test('begin their day where the project is', async () => {
    const { house, worker, ask } = await atTheTill()
    const at = (zone: string): Level => ({ ...capped('project-day', zone), zone })
    await reserve(house.db, worker, [ask([at('Pacific/Kiritimati'), at('Pacific/Niue')])])
    const days = (await readSpending(house.database.connection)).map(({ key }) => key.slice(-16, -6)).toSorted()
    expect(new Set(days).size, 'a day and an hour lie between them').toBe(2)
  })
})

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
    await administer(house.database.connection, `update app.spending set spent_micros = 0`)
    agreed(await house.ask({ kind: 'resume', run: handle }))
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  })

  test('that the minute does not hold waits for its end and uses up no try', async () => {
    const caught: Fault[] = []
    const house = await open({ minute: { capMicros: null, capTokens: 15 } }, caught)
    const runs = [await startRunOf(house, 'spend'), await startRunOf(house, 'spend')]
    await cardWhen(house, runs[0]?.handle ?? '', isAtEnd).catch(() => undefined)
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
