import { expect, onTestFinished, test, vi } from 'vitest'
import { Api } from '../bot/slack/api.ts'
import { type Log, quietLogger } from '../bot/slack/logger.ts'
import { checkRotation, RotatingToken } from '../bot/slack/rotation.ts'
import { createSlack } from '../bot/slack/slack.ts'
import { Database } from '../core/store/database.ts'
import { appRole } from '../core/store/role.ts'
import { countFailedSlackTokens, slackTokens } from '../core/store/slack-token.ts'
import { administer } from './support/administer.ts'
import { forgetKeys, peopleOf } from './support/people.ts'
import { createTestDatabase, freezeClock } from './support/postgres.ts'
import { type FakeSlack, startFakeSlack } from './support/slack/fake.ts'
import { recordReception } from './support/slack/reception.ts'

const hour = 3_600_000
const noon = Date.parse('2026-06-01T12:00:00Z')

/** A database with a Slack app whose token rotates, and processes that speak for it. */
async function openOffice() {
  const database = await createTestDatabase()
  const people = await peopleOf(database.connection)
  onTestFinished(async () => {
    await database.drop()
    await forgetKeys(database.connection.database)
  })
  const fake = await startFakeSlack()
  const setTime = (ms: number): Promise<void> => freezeClock(database, new Date(noon + ms))
  await setTime(0)
  /** One process, with a pool of its own. */
  const begin = (firstRefreshToken = fake.rotation.firstRefreshToken) => {
    const options = { name: 'slack', poolSize: 2, role: appRole, onIdleError: () => undefined }
    const db = new Database(database.connection, options)
    onTestFinished(() => db.close())
    const said: string[] = []
    const log: Log = (level, message, fields) => void said.push(`${level} ${message} ${JSON.stringify(fields)}`)
    const logger = quietLogger(log, [])
    const { clientId, clientSecret } = fake.rotation
    const store = slackTokens({ db, people }, { clientId, firstRefreshToken })
    const tokens = new RotatingToken({
      clientId,
      clientSecret,
      firstRefreshToken,
      store,
      logger,
      log,
      apiRoot: fake.apiRoot,
    })
    const failed = async (): Promise<number | undefined> => (await db.run(countFailedSlackTokens, {}))[0]?.failed
    return { log, api: new Api({ tokens, apiRoot: fake.apiRoot, logger }), tokens, store, said, failed }
  }
  return { database, fake, setTime, begin }
}

const refreshes = ({ calls }: FakeSlack): number => calls.filter((method) => method === 'oauth.v2.access').length

test('a pair survives a restart, is rotated at half its life, and nothing of it can be read in the database', async () => {
  const { database, fake, setTime, begin } = await openOffice()
  expect((await begin().api.self()).team).toBe('T01')
  await setTime(5 * hour)
  await begin().api.self()
  expect(fake.rotation.made()).toBe(1)
  await setTime(6 * hour + 1)
  fake.rotation.endGrace()
  const { api, store } = begin()
  await api.self()
  expect(fake.rotation.made()).toBe(2)
  expect(checkRotation(await store.read())).toMatchObject({ status: 'pass' })
  const rows = await administer(database.connection, 'select t::text as row from pii.slack_tokens t')
  const canary = Buffer.from('canary').toString('hex')
  expect(JSON.stringify(rows)).not.toMatch(new RegExp(`canary|${canary}`))
})

test('of two processes one rotates, and the other uses what that one wrote', async () => {
  const { fake, begin } = await openOffice()
  const [one, two] = [begin(), begin()]
  const asked = Promise.withResolvers<void>()
  const answered = Promise.withResolvers<void>()
  fake.afterEffect = async (method) => {
    if (method !== 'oauth.v2.access') return
    asked.resolve()
    await answered.promise
  }
  const first = one.tokens.current()
  await asked.promise
  // Slack has made the pair, and the first process does not have it yet: the second one has no turn.
  expect(await two.store.take(0, 1_000)).toBe(null)
  const second = two.tokens.current()
  answered.resolve()
  expect(await Promise.all([first, second])).toEqual([fake.rotation.newest(), fake.rotation.newest()])
  expect(refreshes(fake)).toBe(1)
  // Whoever saw it before that has no turn any more.
  expect([await two.store.take(0, 0), await two.store.take(1, 0)]).toEqual([null, expect.anything()])
})

test('a token that ended early is rotated at once, and the call is made again with the new one', async () => {
  const { fake, begin } = await openOffice()
  const { api } = begin()
  await api.self()
  fake.rotation.expire()
  await api.tell('chat.postMessage', { channel: 'C01', text: 'still here' })
  expect(fake.rotation.made()).toBe(2)
  expect([...fake.messages.values()].map(({ text }) => text)).toEqual(['still here'])
})

