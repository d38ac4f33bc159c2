import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import type { Post } from '../../bot/surface.ts'
import type { Following } from '../../core/commands/command.ts'
import { databaseProbes } from '../../core/commands/doctor.ts'
import { follows } from '../../core/commands/greet.ts'
import { Fault } from '../../core/model/problem.ts'
import type { Pipeline } from '../../core/pipeline.ts'
import { administer } from '../support/administer.ts'
import type { Chats } from '../support/chats.ts'
import { give, openChats, Wall } from '../support/chats.ts'
import { HeldDatabase } from '../support/held.ts'
import type { TestHouse } from '../support/house.ts'
import { agreed, cardWhen, denied, isAtEnd, isAtGate, makeRepository, openTestHouse } from '../support/house.ts'
import { keysOf, peopleOf } from '../support/people.ts'
import { freezeClock } from '../support/postgres.ts'
import { kind, pipelineOf, startRunOf } from '../support/recipe.ts'

const readme = '# Shop\n\nA shop for parts.\n\n- Customers must pay by card.\n'

type Scene = {
  readonly house: TestHouse
  readonly chats: Chats
  readonly telegram: Wall
  readonly slack: Wall
  readonly folder: string
}

/** Ann operates in Telegram, Bob approves in Slack, whose channel hears of everything. */
async function open(more: Readonly<Record<string, Pipeline>> = {}): Promise<Scene> {
  const house = await openTestHouse(more)
  const [telegram, slack] = [new Wall('telegram'), new Wall('slack')]
  const chats = openChats(house, [telegram, slack])
  const folder = await makeRepository(house, 'shop', { 'README.md': readme })
  for (const [surface, account, role] of [
    ['telegram', 'ann', 'operator'],
    ['slack', 'bob', 'approver'],
  ] as const) {
    agreed(await chats.reception.ask(chats.caller(surface, account), { kind: 'whoami' }))
    await give(house, account, role)
  }
  const channel = chats.caller('slack', 'bob', 'T1/C1')
  agreed(await chats.reception.ask(channel, { kind: 'subscribe', project: null, level: 'all' }))
  return { house, chats, telegram, slack, folder }
}

async function startIn({ house, chats, folder }: Scene): Promise<string> {
  await house.work()
  const order = { target: folder, branch: null, pipeline: 'factory', dryRun: false, confirm: false } as const
  const reply = agreed(await chats.reception.ask(chats.caller('telegram', 'ann', 'group'), { kind: 'run', ...order }))
  if (reply.kind !== 'started') throw new Error(reply.kind)
  await cardWhen(house, reply.card.handle, isAtGate)
  await chats.settle()
  return reply.card.handle
}

const button = (posts: readonly Post[], label: RegExp): string => {
  const found = posts.flatMap((post) => post.buttons).find((one) => label.test(one.label))
  if (!found) throw new Error(`no button ${label.source}: ${JSON.stringify(posts)}`)
  return found.data
}

const said = (posts: readonly Post[]): string => posts.map((post) => post.lines.join('\n')).join('\n---\n')

test('started in Telegram, approved in Slack, and both cards say the same, with the request still readable', async () => {
  const scene = await open()
  const { house, chats, telegram, slack } = scene
  const handle = await startIn(scene)
  for (const posts of [telegram.read('group'), slack.read('T1/C1')]) {
    expect(said(posts)).toContain(`Run ${handle} waits for you: ANCHOR.md`)
    expect(posts.find((post) => post.buttons.length > 2)?.under).toEqual({ message: expect.any(String) })
  }
  const approve = button(slack.read('T1/C1'), /^Approve ANCHOR.md$/)
  expect(Buffer.byteLength(approve)).toBeLessThanOrEqual(64)
  const bob = chats.caller('slack', 'bob', 'T1/C1')
  const pressed = await chats.reception.press(bob, approve)
  expect(pressed).toMatchObject({ ok: true, value: { kind: 'reply', reply: { kind: 'voted', verdict: 'approved' } } })
  const { gates } = await cardWhen(house, handle, isAtEnd)
  // What was shown, where it was pressed, by whom, by which role and under which policy: on record, without a name.
  const [kept] = await administer(
    house.database.connection,
    `select v.surface, v.delivery_id, v.artifact_sha256, v.actor_id = e.actor_id as is_same, e.content_sha256, e.detail
     from app.votes v, audit.entries e where e.action = 'gate.approved'`,
  )
  const sha256 = gates[0]?.subject.artifact.sha256
  const detail = { role: 'approver', surface: 'slack', delivery: bob.deliveryId, policy: expect.any(Object) as object }
  expect(kept).toMatchObject({
    surface: 'slack',
    delivery_id: bob.deliveryId,
    artifact_sha256: sha256,
    is_same: true,
    content_sha256: sha256,
    detail,
  })
  await chats.settle()
  const [inTelegram, inSlack] = [telegram.read('group'), slack.read('T1/C1')]
  expect(said(inTelegram)).toBe(said(inSlack))
  expect(said(inTelegram)).toMatch(/✓ gate anchor approved by bob at .* UTC · run/)
  expect(inTelegram.flatMap((post) => post.buttons)).toEqual([])
  expect(said(inTelegram)).toContain(`Run ${handle} is done`)
})

