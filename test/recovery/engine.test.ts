import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { sendSignal } from '../../core/commands/send-signal.ts'
import { Shift } from '../../core/engine/shift.ts'
import { reap } from '../../core/engine/sweep.ts'
import type { Json } from '../../core/model/json.ts'
import type { Outcome } from '../../core/model/outcome.ts'
import { Fault } from '../../core/model/problem.ts'
import type { Pipeline, StepContext } from '../../core/pipeline.ts'
import { claimRuns } from '../../core/store/claim.ts'
import { draftOf } from '../../core/store/draft-run.ts'
import { startRuns } from '../../core/store/start.ts'
import { statement } from '../../core/store/statement.ts'
import { uuidv7 } from '../../core/store/uuid.ts'
import { agreed, cardWhen, isAtEnd, isAtGate, openTestHouse, testSettings } from '../support/house.ts'
import { kind, pipelineOf, startRunOf } from '../support/recipe.ts'

type Body = (ctx: StepContext) => Promise<Outcome>

const done = (output: Json = null): Outcome => ({ kind: 'done', output })

/** A body that never ends by itself. */
const untilStopped: Body = (ctx) =>
  new Promise((_, reject) => {
    ctx.signal.addEventListener('abort', () => reject(new Error('stopped')))
  })

describe('steps', () => {
  test('what the world refuses for a moment is tried again, and the run says so meanwhile', async () => {
    let tries = 0
    const flaky = kind(async () => {
      if (++tries < 3) throw new Fault({ code: 'TRANSIENT_NETWORK', message: 'no answer', retryable: true })
      return done()
    })
    const house = await openTestHouse({ flaky: pipelineOf('flaky', { flaky }) })
    await house.work()
    const { handle } = await startRunOf(house, 'flaky')
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
    expect(tries).toBe(3)
  })

  test('a step that takes too long is stopped and tried again', async () => {
    let tries = 0
    const slow = kind(
      async (ctx) => {
        if (++tries > 1) return done()
        await new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(new Error('stopped'))))
        return done()
      },
      { timeoutMs: 100 },
    )
    const house = await openTestHouse({ slow: pipelineOf('slow', { slow }) })
    await house.work()
    const { handle } = await startRunOf(house, 'slow')
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  })

  test.each([
    ['throws what is no error', () => Promise.reject('nothing')],
    ['returns what is no JSON', () => Promise.resolve<Outcome>({ kind: 'done', output: undefined as unknown as Json })],
  ])('a step that %s parks its run alone; its neighbours go on', async (_, body) => {
    const house = await openTestHouse({
      bad: pipelineOf('bad', { bad: kind(body) }),
      good: pipelineOf('good', { good: kind(async () => done()) }),
    })
    await house.work()
    const bad = await startRunOf(house, 'bad')
    const good = await startRunOf(house, 'good')
    expect(await cardWhen(house, bad.handle, (card) => card.state === 'paused')).toMatchObject({
      reasonCode: 'invariant',
    })
    expect(await cardWhen(house, good.handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  })

  test('text that Postgres cannot hold is stored without what it cannot hold', async () => {
    const nul = kind(async () => done({ text: 'a\0b', path: 'c:\\u0000' }))
    const read = kind(async (ctx) => done(await ctx.outputOf('nul', z.json())))
    const house = await openTestHouse({ nul: pipelineOf('nul', { nul, read }) })
    await house.work()
    const { handle } = await startRunOf(house, 'nul')
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  })

  test('an effect is made once, however often its step is tried', async () => {
    const made: string[] = []
    let tries = 0
    const step = kind(async (ctx) => {
      await ctx.effect({
        name: 'it',
        kind: 'thing',
        target: {},
        undo: 'none',
        reversal: 'undo',
        find: async (key) => (made.includes(key) ? key : null),
        make: async (key) => {
          made.push(key)
          if (++tries === 1)
            throw new Fault({ code: 'TRANSIENT_NETWORK', message: 'the answer was lost', retryable: true })
          return key
        },
        result: z.string(),
      })
      return done()
    })
    const house = await openTestHouse({ effect: pipelineOf('effect', { step }) })
    await house.work()
    const { handle } = await startRunOf(house, 'effect')
    await cardWhen(house, handle, isAtEnd)
    expect(made).toHaveLength(1)
  })

  test('that lead to a gate are not made again when the run goes on, by a resume or by the decision', async () => {
    const made: string[] = []
    const make = async (ctx: StepContext, name: string) => {
      const make = (key: string) => (made.push(name), Promise.resolve(key))
      // Nothing outside can be asked whether it is there: only what the run remembers keeps it from a second time.
      const find = () => Promise.resolve(null)
      await ctx.effect({
        name,
        kind: 'thing',
        target: {},
        undo: 'none',
        reversal: 'irreversible',
        find,
        make,
        result: z.string(),
      })
    }
    const page = kind(async (ctx) => {
      await make(ctx, 'before the gate')
      const artifact = await ctx.save('page', Buffer.from('page'), 'text/plain')
      const subject = { artifact, what: 'a page', risks: [], questions: [], changes: [], facts: [] }
      return { kind: 'done', output: null, artifacts: [artifact], subject }
    })
    const print = kind(async (ctx) => (await make(ctx, 'behind the gate'), done()))
    const policy = {
      roles: ['approver' as const],
      quorum: 1,
      selfApproval: true,
      expiresAfterMs: null,
      remindEveryMs: null,
    }
    const plan = () => [
      { type: 'step' as const, id: 'page', kind: 'page', title: 'page' },
      { type: 'gate' as const, id: 'gate', name: 'page', title: 'gate', judges: 'page', policy },
      { type: 'step' as const, id: 'print', kind: 'print', title: 'print' },
    ]
    const house = await openTestHouse({ gated: pipelineOf('gated', { page, print }, { plan }) })
    const first = await house.work()
    const { handle } = await startRunOf(house, 'gated')
    await cardWhen(house, handle, isAtGate)
    agreed(await house.ask({ kind: 'pause', run: handle }))
    await first.stop()
    await house.work()
    agreed(await house.ask({ kind: 'resume', run: handle }))
    agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
    expect(made).toEqual(['before the gate', 'behind the gate'])
  })

  test('none at all are no success: a run without a plan is not begun', async () => {
    const house = await openTestHouse({ empty: pipelineOf('empty', {}, { plan: () => [] }) })
    await expect(startRunOf(house, 'empty')).rejects.toThrow('at least one item')
    expect(agreed(await house.ask({ kind: 'runs', page: 1 }))).toMatchObject({ runs: [] })
  })
})

