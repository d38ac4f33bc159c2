import { describe, expect, test } from 'vitest'
import { Fault } from '../../core/model/problem.ts'
import { hostile } from '../../test/support/hostile.ts'
import type { Post } from '../surface.ts'
import { openRoom, places } from '../../test/support/telegram/room.ts'
import type { BotApi } from '../../test/support/telegram/bot-api.ts'
import { RecordedReception } from '../../test/support/telegram/reception.ts'
import { createTelegram } from './telegram.ts'

const aPost = (more: Partial<Post> = {}): Post => ({
  lines: ['● Run r7k2', 'It works.'],
  buttons: [{ label: 'Approve', data: 'g_1', style: 'primary', confirm: null }],
  under: null,
  isLoud: true,
  ...more,
})

const boardOf = (api: BotApi, more: { token?: string; apiRoot?: string } = {}) =>
  createTelegram({
    token: api.token,
    apiRoot: api.rootOf('board'),
    reception: new RecordedReception(),
    log: () => undefined,
    webhook: null,
    ...more,
  })

const faultOf = async (work: Promise<unknown>): Promise<Fault> => {
  const error = await work.then(
    () => null,
    (error: unknown) => error,
  )
  if (!(error instanceof Fault)) throw new Error(`no Fault but ${String(error)}`)
  return error
}

const group = String(places.group)

describe('a card', () => {
  test('arrives byte for byte, with its buttons, whatever signs are in it', async () => {
    const api = await openRoom()
    const line = 'v1.2.3 (beta)! - *a* _b_ [c](d) `e` ~f~ >g #h +i =j |k {l} \\m <b>&amp; .'
    await boardOf(api).post(group, aPost({ lines: ['Title.', line] }))
    const [effect] = api.effects('sendMessage')
    expect(effect?.payload).toMatchObject({ text: `Title.\n${line}`, disable_notification: false })
    expect(effect?.payload).not.toHaveProperty('parse_mode')
    expect(api.chats.ofBot(places.group)[0]).toMatchObject({
      text: `Title.\n${line}`,
      reply_markup: { inline_keyboard: [[{ text: 'Approve', callback_data: 'g_1', style: 'primary' }]] },
    })
  })

  test('of anybody’s text arrives, is redrawn, and rings nobody by name', async () => {
    const api = await openRoom()
    const board = boardOf(api)
    for (const [n, text] of hostile.entries()) {
      const chat = String(n % 2 === 0 ? places.forum : places.group)
      const place = await board.post(chat, aPost({ lines: [text, text] }))
      await board.edit(chat, place, aPost({ lines: ['Settled.', text] }))
    }
    const sent = [...api.effects('sendMessage'), ...api.effects('editMessageText')]
    expect(sent).toHaveLength(2 * hostile.length)
    for (const { payload } of sent) expect(String(payload['text'])).not.toMatch(/(?<!\w)@\w/)
  })

  test('goes into its topic, under its root, in silence where nobody’s phone need ring', async () => {
    const api = await openRoom()
    const board = boardOf(api)
    const root = await board.post(`${places.forum}/17`, aPost())
    await board.post(`${places.forum}/17`, aPost({ under: root, isLoud: false, buttons: [] }))
    expect(api.chats.ofBot(places.forum)[1]).toMatchObject({
      message_thread_id: 17,
      disable_notification: true,
      reply_parameters: { message_id: (root as { message: number }).message },
    })
    await board.post(`${places.forum}/17`, aPost({ under: { message: 9_999 } }))
    expect(api.chats.ofBot(places.forum)).toHaveLength(3)
  })

  test('is redrawn in place; drawing it again as it is changes nothing and is no error', async () => {
    const api = await openRoom()
    const board = boardOf(api)
    const place = await board.post(group, aPost())
    const settled = aPost({ lines: ['● Run r7k2', 'It works.', 'Approved by Ann.'], buttons: [] })
    expect(await board.edit(group, place, settled)).toEqual(place)
    expect(await board.edit(group, place, settled)).toEqual(place)
    expect(api.chats.ofBot(places.group)).toMatchObject([
      { text: '● Run r7k2\nIt works.\nApproved by Ann.', reply_markup: { inline_keyboard: [] } },
    ])
    expect(api.effects('editMessageText')).toHaveLength(1)
  })

  test('that somebody deleted is posted anew', async () => {
    const api = await openRoom()
    const board = boardOf(api)
    const place = await board.post(group, aPost())
    api.chats.remove(places.group, (place as { message: number }).message)
    const anew = await board.edit(group, place, aPost({ lines: ['Later.'] }))
    expect(anew).not.toEqual(place)
    expect(api.chats.ofBot(places.group)).toMatchObject([{ text: 'Later.' }])
  })

  test('whose answer got lost stands there twice at most, and one that is redrawn never does', async () => {
    const api = await openRoom()
    const board = boardOf(api)
    api.trouble('sendMessage', 'drop')
    await faultOf(board.post(group, aPost()))
    const place = await board.post(group, aPost())
    expect(api.chats.ofBot(places.group)).toHaveLength(2)
    api.trouble('editMessageText', 'drop')
    await faultOf(board.edit(group, place, aPost({ lines: ['Now.'] })))
    expect(await board.edit(group, place, aPost({ lines: ['Now.'] }))).toEqual(place)
    expect(api.chats.ofBot(places.group)).toHaveLength(2)
    expect(api.effects('editMessageText')).toHaveLength(1)
  })

  test('that is too long is cut, and one that Telegram cannot format arrives plain', async () => {
    const api = await openRoom()
    const board = boardOf(api)
    await board.post(group, aPost({ lines: ['Title', 'x'.repeat(9_000)] }))
    api.trouble('sendMessage', 'garbled entities')
    const place = await board.post(group, aPost())
    api.trouble('editMessageText', 'garbled entities')
    await board.edit(group, place, aPost({ lines: ['Now.'] }))
    const [long, plain] = api.chats.ofBot(places.group)
    expect(long?.text).toMatch(/^Title\nx+…$/)
    expect(plain).toMatchObject({ text: 'Now.', entities: [] })
  })
})