test('the loser of two decisions is told who won and when, and the final card stays', async () => {
  const scene = await open()
  const { house, chats, telegram, slack } = scene
  await give(house, 'ann', 'approver')
  const handle = await startIn(scene)
  const late = button(telegram.read('group'), /^Approve/)
  agreed(await house.ask({ kind: 'reject', run: handle, gate: null, sha256: null, reason: 'no' }))
  await cardWhen(house, handle, isAtEnd)
  await chats.settle()
  const before = said(telegram.read('group'))
  const refusal = await chats.reception.press(chats.caller('telegram', 'ann', 'group'), late)
  expect(refusal).toMatchObject({ ok: false, refusal: { code: 'already_decided', message: /rejected by tester at/ } })
  await chats.settle()
  expect(said(telegram.read('group'))).toBe(before)
  expect(said(slack.read('T1/C1'))).toContain('gate anchor rejected by tester')
})

test('a button counts only in the chat it was shown in, and for people who may', async () => {
  const scene = await open()
  const { house, chats, slack, telegram } = scene
  const handle = await startIn(scene)
  const approve = button(slack.read('T1/C1'), /^Approve/)
  const elsewhere = await chats.reception.press(chats.caller('slack', 'bob', 'T1/C2'), approve)
  expect(elsewhere).toMatchObject({ ok: false, refusal: { code: 'not_found' } })
  // A group that was made a supergroup is another chat.
  const inGroup = button(telegram.read('group'), /^Approve/)
  const moved = await chats.reception.press(chats.caller('telegram', 'ann', '-100group'), inGroup)
  expect(moved).toMatchObject({ ok: false, refusal: { code: 'not_found' } })
  const stranger = await chats.reception.press(chats.caller('slack', 'eve', 'T1/C1'), approve)
  expect(stranger).toMatchObject({ ok: false, refusal: { code: 'not_allowed' } })
  const asked = await chats.reception.press(
    chats.caller('slack', 'eve', 'T1/C1'),
    button(slack.read('T1/C1'), /^Reject/),
  )
  expect(asked).toMatchObject({ ok: false, refusal: { code: 'not_allowed' } })
  expect(await denialsIn(house)).toBe(2)
  expect((await cardWhen(house, handle, isAtGate)).gates).toMatchObject([{ verdict: null, votes: 0 }])
})

test('a stranger who tries without end is audited once an hour for each thing tried, and counted each time', async () => {
  const house = await openTestHouse()
  const doors = ['one', 'two'].map((name) => {
    const db = new HeldDatabase(house.database.connection, name)
    onTestFinished(() => db.close())
    const counted: string[] = []
    const desk = { ...house.desk, db, onDenial: (surface: string) => counted.push(surface) }
    return { db, counted, chats: openChats({ ...house, desk }, []) }
  })
  const [one, two] = doors as [(typeof doors)[0], (typeof doors)[0]]
  const tap = async ({ chats }: typeof one, kind: 'gates' | 'runs' = 'gates') => {
    const told = await chats.reception.ask(
      chats.caller('slack', 'eve'),
      kind === 'gates' ? { kind } : { kind, page: 1 },
    )
    expect(told).toMatchObject({ ok: false, refusal: { code: 'not_allowed' } })
  }
  agreed(await one.chats.reception.ask(one.chats.caller('slack', 'eve'), { kind: 'whoami' }))
  const hold = one.db.hold()
  const first = tap(one)
  await hold.reached
  const second = tap(two)
  await two.db.blocked()
  hold.release()
  await Promise.all([first, second])
  for (let n = 0; n < 20; n++) await tap(one)
  expect(await denialsIn(house)).toBe(1)
  await tap(two, 'runs')
  expect(await denialsIn(house)).toBe(2)
  await freezeClock(house.database, new Date(Date.now() + 3_601_000))
  await tap(two)
  await tap(two)
  expect(await denialsIn(house)).toBe(3)
  expect([one.counted.length, two.counted.length]).toEqual([21, 4])
})

const denialsIn = async (house: TestHouse): Promise<unknown> => {
  const counted = `select count(*)::integer as denials from audit.entries where action = 'access.deny'`
  return (await administer(house.database.connection, counted))[0]?.['denials']
}

