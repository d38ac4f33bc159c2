import { describe, expect, test } from 'vitest'
import { readUpdate, Update } from './read-update.ts'

const me = { id: 7, username: 'our_bot' }
const ann = { id: 5512, is_bot: false, first_name: 'Ann', last_name: 'Lee' }
const group = { id: -42, type: 'group' }
const prompt = { message_id: 30, from: { id: me.id } }

const message = (fields: object) => ({
  update_id: 1,
  message: { message_id: 9, from: ann, chat: group, text: '/run shop', ...fields },
})
const read = (raw: object) => readUpdate(Update.parse(raw), me)

describe('what counts as a command', () => {
  test.each([
    ['/run shop', ['run', 'shop']],
    ['/run@our_bot shop', ['run', 'shop']],
    ['/RUN@Our_Bot shop', ['RUN', 'shop']],
    ['/reject@our_bot r7k2 "this" is not it', ['reject', 'r7k2', '--reason', '"this" is not it']],
  ])('%s', (text, words) => {
    expect(read(message({ text }))).toMatchObject({ kind: 'command', words })
  })

  test.each([
    ['a command for another bot', message({ text: '/run@other_bot shop' })],
    ['what people say to each other', message({ text: 'shall we /approve r7k2?' })],
    ['a caption', message({ text: undefined, caption: '/approve r7k2' })],
    ['an edited message', { update_id: 1, edited_message: message({}).message }],
    ['a reply to a person', message({ text: 'yes', reply_to_message: { message_id: 8, from: { id: 5513 } } })],
    ['a kind of update that came later than this program', { update_id: 1, poll: {} }],
  ])('%s asks nothing', (_, raw) => {
    expect(read(raw)).toEqual({ kind: 'nothing' })
  })
})

const anonymous = { id: 1_087_968_824, is_bot: true, first_name: 'Group', username: 'GroupAnonymousBot' }

test.each([
  ['an anonymous admin', { from: anonymous, sender_chat: { id: -42 } }],
  ['a person who speaks as a channel', { from: { ...anonymous, id: 136_817_688 }, sender_chat: { id: -7 } }],
  ['a person who speaks for a chat', { sender_chat: { id: -7 } }],
  ['Telegram’s relay of channel posts', { from: { ...ann, id: 777_000 } }],
  ['a bot', { from: { ...ann, is_bot: true } }],
  ['a forwarded message', { forward_origin: { type: 'user' } }],
  ['a forwarded message of an old server', { forward_date: 1 }],
  ['a message made by another bot', { via_bot: { id: 3 } }],
  ['a message without a person', { from: undefined }],
])('%s cannot act, neither by a command nor by words we asked for', (_, fields) => {
  expect(read(message(fields))).toMatchObject({ kind: 'denied' })
  expect(read(message({ ...fields, text: 'because', reply_to_message: prompt }))).toMatchObject({ kind: 'denied' })
})

test('a channel post cannot act', () => {
  const post = {
    update_id: 1,
    channel_post: { message_id: 9, chat: { id: -9, type: 'channel' }, text: '/approve r7k2' },
  }
  expect(read(post)).toMatchObject({ kind: 'denied', isMute: true, caller: { account: 'nobody' } })
})

test.each([
  ['by an anonymous admin', anonymous, group],
  ['by a bot', { ...ann, is_bot: true }, group],
  ['in a channel', ann, { id: -9, type: 'channel' }],
])('a press %s decides nothing', (_, from, chat) => {
  const callback_query = { id: 'q', from, data: 'x', message: { message_id: 4, chat } }
  expect(read({ update_id: 1, callback_query })).toMatchObject({ kind: 'denied', query: 'q' })
})

test('the caller is the person, wherever they are', () => {
  const topic = { message_thread_id: 17, is_topic_message: true }
  expect(read(message(topic))).toMatchObject({
    caller: {
      surface: 'telegram',
      account: '5512',
      label: 'Ann Lee',
      address: '-42/17',
      isPrivate: false,
      deliveryId: '1',
    },
  })
  expect(read(message({ message_thread_id: 8 }))).toMatchObject({ caller: { address: '-42' } })
  expect(read(message({ chat: { id: 5512, type: 'private' } }))).toMatchObject({
    caller: { account: '5512', address: '5512', isPrivate: true },
  })
})

test('a reply to a message of ours brings its words, or none where it is a picture', () => {
  expect(read(message({ text: ' too big ', reply_to_message: prompt }))).toMatchObject({
    prompt: '30',
    text: 'too big',
  })
  expect(read(message({ text: undefined, reply_to_message: prompt }))).toMatchObject({ prompt: '30', text: null })
})
