import { expect, test } from 'vitest'
import { createHmac } from 'node:crypto'
import { MailBoard } from '../../bot/mail/board.ts'
import type { Command } from '../../core/commands/command.ts'
import type { Role } from '../../core/model/plan.ts'
import { subscribeHome } from '../../core/store/destination.ts'
import { execute } from '../../core/commands/execute.ts'
import { uuidv7 } from '../../core/store/uuid.ts'
import { openGatePages, withLinks } from '../../main/gate-links.ts'
import { administer } from '../support/administer.ts'
import { openChats, Wall } from '../support/chats.ts'
import { agreed, cardWhen, denied, isAtGate, makeRepository, openTestHouse, startFactory } from '../support/house.ts'
import { serve } from '../support/http.ts'
import { aMailServer, textOf } from '../support/mail-server.ts'
import { openKeyFiles } from '../../adapters/key-files/key-files.ts'
import { keysOf, peopleOf } from '../support/people.ts'
import { freezeClock } from '../support/postgres.ts'

const publicUrl = 'https://qp.example.org'
const address = 'ann@example.com'
const timeouts = { connectMs: 2_000, answerMs: 2_000 }

/** A house that mails, its page behind links, and Ann, who is known in a chat. */
async function open({ roles = ['approver'] }: { readonly roles?: readonly Role[] } = {}) {
  const bare = await openTestHouse()
  const { sent, port } = await aMailServer()
  const from = { name: 'QuantaPilot', address: 'qp@example.org' }
  const settings = { host: '127.0.0.1', port, secure: false, login: null, from, to: 'team@example.com', publicUrl }
  const mail = new MailBoard(settings, timeouts)
  const desk = { ...bare.desk, mail }
  const ask = (command: Command) => execute(desk, bare.actor, command, uuidv7())
  const house = { ...bare, desk, ask }
  const tokenOf = (key: string): string => createHmac('sha256', 'secret').update(key).digest('base64url')
  const wall = new Wall('telegram')
  const board = { ...withLinks(mail, { desk: house.desk, tokenOf }), paceMs: 0 }
  const chats = openChats(house, [wall, board])
  const served = await serve(house, { gatePages: openGatePages({ desk: house.desk, onChange: () => undefined }) })
  const say = (command: Command) => chats.reception.ask(chats.caller('telegram', 'ann'), command)
  agreed(await say({ kind: 'whoami' }))
  agreed(await house.ask({ kind: 'actor', verb: 'role', who: 'ann', grant: roles, revoke: [] }))
  const lastCode = (): string => /code is (\S+)/.exec(textOf(sent.at(-1) ?? { to: [], raw: '' }))?.[1] ?? ''
  const link = async (): Promise<void> => {
    agreed(await say({ kind: 'mail', act: 'ask', address }))
    agreed(await say({ kind: 'mail', act: 'confirm', code: lastCode() }))
  }
  const toAnn = () => sent.filter(({ to }) => to.includes(address)).map(textOf)
  return { house, chats, wall, served, sent, say, link, lastCode, toAnn, mail }
}

type Scene = Awaited<ReturnType<typeof open>>

async function waitsForAnn({ house, chats, toAnn }: Scene): Promise<{ handle: string; path: string; letter: string }> {
  await house.work()
  const handle = await startFactory(
    house,
    await makeRepository(house, 'shop', { 'README.md': '# Shop\n\nIt sells.\n' }),
  )
  await cardWhen(house, handle, isAtGate)
  await chats.settle()
  const letter = toAnn().at(-1) ?? ''
  return { handle, letter, path: /https:\/\/qp\.example\.org(\/g\/\S+)/.exec(letter)?.[1] ?? '' }
}

const form = { 'content-type': 'application/x-www-form-urlencoded' }

test('a decision comes by mail with one link, which asks when it is opened; who reads a shared address gets none', async () => {
  const scene = await open()
  const {
    house,
    chats,
    wall,
    served,
    say,
    link,
    chats: { reception },
  } = scene
  await link()
  agreed(
    await reception.ask(chats.caller('telegram', 'ann', 'group'), { kind: 'subscribe', project: null, level: 'all' }),
  )
  await house.db.transaction(async (tx) => {
    const destination = await house.desk.people.insertPlace(tx, 'mail', { address: 'team@example.com', actor: null })
    await tx.run(subscribeHome, { destination })
  })
  const { handle, path, letter } = await waitsForAnn(scene)
  const toTeam = scene.sent.filter(({ to }) => to.includes('team@example.com')).map(textOf)
  expect(toTeam.at(-1)).toContain('waits for you: ANCHOR.md')
  expect(toTeam.at(-1)).toContain('qp approve <run> says yes')
  expect(toTeam.join()).not.toContain('/g/')
  expect(letter.match(/https:\S+/g)).toHaveLength(1)
  expect(path).toMatch(/^\/g\/[\w-]{43}$/)
  expect(letter).toContain('nothing is decided by opening it')
  for (const method of ['GET', 'HEAD', 'GET']) expect((await served.call(path, { method })).status).toBe(200)
  expect((await served.call(path)).text).toContain('Approve these exact bytes')
  expect((await cardWhen(house, handle, isAtGate)).gates).toMatchObject([{ verdict: null, votes: 0 }])
  const decided = await served.call(path, { body: 'choice=approve', headers: form })
  expect(decided).toMatchObject({
    status: 200,
    text: expect.stringContaining('Approved by you: these exact bytes') as string,
  })
  expect((await served.call(path, { body: 'choice=approve', headers: form })).status).toBe(200)
  const late = await served.call(path, { body: 'choice=reject&reason=no', headers: form })
  expect(late.status).toBe(409)
  expect(late.text).toMatch(/already approved by ann at \d{4}-/)
  await chats.settle()
  expect(
    wall
      .read('group')
      .map(({ lines }) => lines.join('\n'))
      .join('\n'),
  ).toContain('gate anchor approved by ann')
  expect((await served.call(path)).text).toContain('Nothing is left to decide here.')
  const [kept] = await administer(house.database.connection, 'select l::text as row from pii.gate_links l')
  expect(`${JSON.stringify(kept)}${served.logged.join('')}`).not.toContain(path.slice('/g/'.length))
  expect(await say({ kind: 'mail', act: 'off' })).toMatchObject({ ok: true })
  expect((await served.call(path)).status).toBe(404)
})

