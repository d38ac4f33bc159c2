import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { RunningProcess } from '../../adapters/process/run.ts'
import { startProcess } from '../../adapters/process/run.ts'
import { administer } from '../support/administer.ts'
import { agreed, cardWhen, isAtEnd, isAtGate, makeRepository } from '../support/house.ts'
import type { State } from '../support/program.ts'
import { openState, program } from '../support/program.ts'
import type { FakeSlack } from '../support/slack/fake.ts'
import { appToken, botToken, startFakeSlack } from '../support/slack/fake.ts'
import { ada } from '../support/slack/open.ts'
import { commandOf, pressOf } from '../support/slack/sign.ts'
import type { BotApi } from '../support/telegram/bot-api.ts'
import { ann, openRoom, places, textsIn } from '../support/telegram/room.ts'

/** The program itself, with a Telegram and a Slack that are ours, and people who have their roles. */
type Town = {
  readonly state: State
  readonly telegram: BotApi
  readonly slack: FakeSlack
  readonly folder: string
  start(): Promise<RunningProcess>
}

async function openTown(): Promise<Town> {
  const state = await openState()
  const [telegram, slack] = [await openRoom(), await startFakeSlack()]
  const folder = await makeRepository(state, 'shop', { 'README.md': '# Shop\n\n- It must sell.\n' })
  const town = { state, telegram, slack, folder, start: () => startTown(state, telegram, slack) }
  const first = await town.start()
  telegram.write(places.ann, ann, '/whoami')
  void slack.sockets.send('slash_commands', commandOf(ada, '/qp', 'whoami', slack.responseUrl()))
  await give(state, 'Ann Lee', 'operator')
  await give(state, 'Ada', 'approver')
  expect(await first.kill({ graceMs: 15_000 })).toMatchObject({ exitCode: 0 })
  return town
}

async function startTown(state: State, telegram: BotApi, slack: FakeSlack): Promise<RunningProcess> {
  const { env, ...rest } = program(state, 'start')
  const networks = {
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_API_ROOT: telegram.rootOf('program'),
    TELEGRAM_CHAT_ID: `${places.group}`,
    SLACK_BOT_TOKEN: botToken,
    SLACK_APP_TOKEN: appToken,
    SLACK_CHANNEL: 'C01',
    SLACK_API_ROOT: slack.apiRoot,
  }
  const opened = slack.sockets.opened()
  const process = await startProcess({ ...rest, env: { ...env, ...networks } })
  onTestFinished(async () => void (await process.kill({ signal: 'SIGKILL' })))
  await slack.sockets.whenOpened(opened + 1)
  return process
}

/** Waits until the person was met, then gives the role. */
async function give(state: State, label: string, role: 'operator' | 'approver'): Promise<void> {
  await vi.waitFor(
    async () => {
      const change = { kind: 'actor', verb: 'role', who: label, grant: [role], revoke: [] } as const
      expect(await state.ask(change)).toMatchObject({ ok: true })
    },
    { timeout: 15_000, interval: 100 },
  )
}

const inTelegram = ({ telegram }: Town): string => textsIn(telegram, places.group).join('\n---\n')
const inSlack = ({ slack }: Town): string => [...slack.messages.values()].map(({ text }) => text).join('\n---\n')

/** Waits until both networks say it: what a process had taken as it died is free again after a quarter of a minute. */
const everywhere = (town: Town, says: RegExp) =>
  vi.waitFor(
    () => {
      expect(inTelegram(town)).toMatch(says)
      expect(inSlack(town)).toMatch(says)
    },
    { timeout: 40_000, interval: 20 },
  )

async function askInTelegram({ state, telegram, folder }: Town): Promise<string> {
  const newest = async (): Promise<string | undefined> => {
    const runs = agreed(await state.ask({ kind: 'runs', page: 1 }))
    return runs.kind === 'runs' ? runs.runs[0]?.handle : undefined
  }
  const before = await newest()
  telegram.write(places.group, ann, `/run ${folder}`)
  return vi.waitFor(
    async () => {
      const handle = await newest()
      if (handle === undefined || handle === before) throw new Error('no run yet')
      return handle
    },
    { timeout: 15_000, interval: 50 },
  )
}

test('a run is started in Telegram, approved in Slack, and both say so, with no public address', {
  timeout: 120_000,
}, async () => {
  const town = await openTown()
  const program = await town.start()
  const handle = await askInTelegram(town)
  await everywhere(town, new RegExp(`Run ${handle} waits for you: ANCHOR.md`))
  await town.slack.sockets.send('interactive', pressOf(ada, latestButton(town), town.slack.responseUrl()))
  await everywhere(town, /✓ gate anchor approved by Ada at .* UTC/)
  await everywhere(town, new RegExp(`Run ${handle} is done`))
  expect(await cardWhen(town.state, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  // The request is still there to be read, and nothing is left to be pressed.
  expect(inTelegram(town)).toContain('ANCHOR.md of shop: what will be built')
  expect(JSON.stringify([...town.slack.messages.values()])).not.toContain('.approve')
  expect(await program.kill({ graceMs: 15_000 })).toMatchObject({ exitCode: 0 })
})

test('killed at any moment around a decision, the program makes it once and tells everybody', {
  timeout: 240_000,
}, async () => {
  const town = await openTown()
  const { state, slack } = town
  for (const waitMs of [3, 30]) {
    const program = await town.start()
    const handle = await askInTelegram(town)
    await cardWhen(state, handle, isAtGate)
    await everywhere(town, new RegExp(`Run ${handle} waits for you`))
    const press = pressOf(ada, latestButton(town), slack.responseUrl())
    const acknowledged = slack.sockets.send('interactive', press)
    await delay(waitMs)
    await program.kill({ signal: 'SIGKILL' })
    const next = await town.start()
    await acknowledged
    await everywhere(town, new RegExp(`gate anchor approved by Ada at .* UTC · run ${handle}`))
    expect(await cardWhen(state, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
    await next.kill({ signal: 'SIGKILL' })
  }
  const [votes] = await administer(state.database.connection, 'select count(*)::integer as votes from app.votes')
  expect(votes).toEqual({ votes: 2 })
})

/** What the button carries that Slack shows under the newest open gate. */
function latestButton({ slack }: Town): string {
  const blocks = JSON.stringify([...slack.messages.values()].map((message) => message.blocks))
  const value = [...blocks.matchAll(/"value":"([\w-]{22}\.approve)"/g)].at(-1)?.[1]
  if (value === undefined) throw new Error(`no button in ${blocks}`)
  return value
}
