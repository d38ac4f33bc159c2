import { expect, test } from 'vitest'
import { z } from 'zod'
import type { Chats } from '../support/chats.ts'
import { give, openChats, Wall } from '../support/chats.ts'
import { administer } from '../support/administer.ts'
import type { TestHouse } from '../support/house.ts'
import { agreed, cardWhen, denied, isAtEnd, isAtGate, makeRepository, openTestHouse } from '../support/house.ts'

const readme = '# Shop\n\nA shop for parts.\n\n- Customers must pay by card.\n'

type Scene = { readonly house: TestHouse; readonly chats: Chats; readonly telegram: Wall; readonly handle: string }

/** A run that Ann, who operates and approves, has started, at its first gate; Bob and Cyd may do nothing of their own. */
async function open(gate: string): Promise<Scene> {
  const house = await openTestHouse()
  const telegram = new Wall('telegram')
  const chats = openChats(house, [telegram])
  const policy = `policies: { gates: { anchor: { roles: [approver], ${gate} } } }\n`
  const folder = await makeRepository(house, 'shop', { 'README.md': readme, 'quantapilot.yml': policy })
  for (const account of ['ann', 'bob', 'cyd'])
    agreed(await chats.reception.ask(chats.caller('telegram', account), { kind: 'whoami' }))
  for (const role of ['operator', 'approver'] as const) await give(house, 'ann', role)
  await house.work()
  const order = { target: folder, branch: null, pipeline: 'factory', dryRun: false, confirm: false } as const
  const group = chats.caller('telegram', 'ann', 'group')
  const reply = agreed(await chats.reception.ask(group, { kind: 'run', ...order }))
  if (reply.kind !== 'started') throw new Error(reply.kind)
  const { handle } = reply.card
  await cardWhen(house, handle, isAtGate)
  return { house, chats, telegram, handle }
}

const approve = ({ chats, handle }: Scene, account: string) =>
  chats.reception.ask(chats.caller('telegram', account), { kind: 'approve', run: handle, gate: null, sha256: null })

const lend = async ({ chats }: Scene, from: string, to: string) =>
  agreed(await chats.reception.ask(chats.caller('telegram', from), { kind: 'delegate', who: to, hours: 1 }))

const sha256OfGate = (wall: Wall): string => /sha ([0-9a-f]{12})/.exec(wordsAt(wall, 'group'))?.[1] ?? 'none'

const wordsAt = (wall: Wall, address: string): string =>
  wall
    .read(address)
    .flatMap(({ lines }) => lines)
    .join('\n')

test('where four eyes are wanted, whoever started a run decides it neither themselves nor through who stands in for them', async () => {
  const scene = await open('self_approval: false')
  expect(denied(await approve(scene, 'ann')).message).toContain('Four eyes')
  await lend(scene, 'ann', 'bob')
  expect(denied(await approve(scene, 'bob'))).toMatchObject({
    code: 'not_allowed',
    message: 'Four eyes: ann asked for this, so nobody decides it in their place.',
  })
  await give(scene.house, 'cyd', 'approver')
  await lend(scene, 'cyd', 'bob')
  expect(agreed(await approve(scene, 'bob')), 'Cyd did not start it').toMatchObject({ verdict: 'approved' })
})

test('a quorum of two needs the authority of two, however it is lent', async () => {
  const scene = await open('quorum: 2')
  await lend(scene, 'ann', 'bob')
  agreed(await approve(scene, 'bob'))
  expect(denied(await approve(scene, 'ann'))).toMatchObject({
    code: 'already_decided',
    message: 'bob voted on gate anchor in your place already.',
  })
  await lend(scene, 'ann', 'cyd')
  expect(denied(await approve(scene, 'cyd'))).toMatchObject({
    code: 'already_decided',
    message: 'The vote of ann on gate anchor is cast already, and you decide it only in their place.',
  })
  await give(scene.house, 'cyd', 'approver')
  expect(agreed(await approve(scene, 'cyd'))).toMatchObject({ verdict: 'approved' })
})

test('a vote that does not decide yet is in the history, on every card, and in a private receipt that follows the gate', async () => {
  const scene = await open('quorum: 3')
  const { house, chats, telegram, handle } = scene
  await chats.settle()
  expect(wordsAt(telegram, 'group')).toContain('0 of 3 votes')
  await lend(scene, 'ann', 'bob')
  agreed(await approve(scene, 'bob'))
  await chats.settle()
  expect(wordsAt(telegram, 'group')).toContain('1 of 3 votes')
  for (const address of ['private ann', 'private bob'])
    expect(wordsAt(telegram, address), address).toBe(
      `● gate anchor is open · run ${handle} (sha ${sha256OfGate(telegram)})
A vote on it came from an account of yours or in your place (1 of 3 votes so far).`,
    )
  await give(house, 'cyd', 'approver')
  agreed(await approve(scene, 'cyd'))
  await chats.settle()
  for (const address of ['group', 'private ann', 'private bob', 'private cyd'])
    expect(wordsAt(telegram, address), address).toContain('2 of 3 votes')
  const logs = agreed(await house.ask({ kind: 'logs', run: handle }))
  const told = logs.kind === 'logs' ? logs.lines.filter(({ kind }) => kind === 'gate_vote') : []
  expect(told.map(({ detail }) => [detail['gate'], detail['votes'], detail['quorum']])).toEqual([
    ['anchor', 1, 3],
    ['anchor', 2, 3],
  ])
  agreed(await house.ask({ kind: 'cancel', run: handle }))
  await cardWhen(house, handle, isAtEnd)
  await chats.settle()
  for (const address of ['private ann', 'private bob', 'private cyd'])
    expect(wordsAt(telegram, address), address).toContain('✗ gate anchor withdrawn')
})

test('nobody stands in for somebody who has voted', async () => {
  const scene = await open('quorum: 2')
  agreed(await approve(scene, 'ann'))
  await lend(scene, 'ann', 'bob')
  expect(denied(await approve(scene, 'bob'))).toMatchObject({ code: 'already_decided' })
})

test('who decides in the place of somebody is said with their name, on cards, in receipts and in the audit', async () => {
  const scene = await open('self_approval: true')
  const { house, chats, telegram } = scene
  await lend(scene, 'ann', 'bob')
  agreed(await approve(scene, 'bob'))
  await cardWhen(house, scene.handle, ({ gates }) => gates[0]?.verdict === 'approved')
  await chats.settle()
  for (const address of ['group', 'private ann', 'private bob'])
    expect(wordsAt(telegram, address), address).toContain('gate anchor approved by bob for ann')
  const rows = await administer(
    house.database.connection,
    `select a.detail->>'in_place_of' = 'actor:' || v.in_place_of as same from audit.entries a, app.votes v
     where a.action = 'gate.approved'`,
  )
  expect(rows).toEqual([{ same: true }])
  const mine = await chats.reception.ask(chats.caller('telegram', 'ann'), {
    kind: 'privacy',
    verb: 'export',
    who: null,
    confirm: false,
  })
  const file = agreed(mine)
  const known = z.object({ person: z.string(), decisions: z.json(), audit: z.json() })
  const { person, decisions, audit } = known.parse(JSON.parse(file.kind === 'file' ? file.text : ''))
  const by = expect.stringMatching(/^actor-[0-9a-f]{8}$/)
  expect(decisions).toMatchObject([{ gate: 'anchor', choice: 'approved', by, inPlaceOf: person, remark: null }])
  expect(audit).toMatchObject(
    expect.arrayContaining([
      expect.objectContaining({ action: 'gate.approved', detail: expect.objectContaining({ in_place_of: person }) }),
    ]),
  )
})