test('a link is worth what its person is: nothing without the role, nothing once it is old or its person is gone', async () => {
  const scene = await open({ roles: ['viewer'] })
  const { house, served, link } = scene
  await link()
  const { handle, path } = await waitsForAnn(scene)
  const refused = await served.call(path, { body: 'choice=approve', headers: form })
  expect(refused).toMatchObject({ status: 409, text: expect.stringContaining('needs the role') as string })
  const denials = "select count(*)::integer as n from audit.entries where action = 'access.deny'"
  expect(await administer(house.database.connection, denials)).toEqual([{ n: 1 }])
  agreed(await house.ask({ kind: 'actor', verb: 'role', who: 'ann', grant: ['approver'], revoke: [] }))
  const wrong = await served.call(`/g/${'A'.repeat(43)}`)
  expect(wrong.status).toBe(404)
  const isDead = async (): Promise<void> => {
    for (const body of [undefined, 'choice=approve']) {
      const { status, text } = await served.call(path, { headers: form, ...(body === undefined ? {} : { body }) })
      expect({ status, text }).toEqual({ status: 404, text: wrong.text })
    }
  }
  await freezeClock(house.database, new Date(Date.now() + 30 * 86_400_000 + 60_000))
  await isDead()
  await freezeClock(house.database, new Date())
  expect((await served.call(path)).status).toBe(200)
  const [ann] = await administer(
    house.database.connection,
    'select subject_id as id from pii.addresses a join app.destinations d on d.id = a.destination_id where d.surface = $$mail$$',
  )
  await openKeyFiles(keysOf(house.database.connection.database)).destroy(String(ann?.['id']))
  // A process remembers a key for a moment; this one never saw it.
  const people = await peopleOf(house.database.connection)
  const pages = openGatePages({ desk: { ...house.desk, people }, onChange: () => undefined })
  expect(await pages.get(path.slice('/g/'.length))).toMatchObject({ status: 404, body: wrong.text })
  expect((await cardWhen(house, handle, isAtGate)).gates).toMatchObject([{ verdict: null, votes: 0 }])
})

test('a mailbox is somebody’s once they said the code that was sent there, and whoever proves it last has it', async () => {
  const { house, chats, sent, say, link, lastCode } = await open()
  const elsewhere = { ...house.desk, mail: null }
  const unheard = denied(await execute(elsewhere, house.actor, { kind: 'mail', act: 'ask', address }, uuidv7()))
  expect(unheard.next).toContain('SMTP_URL')
  expect(denied(await house.ask({ kind: 'mail', act: 'off' }))).toMatchObject({ code: 'not_found' })
  agreed(await say({ kind: 'mail', act: 'ask', address }))
  expect(sent).toHaveLength(1)
  expect(textOf(sent[0] as (typeof sent)[0])).not.toMatch(/https?:/)
  const code = lastCode()
  expect(denied(await say({ kind: 'mail', act: 'confirm', code: 'AAAA-AAAA' })).message).toContain(
    'wrong, used or too old',
  )
  // A code of hers says nothing in another mouth.
  expect(denied(await house.ask({ kind: 'mail', act: 'confirm', code })).code).toBe('not_found')
  agreed(await say({ kind: 'mail', act: 'confirm', code: code.toLowerCase() }))
  expect(denied(await say({ kind: 'mail', act: 'confirm', code })).code).toBe('not_found')
  const group = { ...chats.caller('telegram', 'ann', 'group') }
  expect(denied(await chats.reception.ask(group, { kind: 'mail', act: 'off' })).message).toContain('private')
  const mute: Command = { kind: 'mail', act: 'follow', follow: { kind: 'mute', project: null, hours: 2 } }
  expect(agreed(await say(mute))).toMatchObject({ kind: 'following', level: 'decisions' })
  const owners = `select count(*)::integer as n from app.destinations where surface = 'mail' and state = 'open' and actor_id is not null`
  agreed(await house.ask({ kind: 'mail', act: 'ask', address }))
  agreed(await house.ask({ kind: 'mail', act: 'confirm', code: lastCode() }))
  expect(await administer(house.database.connection, owners)).toEqual([{ n: 1 }])
  expect(denied(await say({ kind: 'mail', act: 'off' })).code).toBe('not_found')
  await link()
  for (let asked = 2; asked < 5; asked++) agreed(await say({ kind: 'mail', act: 'ask', address }))
  expect(denied(await say({ kind: 'mail', act: 'ask', address })).message).toBe(
    'You asked for 5 codes within the hour.',
  )
  const last = lastCode()
  for (let tries = 0; tries < 5; tries++) denied(await say({ kind: 'mail', act: 'confirm', code: 'AAAA-AAAA' }))
  expect(denied(await say({ kind: 'mail', act: 'confirm', code: last })).code).toBe('not_found')
  const [places] = await administer(
    house.database.connection,
    'select string_agg(a::text, $$ $$) as rows from pii.addresses a',
  )
  expect(String(places?.['rows'])).not.toContain('ann@')
})