test('a reject collects its words first, from the person who began it, and keeps them', async () => {
  const scene = await open()
  const { house, chats, slack } = scene
  const handle = await startIn(scene)
  const bob = () => chats.caller('slack', 'bob', 'T1/C1')
  const pressed = await chats.reception.press(bob(), button(slack.read('T1/C1'), /^Reject/))
  if (!pressed.ok || pressed.value.kind !== 'reason') throw new Error(JSON.stringify(pressed))
  await chats.reception.expectWords(bob(), '77', pressed.value.command)
  expect(await chats.reception.takeWords(chats.caller('slack', 'eve', 'T1/C1'), '77')).toBeNull()
  // The same decision typed without its words.
  const typed = { kind: 'reject', run: handle, gate: null, sha256: null } as const
  expect(await chats.reception.begin(bob(), typed)).toMatchObject({ value: { kind: 'reason' } })
  const eve = await chats.reception.begin(chats.caller('slack', 'eve', 'T1/C1'), typed)
  expect(eve).toMatchObject({ refusal: { code: 'not_allowed' } })
  const waiting = await chats.reception.takeWords(bob(), '77')
  if (!waiting) throw new Error('nobody waits for words')
  agreed(await chats.reception.ask(bob(), { ...waiting, reason: 'the scope is wrong' }))
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'rejected' })
  expect(await chats.reception.begin(bob(), typed)).toMatchObject({ refusal: { code: 'not_found' } })
})

test('whichever network is away: people decide on another, and it hears everything late, in order and once', async () => {
  const scene = await open()
  const { house, folder, telegram, slack } = scene
  await give(house, 'ann', 'approver')
  const mail = new Wall('mail')
  await follows(house.desk, 'mail', 'ops@example.com')
  const walls = [telegram, slack, mail]
  const chats = openChats(house, walls)
  agreed(
    await chats.reception.ask(chats.caller('telegram', 'ann', 'group'), {
      kind: 'subscribe',
      project: null,
      level: 'all',
    }),
  )
  const homes = new Map([
    [telegram, 'group'],
    [slack, 'T1/C1'],
    [mail, 'ops@example.com'],
  ])
  await house.work()
  for (const [away, decider] of [
    [telegram, chats.caller('slack', 'bob')],
    [slack, chats.caller('telegram', 'ann')],
    [mail, chats.caller('slack', 'bob')],
  ] as const) {
    const home = homes.get(away) ?? ''
    let refusals = 0
    away.fail = () => {
      refusals++
      return new Fault({ code: 'TRANSIENT_NETWORK', message: 'away', retryable: true, retryAfterMs: 1 })
    }
    const before = away.read(home).length
    const order = { target: folder, branch: null, pipeline: 'factory', dryRun: false, confirm: false } as const
    const started = agreed(await house.ask({ kind: 'run', ...order }))
    if (started.kind !== 'started') throw new Error(started.kind)
    const { handle } = started.card
    await cardWhen(house, handle, isAtGate)
    // More often than a message may fail that a network does not take.
    await vi.waitUntil(async () => (await chats.settle(), refusals > 5), { timeout: 10_000, interval: 20 })
    for (const wall of walls)
      expect(said(wall.read(homes.get(wall) ?? '')).includes(`Run ${handle} waits`), wall.name).toBe(wall !== away)
    agreed(await chats.reception.ask(decider, { kind: 'approve', run: handle, gate: null, sha256: null }))
    await cardWhen(house, handle, isAtEnd)
    away.fail = () => null
    const late = () => away.read(home).slice(before)
    await vi.waitUntil(async () => (await chats.settle(), said(late()).includes(`Run ${handle} is done`)), {
      timeout: 10_000,
      interval: 20,
    })
    await chats.settle()
    const titles = late().map((post) => post.lines[0] ?? '')
    expect(titles[0], away.name).toContain(`Run ${handle}`)
    expect(titles.at(-1), away.name).toContain(`Run ${handle} is done`)
    expect(new Set(titles).size, away.name).toBe(titles.length)
  }
  const given = await administer(house.database.connection, 'select gave_up from app.cards where gave_up is not null')
  expect(given).toEqual([])
})

test('a key that was lost holds up only the cards that need it, and they come once it was put back', async () => {
  const scene = await open()
  const { house, slack, telegram } = scene
  const { connection } = house.database
  const home = await house.desk.people.findPlace(house.db, 'slack', 'T1/C1')
  const id = home?.id ?? ''
  const file = join(keysOf(connection.database), id.slice(-2), id.slice(-4, -2), id)
  await rename(file, `${file}.lost`)
  // As a process that remembers no key.
  const desk = { ...house.desk, people: await peopleOf(connection) }
  const chats = openChats({ ...house, desk }, [telegram, slack])
  const handle = await startIn({ ...scene, chats })
  expect(said(telegram.read('group'))).toContain(`Run ${handle} waits for you`)
  expect(slack.read('T1/C1')).toEqual([])
  expect(chats.faults.join()).toContain(`The key ${file} is missing`)
  expect(await house.desk.people.findPlace(house.db, 'slack', 'T1/C1')).toMatchObject({ state: 'open' })
  await rename(`${file}.lost`, file)
  await administer(connection, "update app.cards set next_at = next_at - interval '1 minute'")
  await chats.settle()
  expect(said(slack.read('T1/C1'))).toContain(`Run ${handle} waits for you`)
})

