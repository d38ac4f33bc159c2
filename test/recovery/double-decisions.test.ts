import { expect, test } from 'vitest'
import { administer } from '../support/administer.ts'
import { ada } from '../support/slack/open.ts'
import { pressOf } from '../support/slack/sign.ts'
import { ann, places } from '../support/telegram/room.ts'
import type { Square } from './double-decisions.ts'
import { decideTwice, openGates, openSquare } from './double-decisions.ts'

test('two people who decide at once in any two of Telegram, Slack, HTTP and a terminal make one decision, and everybody reads whose', {
  timeout: 60_000,
}, async () => {
  expect(await decideTwice(10)).toBe(60)
})

const votesIn = async ({ house }: Square): Promise<unknown> =>
  (await administer(house.database.connection, 'select count(*)::integer as votes from app.votes'))[0]?.['votes']

/** How often a request was sent to Telegram and to Slack, whatever became of it. */
const requestsIn = ({ telegram, slack }: Square): readonly number[] => [
  telegram.api.effects('sendMessage').filter(({ payload }) => String(payload['text']).includes('waits for you')).length,
  slack.fake.effects.filter(
    ({ method, args }) => method === 'chat.postMessage' && String(args['text']).includes('waits for you'),
  ).length,
]

test('a button tapped a hundred times, and brought again to a process that knows nothing of it, decides once', {
  timeout: 60_000,
}, async () => {
  const square = await openSquare()
  const { telegram, slack } = square
  const [first, second] = await openGates(square, 2)
  if (!first || !second) throw new Error('no gates')

  const taps = Array.from({ length: 100 }, () =>
    telegram.api.pressData(places.ann, first.telegram.message, ann, `${first.telegram.key}.approve`),
  )
  await expect.poll(() => telegram.api.effects('answerCallbackQuery').length, { timeout: 30_000 }).toBe(100)
  const answers = telegram.api.effects('answerCallbackQuery').map(({ payload }) => String(payload['text']))
  expect(answers.filter((text) => text.includes('Approved by you'))).toHaveLength(1)
  expect(answers.filter((text) => text.includes('already approved by Ann Lee at'))).toHaveLength(99)
  const bring = await telegram.replace()
  const [decisive = {}] = taps
  expect(await Promise.all(Array.from({ length: 20 }, () => bring(decisive)))).toEqual(Array(20).fill(200))
  expect(await votesIn(square)).toBe(1)

  const heard = (): number =>
    slack.fake.whispers.length + slack.fake.effects.filter(({ method }) => method === 'chat.postEphemeral').length
  const before = heard()
  const press = () => pressOf(ada, `${second.slack.key}.approve`, slack.fake.responseUrl())
  const again = press()
  const presses = [...Array.from({ length: 80 }, press), ...Array.from({ length: 20 }, () => again)]
  const acknowledged = await Promise.all(presses.map((body) => slack.post('interactions', body)))
  expect(acknowledged.every(({ status }) => status === 200)).toBe(true)
  await expect.poll(() => heard() - before, { timeout: 30_000 }).toBe(100)
  expect(await votesIn(square)).toBe(2)

  await square.settle()
  expect(requestsIn(square)).toEqual([2, 2])
})
