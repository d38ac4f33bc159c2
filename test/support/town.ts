import { expect, onTestFinished, vi } from 'vitest'
import type { RunningProcess } from '../../adapters/process/run.ts'
import { startProcess } from '../../adapters/process/run.ts'
import type { Role } from '../../config.ts'
import { agreed } from './house.ts'
import type { State } from './program.ts'
import { openState, program } from './program.ts'
import type { FakeSlack } from './slack/fake.ts'
import { appToken, botToken, startFakeSlack } from './slack/fake.ts'
import { ada } from './slack/open.ts'
import { commandOf } from './slack/sign.ts'
import type { BotApi } from './telegram/bot-api.ts'
import { ann, openRoom, places, textsIn } from './telegram/room.ts'

/** The program itself, with a Telegram and a Slack that are ours: Ann operates in a group, Ada approves in a channel. */
export type Town = {
  readonly state: State
  readonly telegram: BotApi
  readonly slack: FakeSlack
  /** Starts a process of this role; it is up when this resolves, and gone when the test ends. */
  start(role: Role): Promise<RunningProcess>
}

/** Opens a town; `more` is what its processes find in their environment besides. */
export async function openTown(more: Readonly<Record<string, string>> = {}): Promise<Town> {
  const state = await openState()
  const [telegram, slack] = [await openRoom(), await startFakeSlack()]
  const town: Town = { state, telegram, slack, start: (role) => startIn({ state, telegram, slack }, role, more) }
  const first = await town.start('bot')
  telegram.write(places.ann, ann, '/whoami')
  const hello = commandOf({ ...ada, channel: 'D09' }, '/qp', 'whoami', slack.responseUrl())
  void slack.sockets.send('slash_commands', hello)
  await give(state, 'Ann Lee', 'operator')
  await give(state, 'Ada', 'approver')
  expect(await first.kill({ graceMs: 15_000 })).toMatchObject({ exitCode: 0 })
  return town
}

async function startIn(
  { state, telegram, slack }: Omit<Town, 'start'>,
  role: Role,
  more: Readonly<Record<string, string>>,
): Promise<RunningProcess> {
  const { env, ...rest } = program(state, 'start', '--role', role)
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
  const process = await startProcess({ ...rest, env: { ...env, ...networks, ...more } })
  onTestFinished(async () => void (await process.kill({ signal: 'SIGKILL' })))
  if (role === 'all' || role === 'bot') await slack.sockets.whenOpened(opened + 1)
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

/** What is to be read in the group of Telegram and in Slack, oldest first. */
export const shownIn = ({
  telegram,
  slack,
}: Town): { readonly telegram: readonly string[]; readonly slack: readonly string[] } => ({
  telegram: textsIn(telegram, places.group).map((text) => text ?? ''),
  slack: [...slack.messages.values()].map(({ text }) => text),
})

/** Waits until both networks say it: what a process had taken as it died is free again after a quarter of a minute. */
export const everywhere = (town: Town, says: RegExp) =>
  vi.waitFor(
    () => {
      const { telegram, slack } = shownIn(town)
      expect(telegram.join('\n---\n')).toMatch(says)
      expect(slack.join('\n---\n')).toMatch(says)
    },
    { timeout: 40_000, interval: 20 },
  )

/** Ann starts a run on this target; answers with its handle. */
export async function askInTelegram({ state, telegram }: Town, target: string): Promise<string> {
  const newest = async (): Promise<string | undefined> => {
    const runs = agreed(await state.ask({ kind: 'runs', page: 1 }))
    return runs.kind === 'runs' ? runs.runs[0]?.handle : undefined
  }
  const before = await newest()
  telegram.write(places.group, ann, `/run ${target}`)
  return vi.waitFor(
    async () => {
      const handle = await newest()
      if (handle === undefined || handle === before) throw new Error('no run yet')
      return handle
    },
    { timeout: 40_000, interval: 50 },
  )
}

/** What the button carries that Slack shows under the newest open gate. */
export function latestButton({ slack }: Town): string {
  const blocks = JSON.stringify([...slack.messages.values()].map((message) => message.blocks))
  const value = [...blocks.matchAll(/"value":"([\w-]{22}\.approve)"/g)].at(-1)?.[1]
  if (value === undefined) throw new Error(`no button in ${blocks}`)
  return value
}