/** One page, a gate on it that an approver decides, and a step behind that. */
const pageWith = (name: string, selfApproval: boolean, expiresAfterMs: number | null = null): Pipeline =>
  pipelineOf(
    name,
    {
      page: kind(async (ctx) => {
        const artifact = await ctx.save('page', Buffer.from('page'), 'text/plain')
        const subject = { artifact, what: 'a page', risks: [], questions: [], changes: [], facts: [] }
        return { kind: 'done', output: null, artifacts: [artifact], subject }
      }),
      print: kind(() => Promise.resolve({ kind: 'done', output: null })),
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
          policy: { roles: ['approver'], quorum: 1, selfApproval, expiresAfterMs, remindEveryMs: null },
        },
        { type: 'step', id: 'print', kind: 'print', title: 'print' },
      ],
    },
  )

const fourEyes = pageWith('fourEyes', false)

test('where four eyes are wanted, whoever started a run decides it at none of their accounts, nor by standing in', async () => {
  const house = await openTestHouse({ fourEyes })
  const chats = openChats(house, [])
  const accounts = (['telegram', 'slack'] as const).map((surface) => () => chats.caller(surface, 'mine'))
  for (const caller of accounts) {
    const code = agreed(await house.ask({ kind: 'link', code: null }))
    if (code.kind !== 'link_code') throw new Error(code.kind)
    agreed(await chats.reception.ask(caller(), { kind: 'link', code: code.code }))
  }
  const bob = () => chats.caller('slack', 'bob')
  agreed(await chats.reception.ask(bob(), { kind: 'whoami' }))
  await give(house, 'bob', 'approver')
  agreed(await chats.reception.ask(bob(), { kind: 'delegate', who: 'tester', hours: 1 }))
  await house.work()
  const { handle } = await startRunOf(house, 'fourEyes')
  await cardWhen(house, handle, isAtGate)
  const approve = { kind: 'approve', run: handle, gate: null, sha256: null } as const
  const own = [await house.ask(approve), await house.ask(approve, { ...house.actor, surface: 'http' }, 'by a program')]
  for (const caller of accounts) own.push(await chats.reception.ask(caller(), approve))
  for (const answer of own) expect(denied(answer).message).toContain('Four eyes')
  expect(agreed(await chats.reception.ask(bob(), approve))).toMatchObject({ kind: 'voted', verdict: 'approved' })
})

test('a message that a network will not take is put aside, and the next one goes out', async () => {
  const scene = await open()
  const { chats, telegram } = scene
  const first = await startIn(scene)
  let refusals = 0
  telegram.fail = () => (refusals++ < 1 ? new Error('bad message') : null)
  agreed(await scene.house.ask({ kind: 'cancel', run: first }))
  await cardWhen(scene.house, first, isAtEnd)
  await chats.settle()
  expect(chats.faults).toHaveLength(1)
  expect(said(telegram.read('group'))).toContain('cancelled')
})

const placesOf = ({ house }: Scene, surface: string) =>
  administer(house.database.connection, `select distinct state from app.destinations where surface = '${surface}'`)

const healthOf = ({ house }: Scene) => databaseProbes(house.db, () => 0)['cards']?.()

/** As if cards had failed often, and as if their time to be tried again had come. */
const wearOut = ({ house }: Scene) =>
  administer(house.database.connection, "update app.cards set failures = 9, next_at = '-infinity' where failures > 0")

test('a lost key closes no place: cards wait, health says so, and all are shown once the key is back', async () => {
  const scene = await open()
  const { house, telegram, slack } = scene
  const keys = keysOf(house.database.connection.database)
  const chats = openChats(house, [telegram, slack], await peopleOf(house.database.connection))
  agreed(await chats.reception.ask(chats.caller('telegram', 'ann', 'group'), { kind: 'whoami' }))
  await rename(keys, `${keys}-away`)
  const handle = await startIn({ ...scene, chats })
  await wearOut(scene)
  await chats.settle()
  expect(chats.faults.length).toBeGreaterThan(1)
  for (const fault of chats.faults) expect(String(fault)).toMatch(/key .* is missing.* put the folder of keys back/)
  expect(telegram.read('group')).toEqual([])
  expect(await placesOf(scene, 'telegram')).toEqual([{ state: 'open' }])
  expect(await healthOf(scene)).toEqual({ status: 'warn', message: expect.stringContaining('log of the bot') })
  await rename(`${keys}-away`, keys)
  await wearOut(scene)
  await chats.settle()
  for (const posts of [telegram.read('group'), slack.read('T1/C1')])
    expect(said(posts)).toContain(`Run ${handle} waits for you`)
  expect(await healthOf(scene)).toMatchObject({ status: 'pass' })
})