describe('waiting', () => {
  test('a signal that comes before anybody waits for it is kept', async () => {
    const heard: Json[] = []
    const hold = Promise.withResolvers<void>()
    const listen = kind(async (ctx) => {
      if (ctx.resumed?.kind === 'signal') {
        heard.push(ctx.resumed.payload)
        return done()
      }
      await hold.promise
      return { kind: 'wait', wait: { kind: 'signal', name: 'go', timeoutMs: null } }
    })
    const house = await openTestHouse({ listen: pipelineOf('listen', { listen }) })
    await house.work()
    const { id, handle } = await startRunOf(house, 'listen')
    await cardWhen(house, handle, (card) => card.state === 'running')
    expect(await sendSignal(house.db, id, 'go', 42)).toMatchObject({ ok: true })
    hold.resolve()
    await cardWhen(house, handle, isAtEnd)
    expect(heard).toEqual([42])
  })

  test('a parent hears of every child, failures included', async () => {
    const results: unknown[] = []
    const parent = kind(async (ctx) => {
      if (ctx.resumed?.kind === 'children') {
        results.push(...ctx.resumed.results.map((result) => result.state))
        return done()
      }
      const children = [1, 2, 3].map((input) => ({ pipeline: 'child', input }))
      return { kind: 'wait', wait: { kind: 'children', children } }
    })
    const child = kind(async (ctx) => {
      if (ctx.input === 2) throw new Fault({ code: 'FATAL', message: 'no', retryable: false })
      return done()
    })
    const house = await openTestHouse({
      parent: pipelineOf('parent', { parent }),
      child: pipelineOf('child', { child }),
    })
    await house.work()
    const { handle } = await startRunOf(house, 'parent')
    await cardWhen(house, handle, isAtEnd)
    expect(results).toEqual(['succeeded', 'failed', 'succeeded'])
  })

  test('a pause stops before the next step, and resume goes on once', async () => {
    const ran: string[] = []
    const hold = Promise.withResolvers<void>()
    const first = kind(async () => {
      ran.push('first')
      await hold.promise
      return done()
    })
    const second = kind(async () => {
      ran.push('second')
      return done()
    })
    const house = await openTestHouse({ two: pipelineOf('two', { first, second }) })
    await house.work()
    const { handle } = await startRunOf(house, 'two')
    await cardWhen(house, handle, (card) => card.state === 'running')
    agreed(await house.ask({ kind: 'pause', run: handle }))
    hold.resolve()
    await cardWhen(house, handle, (card) => card.state === 'paused')
    expect(ran).toEqual(['first'])
    agreed(await house.ask({ kind: 'resume', run: handle }))
    await cardWhen(house, handle, isAtEnd)
    expect(ran).toEqual(['first', 'second'])
  })

  test('a cancel stops the step under way and cleans up', async () => {
    const ran: string[] = []
    const work = kind(
      (ctx) => new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(new Error('stopped')))),
      { onPause: 'abort' },
    )
    const clean = kind(async () => {
      ran.push('clean')
      return done()
    })
    const recipe = pipelineOf(
      'long',
      { work },
      { cleanUp: { type: 'step', id: 'clean-up', kind: 'clean', title: 'cleaning' } },
    )
    const house = await openTestHouse({ long: { ...recipe, steps: { work, clean } } })
    await house.work()
    const { handle } = await startRunOf(house, 'long')
    await cardWhen(house, handle, (card) => card.state === 'running')
    agreed(await house.ask({ kind: 'cancel', run: handle }))
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'cancelled' })
    expect(ran).toEqual(['clean'])
  })
})

