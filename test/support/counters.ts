import { PassThrough } from 'node:stream'
import { expect, onTestFinished, vi } from 'vitest'
import { parseCommand } from '../../bot/parse-command.ts'
import type { RequestKind } from '../../bot/slack/request.ts'
import { createSlack } from '../../bot/slack/slack.ts'
import type { Board } from '../../bot/surface.ts'
import type { Telegram, TelegramOptions } from '../../bot/telegram/telegram.ts'
import { createTelegram } from '../../bot/telegram/telegram.ts'
import { runCommand } from '../../bot/terminal/command-line.ts'
import { Screen } from '../../bot/terminal/screen.ts'
import type { Desk } from '../../core/commands/desk.ts'
import { execute } from '../../core/commands/execute.ts'
import { signIn } from '../../core/commands/sign-in.ts'
import { Database } from '../../core/store/database.ts'
import { appRole } from '../../core/store/role.ts'
import { openReception } from '../../main/reception.ts'
import type { TestHouse } from './house.ts'
import { agreed } from './house.ts'
import { serve } from './http.ts'
import { botToken, type FakeSlack, startFakeSlack } from './slack/fake.ts'
import { ada, encode, signingSecret } from './slack/open.ts'
import { commandOf, newTrigger, pressOf, signed, submissionOf } from './slack/sign.ts'
import type { BotApi } from './telegram/bot-api.ts'
import { ann, openRoom, places } from './telegram/room.ts'

export type Choice = 'approve' | 'reject' | 'changes'

/** A gate that is open, and the buttons that Telegram and Slack show under it. */
export type OpenGate = {
  readonly run: string
  readonly id: string
  readonly sha256: string
  readonly telegram: { readonly message: number; readonly key: string }
  readonly slack: { readonly message: string; readonly key: string }
}

/** A place where a person decides, through its real handlers and on a database access of its own, as a process has. */
export type Counter = {
  /** What the place calls whoever decides there. */
  readonly person: string
  /** What Postgres calls its sessions. */
  readonly process: string
  /** Does all that comes before the decision itself, such as asking why; what it answers with decides, and hears the outcome. */
  prepare(gate: OpenGate, choice: Choice): Promise<() => Promise<string>>
}

export type TelegramCounter = Counter & {
  readonly api: BotApi
  readonly board: Board
  /** Ends the process that listens, and answers with one that knows nothing of it and takes deliveries by webhook. */
  replace(): Promise<(update: object) => Promise<number>>
}

export type SlackCounter = Counter & {
  readonly fake: FakeSlack
  readonly board: Board
  readonly post: (kind: RequestKind, body: object) => Promise<{ readonly status: number; readonly body: string }>
}

const why = 'not like this'

/** The house as another process has it, on sessions of this name. */
function processOf(house: TestHouse, name: string): { readonly process: string; readonly desk: Desk } {
  const process = `quantapilot ${name}`
  const db = new Database(house.database.connection, {
    name: process,
    poolSize: 4,
    role: appRole,
    onIdleError: () => undefined,
  })
  onTestFinished(() => db.close())
  return { process, desk: { ...house.desk, db } }
}

const quiet = (): void => undefined

/** Waits for a fact that a fake shows within ten seconds. */
const shown = <T>(look: () => T | undefined): Promise<T> =>
  vi.waitFor(
    () => {
      const found = look()
      if (found === undefined) throw new Error('it was never shown')
      return found
    },
    { timeout: 10_000, interval: 2 },
  )

/** Gives the person of this name the role of an approver, once they were met. */
const empower = (house: TestHouse, who: string): Promise<void> =>
  vi.waitFor(
    async () => {
      agreed(await house.ask({ kind: 'actor', verb: 'role', who, grant: ['approver'], revoke: [] }))
    },
    { timeout: 10_000, interval: 20 },
  )

/** Ann, who approves in her private chat, where every run is shown. */
export async function telegramOf(house: TestHouse): Promise<TelegramCounter> {
  const api = await openRoom()
  const { process, desk } = processOf(house, 'telegram')
  const reception = openReception(desk, quiet, quiet)
  const open = (webhook: TelegramOptions['webhook']): Telegram => {
    const telegram = createTelegram({ token: api.token, apiRoot: api.rootOf('one'), reception, log: quiet, webhook })
    void telegram.start()
    onTestFinished(() => telegram.stop())
    return telegram
  }
  const telegram = open(null)
  const reply = (to: number): Promise<string> =>
    shown(() => {
      const under = api
        .effects('sendMessage')
        .findLast(({ payload }) => (payload['reply_parameters'] as { message_id?: number })?.message_id === to)
      return under?.payload['text'] as string | undefined
    })
  const say = (text: string, more: Readonly<Record<string, unknown>> = {}): Promise<string> => {
    const { message } = api.write(places.ann, ann, text, more)
    return reply((message as { message_id: number }).message_id)
  }
  const press = (gate: OpenGate, verb: Choice): Promise<string> => {
    const update = api.pressData(places.ann, gate.telegram.message, ann, `${gate.telegram.key}.${verb}`)
    const { id } = update['callback_query'] as { id: string }
    return shown(() => {
      const answer = api.effects('answerCallbackQuery').find(({ payload }) => payload['callback_query_id'] === id)
      return answer?.payload['text'] as string | undefined
    })
  }
  await say('/whoami')
  await empower(house, 'Ann Lee')
  expect(await say('/subscribe')).toContain('✓')
  return {
    person: 'Ann Lee',
    process,
    api,
    board: { ...telegram, paceMs: 0 },
    replace: async () => {
      await telegram.stop()
      const secret = 'canary-webhook-secret'
      const next = open({ url: 'https://qp.example/webhooks/telegram', secret })
      await shown(() => api.webhook ?? undefined)
      const headers = { 'x-telegram-bot-api-secret-token': secret }
      return (update) => next.handleWebhook(headers, Buffer.from(JSON.stringify(update)))
    },
    prepare: async (gate, choice) => {
      if (choice === 'approve') return () => press(gate, choice)
      await press(gate, choice)
      const asked = api.chats.ofBot(places.ann).findLast(({ reply_markup }) => reply_markup?.force_reply)
      if (!asked) throw new Error('nobody asked why')
      const words = { reply_to_message: { message_id: asked.message_id, from: api.me } }
      return () => say(why, words)
    },
  }
}