test('a place is closed when the network says that it is gone, and not for a token that was taken back', async () => {
  const scene = await open()
  const { chats, telegram, slack } = scene
  telegram.fail = () => new Fault({ code: 'PRECONDITION_FAILED', message: 'the bot was removed', retryable: false })
  slack.fail = () => new Fault({ code: 'FATAL', message: 'the token was taken back', retryable: false })
  const handle = await startIn(scene)
  expect(await placesOf(scene, 'telegram')).toEqual([{ state: 'closed' }, { state: 'open' }])
  expect(await placesOf(scene, 'slack')).toEqual([{ state: 'open' }])
  await wearOut(scene)
  await chats.settle()
  slack.fail = () => null
  await wearOut(scene)
  await chats.settle()
  expect(said(slack.read('T1/C1'))).toContain(`Run ${handle} waits for you`)
})

test('two accounts of one person are one person: roles are shared, and a second vote is refused', async () => {
  const scene = await open()
  const { house, chats } = scene
  const code = agreed(await chats.reception.ask(chats.caller('slack', 'bob'), { kind: 'link', code: null }))
  if (code.kind !== 'link_code') throw new Error(code.kind)
  const phone = chats.caller('telegram', 'bobs phone')
  expect(agreed(await chats.reception.ask(phone, { kind: 'link', code: code.code }))).toMatchObject({
    roles: ['approver'],
  })
  const again = await chats.reception.ask(chats.caller('telegram', 'eve'), { kind: 'link', code: code.code })
  expect(denied(again)).toMatchObject({ code: 'not_found' })
  const inPublic = await chats.reception.ask(chats.caller('slack', 'bob', 'T1/C1'), { kind: 'link', code: null })
  expect(denied(inPublic).message).toContain('private')
  const handle = await startIn(scene)
  agreed(
    await chats.reception.ask(
      { ...phone, deliveryId: 'x' },
      { kind: 'approve', run: handle, gate: null, sha256: null },
    ),
  )
  await cardWhen(house, handle, isAtEnd)
})

test('somebody who stands in decides under their own name, and only as long as it lasts', async () => {
  const scene = await open()
  const { house, chats } = scene
  const handle = await startIn(scene)
  const ann = () => chats.caller('telegram', 'ann')
  const approve = { kind: 'approve', run: handle, gate: null, sha256: null } as const
  const bobSays = (hours: number) =>
    chats.reception.ask(chats.caller('slack', 'bob'), { kind: 'delegate', who: 'ann', hours })
  expect(denied(await chats.reception.ask(ann(), approve))).toMatchObject({ code: 'not_allowed' })
  agreed(await bobSays(2))
  agreed(await bobSays(0))
  expect(denied(await chats.reception.ask(ann(), approve))).toMatchObject({ code: 'not_allowed' })
  agreed(await bobSays(2))
  agreed(await chats.reception.ask(ann(), approve))
  expect((await cardWhen(house, handle, isAtEnd)).gates).toMatchObject([{ decidedBy: 'ann' }])
})

test('who decided hears of it in private, and can freeze the run if it was not them', async () => {
  const scene = await open()
  const { house, chats, slack } = scene
  const handle = await startIn(scene)
  agreed(
    await chats.reception.ask(chats.caller('slack', 'bob', 'T1/C1'), {
      kind: 'changes',
      run: handle,
      gate: null,
      sha256: null,
      reason: 'say more',
    }),
  )
  await cardWhen(house, handle, (card) => card.gates.length === 2)
  await chats.settle()
  const receipt = slack.read('private bob')
  expect(said(receipt)).toContain('decided from an account of yours')
  agreed(await pressed(chats, receipt))
  const frozen = await cardWhen(house, handle, (card) => card.state === 'paused')
  expect(frozen.reasonCode).toBe('freeze')
  const decision = await chats.reception.ask(chats.caller('slack', 'bob'), {
    kind: 'approve',
    run: handle,
    gate: null,
    sha256: null,
  })
  expect(denied(decision).message).toContain('frozen')
  expect(
    denied(await chats.reception.ask(chats.caller('telegram', 'ann'), { kind: 'resume', run: handle })),
  ).toMatchObject({
    code: 'not_allowed',
  })
  agreed(await house.ask({ kind: 'resume', run: handle }))
})