describe('money', () => {
  test('a cap for ten calls grants ten of twenty that ask at once, and the run pauses', async () => {
    let granted = 0
    const spend = kind(async (ctx) => {
      const asked = await Promise.allSettled(
        Array.from({ length: 20 }, () => ctx.reserve({ micros: 100, tokens: 1 }, 'call')),
      )
      const held = asked.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
      granted = held.length
      await Promise.all(held.map((reservation) => reservation.settle({ micros: 50, tokens: 1 })))
      const refused = asked.find((result) => result.status === 'rejected')
      if (refused?.status === 'rejected') throw refused.reason
      return done()
    })
    const house = await openTestHouse({ spend: pipelineOf('spend', { spend }) })
    await house.work()
    const { handle } = await startRunOf(house, 'spend')
    const card = await cardWhen(house, handle, (seen) => seen.state === 'paused')
    expect(granted).toBe(10)
    expect(card).toMatchObject({ reasonCode: 'budget', money: { spentMicros: 500, reservedMicros: 0 } })
  })
})

const killWorker = statement({
  name: 'test_kill_worker',
  params: [],
  row: z.object({ id: z.string() }),
  sql: `update app.workers set beat_at = app.clock_now() - interval '1 hour' where state = 'live' returning id`,
})

describe('workers that die', () => {
  test('a worker that lost its lease cannot write, even while the next worker is mid-step', async () => {
    const hold = Promise.withResolvers<void>()
    const bodies: number[] = []
    const step = kind(async () => {
      const nth = bodies.push(0)
      if (nth === 1) await hold.promise
      return done(nth)
    })
    const house = await openTestHouse({ step: pipelineOf('step', { step }) })
    const place = {
      db: house.db,
      people: house.desk.people,
      recipes: house.desk.recipes,
      settings: { ...testSettings, beatMs: 60_000, leaseMs: 60_000 },
      log: () => undefined,
      onParked: () => undefined,
    }
    const zombie = await Shift.begin(place)
    const { handle } = await startRunOf(house, 'step')
    await zombie.claim()
    await house.db.run(killWorker, {})
    expect(await reap(house.db, 3)).toBe(1)
    await house.work()
    await cardWhen(house, handle, isAtEnd)
    hold.resolve()
    await zombie.end()
    expect(bodies).toHaveLength(2)
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  })

  test('a run that was aboard two dying workers is left for a process of its own, and three deaths alone park it', async () => {
    const house = await openTestHouse({
      poison: pipelineOf('poison', { poison: kind(untilStopped) }),
    })
    const { id, handle } = await startRunOf(house, 'poison')
    const die = async (claim: () => Promise<unknown>): Promise<void> => {
      await claim()
      await house.db.run(killWorker, {})
      await reap(house.db, 3)
    }
    const place = {
      db: house.db,
      people: house.desk.people,
      recipes: house.desk.recipes,
      settings: { ...testSettings, beatMs: 60_000, leaseMs: 60_000, graceMs: 10 },
      log: () => undefined,
      onParked: () => undefined,
    }
    const shifts: Shift[] = []
    const shift = async (): Promise<Shift> => {
      const made = await Shift.begin(place)
      shifts.push(made)
      return made
    }
    await die(async () => (await shift()).claim())
    await die(async () => (await shift()).claim())
    expect(await (await shift()).claim()).toBe(0)
    for (let death = 0; death < 3; death++) {
      const alone = await shift()
      const driven = alone.claimAlone(id)
      await cardWhen(house, handle, (card) => card.state === 'running')
      await die(() => Promise.resolve())
      void driven
    }
    expect(await cardWhen(house, handle, (card) => card.state === 'paused')).toMatchObject({
      reasonCode: 'dead_letter',
    })
    for (const made of shifts) await made.abandon()
  })

  test('a worker that stops in order gives its runs back at once, without a death', async () => {
    const hold = Promise.withResolvers<void>()
    let bodies = 0
    const step = kind(
      async (ctx) => {
        if (++bodies > 1) return done()
        await Promise.race([
          hold.promise,
          new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(new Error('stopped')))),
        ])
        return done()
      },
      { onPause: 'abort' },
    )
    const house = await openTestHouse({ step: pipelineOf('step', { step }) })
    const first = await house.work()
    const { handle } = await startRunOf(house, 'step')
    await cardWhen(house, handle, (card) => card.state === 'running')
    await first.stop()
    await house.work()
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  })
})