/** Ada, who approves in a channel where every run is shown. */
export async function slackOf(house: TestHouse): Promise<SlackCounter> {
  const fake = await startFakeSlack()
  const { process, desk } = processOf(house, 'slack')
  const reception = openReception(desk, quiet, quiet)
  const slack = createSlack({
    botToken,
    rotation: null,
    store: null,
    appToken: null,
    signingSecret,
    channel: 'C01',
    apiRoot: fake.apiRoot,
    reception,
    log: quiet,
  })
  void slack.start()
  onTestFinished(() => slack.stop())
  const post: SlackCounter['post'] = async (kind, body) => {
    const raw = encode(kind, body)
    return slack.handleRequest(kind, signed(signingSecret, raw), Buffer.from(raw))
  }
  const say = (text: string) => post('commands', commandOf(ada, '/qp', text, fake.responseUrl()))
  const press = async (gate: OpenGate, verb: Choice): Promise<string> => {
    const before = fake.whispers.length
    await post('interactions', pressOf(ada, `${gate.slack.key}.${verb}`, fake.responseUrl()))
    return shown(() => fake.whispers[before]?.['text'] as string | undefined)
  }
  await say('whoami')
  await empower(house, 'Ada')
  expect((await say('subscribe')).body).toContain('✓')
  return {
    person: 'Ada',
    process,
    fake,
    board: { ...slack, paceMs: 0 },
    post,
    prepare: async (gate, choice) => {
      if (choice === 'approve') return () => press(gate, choice)
      const opened = fake.effects.length
      await post('interactions', pressOf(ada, `${gate.slack.key}.${choice}`, fake.responseUrl()))
      const form = fake.effects.slice(opened).find(({ method }) => method === 'views.open')
      if (!form) throw new Error('nobody asked why')
      const { private_metadata } = form.args['view'] as { private_metadata: string }
      return async () =>
        (await post('interactions', submissionOf(ada, { id: newTrigger(), private_metadata }, why))).body
    },
  }
}

/** Carol's program, which decides over HTTP by the digest it looked at. */
export async function httpOf(house: TestHouse): Promise<Counter> {
  const { process, desk } = processOf(house, 'http')
  const served = await serve({ ...house, desk })
  const carol = await signIn(house.desk, { surface: 'terminal', account: 'carol', label: 'carol' })
  await empower(house, 'carol')
  agreed(await house.ask({ kind: 'actor', verb: 'role', who: 'carol', grant: ['admin'], revoke: [] }))
  const { secret: key } = await served.makeKey(['decide'], { ...carol, roles: ['admin'] })
  return {
    person: 'carol',
    process,
    prepare: (gate, choice) =>
      Promise.resolve(async () => {
        const body = { sha256: gate.sha256, ...(choice === 'approve' ? {} : { reason: why }) }
        return (await served.call(`/api/v1/gates/${gate.id}/${choice}`, { key, body })).text
      }),
  }
}

/** Whoever sits at this machine's terminal, and types each command anew. */
export function terminalOf(house: TestHouse): Counter {
  const { process, desk } = processOf(house, 'terminal')
  const type = async (words: readonly string[]): Promise<string> => {
    const out = new PassThrough()
    const screen = new Screen({
      out: out as unknown as NodeJS.WriteStream,
      input: new PassThrough() as unknown as NodeJS.ReadStream,
      colour: false,
    })
    const parsed = parseCommand(words)
    if (!parsed.ok) throw new Error(parsed.refusal.message)
    const actor = await signIn(desk, { surface: 'terminal', account: 'tester', label: 'tester' })
    await runCommand({
      screen,
      ask: (command, deliveryId) => execute(desk, actor, command, deliveryId),
      command: parsed.value,
      json: false,
      watch: false,
      signal: AbortSignal.timeout(10_000),
      work: () => Promise.resolve(),
    })
    return String(out.read() ?? '')
  }
  return {
    person: 'tester',
    process,
    prepare: ({ run }, choice) =>
      Promise.resolve(() => type(choice === 'approve' ? [choice, run] : [choice, run, why])),
  }
}