test('a run that is paused and then frozen is shown as frozen wherever it is shown, once', async () => {
  const scene = await open()
  const { house, chats, telegram } = scene
  const handle = await startIn(scene)
  const ann = () => chats.caller('telegram', 'ann', 'group')
  agreed(await chats.reception.ask(ann(), { kind: 'pause', run: handle }))
  await chats.settle()
  for (const _ of ['once', 'again']) {
    agreed(await chats.reception.ask(ann(), { kind: 'freeze', run: handle }))
    await chats.settle()
  }
  expect(said(telegram.read('group').slice(0, 1))).toContain('‖ paused: Frozen: somebody says')
  const notes = telegram.read('group').filter(({ lines }) => lines.join().includes(`‖ Run ${handle} is paused: Frozen`))
  expect(notes).toHaveLength(1)
  const logs = agreed(await house.ask({ kind: 'logs', run: handle }))
  const pauses = logs.kind === 'logs' ? logs.lines.filter(({ kind: what }) => what === 'run_paused') : []
  expect(pauses.map(({ detail }) => detail['reason'])).toEqual(['operator', 'freeze'])
})

async function pressed(chats: Chats, receipt: readonly Post[]) {
  const result = await chats.reception.press(chats.caller('slack', 'bob'), button(receipt, /not me/))
  if (!result.ok || result.value.kind !== 'reply') throw new Error(JSON.stringify(result))
  return { ok: true, value: result.value.reply } as const
}

test('a reminder waits for the end of the quiet hours, by the clock on the wall there, and is one by then', async () => {
  const scene = await open()
  const { house, chats, slack } = scene
  const channel = chats.caller('slack', 'bob', 'T1/C1')
  agreed(await chats.reception.ask(channel, { kind: 'quiet', from: '22:00', to: '07:00', zone: 'Europe/Berlin' }))
  const handle = await startIn(scene)
  const reminders = (): readonly Post[] =>
    slack.read('T1/C1').filter(({ lines }) => lines.join().includes('Still waiting'))
  // The night in which summer time begins: seven in Berlin is five in Greenwich, not six.
  for (const at of ['2031-03-29T22:00:00Z', '2031-03-30T03:00:00Z', '2031-03-30T04:59:59Z']) {
    await freezeClock(house.database, new Date(at))
    await administer(house.database.connection, remind)
    await chats.settle()
    expect(reminders(), at).toEqual([])
  }
  agreed(await house.ask({ kind: 'pause', run: handle }))
  await chats.settle()
  expect(said(slack.read('T1/C1')), 'cards go on').toContain('‖ paused')
  agreed(await house.ask({ kind: 'resume', run: handle }))
  await freezeClock(house.database, new Date('2031-03-30T05:00:00Z'))
  await chats.settle()
  expect(reminders()).toMatchObject([{ isLoud: true }])
  await administer(house.database.connection, remind)
  await chats.settle()
  expect(reminders()).toHaveLength(2)
  await freezeClock(house.database, new Date('2031-03-30T20:00:00Z'))
  await administer(house.database.connection, remind)
  await chats.settle()
  expect(reminders()).toHaveLength(2)
})

const remind = `
  insert into app.outbox (run_id, id, topic, payload)
  select run_id, gen_random_uuid(), 'gate_reminder', '{}' from app.gates`

/** A run that waits at its page's gate and asks for money as well. */
async function askForBoth({ house, chats }: Scene): Promise<string> {
  const { handle } = await startRunOf(house, 'page')
  await cardWhen(house, handle, isAtGate)
  // Paused, it waits at its gates until both are answered, whichever comes first.
  agreed(await house.ask({ kind: 'pause', run: handle }))
  agreed(await house.ask({ kind: 'budget', run: handle, raiseMicros: 5_000_000 }))
  await chats.settle()
  return handle
}

test('two gates open in one run are answered in either order, each by its own button', async () => {
  const scene = await open({ page: pageWith('page', true) })
  const { house, chats, slack } = scene
  await house.work()
  for (const order of [
    ['page', 'budget'],
    ['budget', 'page'],
  ]) {
    const handle = await askForBoth(scene)
    const unnamed = await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null })
    expect(denied(unnamed)).toMatchObject({
      message: `Run ${handle} has 2 open gates: page, budget.`,
      next: `Name one of them: /approve ${handle} page.`,
    })
    const shown = slack.read('T1/C1').filter((post) => said([post]).includes(handle))
    for (const name of order) {
      const data = button(shown, name === 'page' ? /^Approve page/ : /^Raise by \$5\.00/)
      const pressed = await chats.reception.press(chats.caller('slack', 'bob', 'T1/C1'), data)
      expect(pressed).toMatchObject({ ok: true, value: { reply: { gate: name, verdict: 'approved' } } })
    }
    agreed(await house.ask({ kind: 'resume', run: handle }))
    const { state, gates, money } = await cardWhen(house, handle, isAtEnd)
    expect(state).toBe('succeeded')
    expect(gates.map(({ name, verdict }) => `${name} ${verdict}`)).toEqual(['page approved', 'budget approved'])
    expect(money?.capMicros).toBe(5_001_000)
  }
})