const forbid = (words: string) => (api: BotApi) => api.chats.forbid(places.group, words)

describe('a chat that cannot be written to', () => {
  test.each([
    ['the bot was removed', (api: BotApi) => api.chats.kick(places.group), /may not write to chat -42.*kicked/],
    [
      'the group has moved',
      (api: BotApi) => api.chats.migrate(places.group, -100_777),
      /-42 has become -100777.*TELEGRAM_CHAT_ID, or say \/subscribe there/,
    ],
    ...[
      'need administrator rights in the channel chat',
      'not enough rights to send text messages to the chat',
      'CHAT_WRITE_FORBIDDEN',
    ].map((words) => [words, forbid(words), /may not write to chat -42.*let it post; then say \/gates there/] as const),
    ['the topic was closed', forbid('TOPIC_CLOSED'), /no such open topic: reopen it and say \/gates there/],
  ] as const)('%s: that is said, and not tried again', async (_, happen, message) => {
    const api = await openRoom()
    const board = boardOf(api)
    const place = await board.post(group, aPost())
    happen(api)
    for (const work of [board.post(group, aPost()), board.edit(group, place, aPost({ lines: ['x'] }))]) {
      const fault = await faultOf(work)
      expect(fault).toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false })
      expect(fault.message).toMatch(message)
    }
  })

  test.each([
    ['-77', 'PRECONDITION_FAILED', 'There is no chat -77 for this bot'],
    ['@here', 'VALIDATION_ERROR', '@here is no Telegram chat'],
    [`${places.forum}/99`, 'PRECONDITION_FAILED', 'has no such open topic'],
  ])('%s', async (address, code, message) => {
    const fault = await faultOf(boardOf(await openRoom()).post(address, aPost()))
    expect(fault).toMatchObject({ code, retryable: false })
    expect(fault.message).toContain(message)
  })
})

test('a chat that must wait is not called before its time, and the others go on', async () => {
  const api = await openRoom()
  api.hasLimits = true
  const board = boardOf(api)
  await board.post(group, aPost())
  const fault = await faultOf(board.post(group, aPost()))
  expect(fault).toMatchObject({ code: 'RATE_LIMIT', retryable: true, retryAfterMs: 1_000 })
  const calls = api.calls.length
  const early = await faultOf(board.post(group, aPost()))
  expect(early).toMatchObject({ code: 'RATE_LIMIT' })
  expect(early.retryAfterMs).toBeLessThanOrEqual(1_000)
  expect(api.calls).toHaveLength(calls)
  await board.post(String(places.forum), aPost())
  expect(api.effects('sendMessage')).toHaveLength(2)
})

test('a group is never asked to take a twenty-first message in a minute', async () => {
  const api = await openRoom()
  const board = boardOf(api)
  for (let n = 0; n < 20; n++) await board.post(group, aPost())
  expect(await faultOf(board.post(group, aPost()))).toMatchObject({ code: 'RATE_LIMIT', retryable: true })
  expect(api.calls).toHaveLength(20)
})

test('no more than thirty messages go out at once, to all chats together', async () => {
  const api = await openRoom()
  const board = boardOf(api)
  const sent = Array.from({ length: 30 }, (_, n) => board.post(n < 18 ? group : String(places.forum), aPost()))
  expect(await faultOf(board.post(String(places.ann), aPost()))).toMatchObject({ code: 'RATE_LIMIT', retryable: true })
  await Promise.all(sent)
  expect(api.calls).toHaveLength(30)
})

describe('the token', () => {
  test.each([
    ['reset', 'TRANSIENT_NETWORK', true],
    ['html', 'TRANSIENT_NETWORK', true],
    ['500', 'TRANSIENT_NETWORK', true],
    ['drop', 'TRANSIENT_NETWORK', true],
    ['echo', 'VALIDATION_ERROR', false],
  ] as const)('is not in the fault when the network fails (%s)', async (trouble, code, retryable) => {
    const api = await openRoom()
    api.trouble('sendMessage', trouble)
    const fault = await faultOf(boardOf(api).post(group, aPost()))
    expect(fault).toMatchObject({ code, retryable })
    expect(everythingIn(fault)).not.toContain('canary')
  })

  test('is not in the fault when nobody listens, nor when it is wrong', async () => {
    const api = await openRoom()
    const nobody = await faultOf(boardOf(api, { apiRoot: 'http://127.0.0.1:9' }).post(group, aPost()))
    const wrong = await faultOf(boardOf(api, { token: '1:canary-wrong' }).post(group, aPost()))
    expect(nobody).toMatchObject({ code: 'TRANSIENT_NETWORK', retryable: true })
    expect(wrong).toMatchObject({ code: 'FATAL', retryable: false })
    expect(wrong.message).toContain('TELEGRAM_BOT_TOKEN')
    for (const fault of [nobody, wrong]) expect(everythingIn(fault)).not.toContain('canary')
  })
})

/** All that a careless log line could print of an error. */
const everythingIn = (error: Error): string =>
  [String(error), error.stack, JSON.stringify(error), String(error.cause), JSON.stringify(error.cause)].join('\n')