test('a process killed between the answer of Slack and its writing loses nothing, if the next comes in the time of grace', async () => {
  const { fake, setTime, begin } = await openOffice()
  const { store } = begin()
  const turn = await store.take(0, 15_000)
  // Slack has made a pair, and whoever asked for it is gone.
  const { clientId: client_id, clientSecret: client_secret } = fake.rotation
  const form = { client_id, client_secret, grant_type: 'refresh_token', refresh_token: turn?.refreshToken ?? '' }
  expect(fake.rotation.access(form)).toMatchObject({ expires_in: 43_200 })
  await setTime(15_001)
  expect(await begin().tokens.current()).toBe('xoxe.xoxb-1-canary-2')
})

test('an answer of Slack that came too late for its turn replaces nothing', async () => {
  const { fake, setTime, begin } = await openOffice()
  const { store } = begin()
  const late = await store.take(0, 15_000)
  await setTime(15_001)
  const token = await begin().tokens.current()
  await late?.keep({ accessToken: 'xoxe.xoxb-late', refreshToken: 'xoxe-late' }, 12 * hour)
  expect((await store.read()).accessToken).toBe(token)
  expect(token).toBe(fake.rotation.newest())
})

test('a rotation that fails is said at once, the token is used to its end and not after, and a new refresh token mends it', async () => {
  const { fake, setTime, begin } = await openOffice()
  const { tokens, store, said, failed } = begin()
  const token = await tokens.current()
  fake.trouble('oauth.v2.access', { error: 'invalid_refresh_token' }, 9)
  await setTime(7 * hour)
  const next = begin()
  expect(await next.tokens.current()).toBe(token)
  expect(next.said).toHaveLength(1)
  expect(next.said[0]).toMatch(/^error .*invalid_refresh_token.*Install the app again, set SLACK_REFRESH_TOKEN/)
  expect(checkRotation(await store.read())).toMatchObject({ status: 'fail' })
  expect(await failed()).toBe(1)
  await setTime(12 * hour + 1)
  const sent = begin().api.tell('chat.postMessage', { channel: 'C01', text: 'too late' })
  // Not the code and finality that would give a place up.
  await expect(sent).rejects.toMatchObject({ code: 'PRECONDITION_FAILED', retryable: true })
  await expect(sent).rejects.toThrow('The rotation of Slack')
  expect(fake.effects).toEqual([])
  fake.trouble('oauth.v2.access', '500', 0)
  await setTime(12 * hour + 20_000)
  const mended = begin(fake.rotation.reinstall())
  expect((await mended.api.self()).team).toBe('T01')
  expect([checkRotation(await store.read()).status, await failed()]).toEqual(['pass', 0])
  expect(said.concat(next.said).join()).not.toContain('canary')
})

test('a process that still has the first refresh token of before goes on with the pair there is', async () => {
  const { fake, begin } = await openOffice()
  await begin().tokens.current()
  const reinstalled = fake.rotation.reinstall()
  expect(await begin(reinstalled).store.take(1, 0)).toMatchObject({ refreshToken: reinstalled })
  const again = await begin(reinstalled).tokens.current()
  fake.rotation.endGrace()
  expect(await begin().tokens.current()).toBe(again)
  expect(refreshes(fake)).toBe(2)
})

test('the surface rotates in time while nobody calls, and stops with nothing left behind', async () => {
  const { fake, setTime, begin } = await openOffice()
  const { store, log, tokens } = begin()
  const { clientId, clientSecret, firstRefreshToken } = fake.rotation
  const accessToken = await tokens.current()
  const turn = await store.take(1, 0)
  // A pair that ends soon.
  await turn?.keep({ accessToken, refreshToken: 'xoxe-1-canary-1' }, 200)
  const slack = createSlack({
    botToken: null,
    rotation: { clientId, clientSecret, firstRefreshToken },
    store,
    appToken: null,
    signingSecret: 'canary-signing-secret-9f3',
    channel: 'C01',
    apiRoot: fake.apiRoot,
    reception: recordReception(),
    log,
  })
  const ended = slack.start()
  await vi.waitFor(() => expect(fake.calls).toEqual(['oauth.v2.access', 'auth.test']))
  await setTime(10_000)
  await vi.waitFor(() => expect(fake.rotation.made()).toBe(2), { timeout: 4_000 })
  await slack.post('T01/C01', { lines: ['hello'], buttons: [], under: null, isLoud: false })
  expect(fake.messages.size).toBe(1)
  await slack.stop()
  await ended
})

test('a pair that the database does not take at once is offered to it again, and not used before', async () => {
  const { database, fake, begin } = await openOffice()
  const { tokens, said } = begin()
  const { connection } = database
  fake.afterEffect = async () => void (await administer(connection, 'revoke all on pii.slack_tokens from qp_app'))
  await expect(tokens.current()).rejects.toThrow('permission denied')
  expect(said.join()).toContain('could not be kept yet')
  await administer(connection, 'grant select, insert, update on pii.slack_tokens to qp_app')
  fake.rotation.endGrace()
  expect(await tokens.current()).toBe('xoxe.xoxb-1-canary-1')
  expect([await begin().tokens.current(), refreshes(fake)]).toEqual(['xoxe.xoxb-1-canary-1', 1])
})