test('a reminder names the gate that it is about, and each open gate of a run has its own', async () => {
  const scene = await open({ page: pageWith('page', true) })
  const { house, chats, slack } = scene
  await house.work()
  const handle = await askForBoth(scene)
  const notes = (): readonly string[] => slack.read('T1/C1').flatMap(({ lines }) => lines)
  const noted = (name: string): readonly string[] => notes().filter((line) => line.includes(`: gate ${name} of run`))
  const { connection } = house.database
  await administer(connection, remindOf('budget'))
  await chats.settle()
  expect(noted('budget')).toEqual([`● Still waiting: gate budget of run ${handle}. Decided by: approver or admin.`])
  expect(noted('page')).toEqual([])
  await administer(connection, `${remindOf('page')}; ${remindOf('budget')}`)
  await chats.settle()
  expect([noted('budget').length, noted('page').length]).toEqual([2, 1])
  await administer(connection, remindOf('budget'))
  agreed(await house.ask({ kind: 'reject', run: handle, gate: 'budget', sha256: null, reason: 'no' }))
  await chats.settle()
  expect([noted('budget').length, noted('page').length], 'what is decided needs no reminder').toEqual([2, 1])
})

const remindOf = (gate: string): string => `
  insert into app.outbox (run_id, id, topic, payload)
  select run_id, gen_random_uuid(), 'gate_reminder', jsonb_build_object('gate', name, 'gate_id', id)
  from app.gates where name = '${gate}'`

test('a request for money ends with its run, and its button changes nothing any more', async () => {
  const scene = await open({ page: pageWith('page', true) })
  const { house, chats, slack } = scene
  await house.work()
  const handle = await askForBoth(scene)
  const late = button(slack.read('T1/C1'), /^Raise by /)
  agreed(await house.ask({ kind: 'reject', run: handle, gate: 'page', sha256: null, reason: 'no' }))
  expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ gates: [{}, { verdict: 'withdrawn' }] })
  await chats.settle()
  const before = said(slack.read('T1/C1'))
  expect(slack.read('T1/C1').flatMap((post) => post.buttons)).toEqual([])
  expect(agreed(await house.ask({ kind: 'gates' }))).toEqual({ kind: 'gates', gates: [], page: 1, hasMore: false })
  const answer = await chats.reception.press(chats.caller('slack', 'bob', 'T1/C1'), late)
  expect(answer).toMatchObject({ ok: false, refusal: { code: 'stale', message: /closed because its run ended/ } })
  await chats.settle()
  expect(said(slack.read('T1/C1'))).toBe(before)
})

test('wherever a decision comes from, a program, a terminal, the clock or a cancel, every card is settled by it', async () => {
  const scene = await open({ page: pageWith('page', true, 3_600_000) })
  const { house, chats, slack, telegram } = scene
  const channel = chats.caller('telegram', 'ann', 'group')
  agreed(await chats.reception.ask(channel, { kind: 'subscribe', project: null, level: 'all' }))
  await house.work()
  const program = { ...house.actor, surface: 'http' }
  const ways: readonly [string, (run: string) => Promise<unknown>][] = [
    ['approved by tester', (run) => house.ask({ kind: 'approve', run, gate: null, sha256: null }, program)],
    ['rejected by tester', (run) => house.ask({ kind: 'reject', run, gate: null, sha256: null, reason: 'no' })],
    ['withdrawn', (run) => house.ask({ kind: 'cancel', run })],
    ['expired', () => freezeClock(house.database, new Date(Date.now() + 3_700_000))],
  ]
  for (const [words, decide] of ways) {
    const { handle } = await startRunOf(house, 'page')
    await cardWhen(house, handle, isAtGate)
    await chats.settle()
    const ofRun = (posts: readonly Post[]) => posts.filter((post) => said([post]).includes(handle))
    expect(ofRun(slack.read('T1/C1')).flatMap((post) => post.buttons).length, words).toBeGreaterThan(0)
    await decide(handle)
    await cardWhen(house, handle, isAtEnd)
    await chats.settle()
    for (const posts of [ofRun(slack.read('T1/C1')), ofRun(telegram.read('group'))]) {
      expect(said(posts), words).toContain(words)
      expect(said(posts), 'the request is still there to be read').toContain('a page')
      expect(
        posts.flatMap((post) => post.buttons),
        words,
      ).toEqual([])
    }
  }
})