test('an actor never has more runs running than its cap, whoever claims', async () => {
  const house = await openTestHouse({ wait: pipelineOf('wait', { wait: kind(untilStopped, { onPause: 'abort' }) }) })
  for (let i = 0; i < 10; i++) await startRunOf(house, 'wait')
  const place = {
    db: house.db,
    people: house.desk.people,
    recipes: house.desk.recipes,
    settings: { ...testSettings, actorCap: 3, beatMs: 60_000, leaseMs: 60_000 },
    log: () => undefined,
    onParked: () => undefined,
  }
  const shifts = [await Shift.begin(place), await Shift.begin(place)]
  const counts = await Promise.all(shifts.map((shift) => shift.claim()))
  expect(counts.reduce<number>((sum, count) => sum + (count ?? 0), 0)).toBe(3)
  for (const shift of shifts) await shift.end()
})

test('claims take the more urgent run first', async () => {
  const house = await openTestHouse({ p: pipelineOf('p', { p: kind(async () => done()) }) })
  const recipe = house.desk.pipelines['p'] as Pipeline
  const draft = (priority: number) =>
    draftOf(recipe, null, {
      startedBy: house.actor.id,
      correlationId: uuidv7(),
      projectId: null,
      priority,
      retryOf: null,
    })
  const [low] = await startRuns(house.db, [draft(0)], null)
  const [high] = await startRuns(house.db, [draft(5)], null)
  const place = {
    db: house.db,
    people: house.desk.people,
    recipes: () => null,
    settings: { ...testSettings, concurrency: 1 },
    log: () => undefined,
    onParked: () => undefined,
  }
  const shift = await Shift.begin(place)
  const worker = (await house.db.run(killWorkerId, {}))[0]?.id ?? ''
  const [taken] = await house.db.run(claimRuns, { worker, room: 1, actorCap: null, systemActor: uuidv7() })
  expect(taken?.id).toBe(high?.id)
  expect(low?.id).not.toBe(high?.id)
  await shift.end()
})

const killWorkerId = statement({
  name: 'test_worker_id',
  params: [],
  row: z.object({ id: z.string() }),
  sql: `select w.id from app.workers w where w.state = 'live'`,
})