test('a chat hears what it asked for: all, only what waits for people, nothing for a while, or nothing', async () => {
  const ofTarget = z.object({ target: z.string() }).transform(({ target }) => ({ address: target, name: target }))
  const page: Pipeline = { ...pageWith('page', true), project: (input) => ofTarget.parse(input) }
  const scene = await open({ page })
  const { house, chats, slack } = scene
  const say = async (address: string, ...commands: readonly Following[]) => {
    for (const command of commands) agreed(await chats.reception.ask(chats.caller('slack', 'bob', address), command))
  }
  await house.work()
  /** Lets a run on a repository go by, and answers with what a chat reads of it. */
  const passOf = async (target: string) => {
    const order = { target, branch: null, pipeline: 'page', dryRun: false, confirm: false } as const
    const started = agreed(await house.ask({ kind: 'run', ...order }))
    if (started.kind !== 'started') throw new Error(started.kind)
    const { handle } = started.card
    await cardWhen(house, handle, isAtGate)
    await chats.settle()
    agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
    await cardWhen(house, handle, isAtEnd)
    await chats.settle()
    return (chat: string) => slack.read(`T1/${chat}`).filter((post) => said([post]).includes(handle))
  }
  expect((await passOf('shop'))('C1'), 'the run, its gate and its end').toHaveLength(3)
  const all = { kind: 'subscribe', project: null, level: 'all' } as const
  const onlyShop = { ...all, project: 'shop' }
  await say('T1/Cdecisions', { ...all, level: 'decisions' })
  await say('T1/Cmuted', all, { kind: 'mute', project: null, hours: 1 })
  await say('T1/CmutedShop', all, { kind: 'mute', project: 'shop', hours: 1 })
  await say('T1/ConlyShop', onlyShop)
  await say('T1/ConlyShopMuted', onlyShop, { kind: 'mute', project: null, hours: 1 })
  await say('T1/Cleft', all, { kind: 'unsubscribe', project: null })
  await say('T1/CleftShop', all, { kind: 'unsubscribe', project: 'shop' })
  const chatsNamed = ['Cdecisions', 'Cmuted', 'CmutedShop', 'ConlyShop', 'ConlyShopMuted', 'Cleft', 'CleftShop']
  const heard = async (target: string) => {
    const read = await passOf(target)
    return Object.fromEntries(chatsNamed.map((chat) => [chat, read(chat).length]))
  }
  const nothing = { Cmuted: 0, ConlyShopMuted: 0, Cleft: 0 }
  // Of the decisions alone: the run's own message, under which its gate stands, and none that only says how it went.
  expect(await heard('shop')).toEqual({ ...nothing, Cdecisions: 2, CmutedShop: 0, ConlyShop: 3, CleftShop: 0 })
  expect(await heard('toys')).toEqual({ ...nothing, Cdecisions: 2, CmutedShop: 3, ConlyShop: 0, CleftShop: 3 })
  await freezeClock(house.database, new Date(Date.now() + 3_700_000))
  const again = { Cdecisions: 2, Cmuted: 3, CmutedShop: 3, Cleft: 0 }
  expect(await heard('shop')).toEqual({ ...again, ConlyShop: 3, ConlyShopMuted: 3, CleftShop: 0 })
  expect(await heard('toys')).toEqual({ ...again, ConlyShop: 0, ConlyShopMuted: 0, CleftShop: 3 })
})

test('a chat that is muted keeps what stands there true, and gets nothing new', async () => {
  const scene = await open({ page: pageWith('page', true) })
  const { house, chats, slack } = scene
  await house.work()
  const { handle } = await startRunOf(house, 'page')
  await cardWhen(house, handle, isAtGate)
  await chats.settle()
  const before = slack.read('T1/C1').length
  const channel = chats.caller('slack', 'bob', 'T1/C1')
  agreed(await chats.reception.ask(channel, { kind: 'mute', project: null, hours: 1 }))
  agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  await cardWhen(house, handle, isAtEnd)
  await chats.settle()
  expect(slack.read('T1/C1')).toHaveLength(before)
  expect(said(slack.read('T1/C1'))).toMatch(/✓ done[^]*✓ gate page approved by tester/)
  expect(slack.read('T1/C1').flatMap((post) => post.buttons)).toEqual([])
})

test('whatever happens to a run between two turns of a chat is one redraw there', async () => {
  const scene = await open({ page: pageWith('page', true) })
  const { house, chats, slack } = scene
  await house.work()
  const { handle } = await startRunOf(house, 'page')
  await cardWhen(house, handle, isAtGate)
  await chats.settle()
  const edits = () => [...slack.posts.values()].map((shown) => shown.edits)
  const before = edits()
  for (let n = 0; n < 3; n++) {
    agreed(await house.ask({ kind: 'pause', run: handle }))
    agreed(await house.ask({ kind: 'resume', run: handle }))
  }
  agreed(await house.ask({ kind: 'pause', run: handle }))
  await chats.settle()
  expect(
    edits()
      .slice(0, before.length)
      .map((count, n) => count - (before[n] ?? 0)),
  ).toEqual([1, 0])
  expect(said(slack.read('T1/C1'))).toContain('‖ paused')
})
