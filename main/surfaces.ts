import { setTimeout as delay } from 'node:timers/promises'
import type { Headers } from '../adapters/github/webhook.ts'
import { verify } from '../adapters/github/webhook.ts'
import type { CardRelayOptions } from '../bot/card-relay.ts'
import { CardRelay } from '../bot/card-relay.ts'
import type { GatePages } from '../bot/http/house.ts'
import { Relay } from '../bot/relay.ts'
import type { RequestKind } from '../bot/slack/request.ts'
import type { Ask, Board, Listener, Reception, Surface } from '../bot/surface.ts'
import type { Screen } from '../bot/terminal/screen.ts'
import { TerminalSession } from '../bot/terminal/session.ts'
import type { Config } from '../config.ts'
import { follows } from '../core/commands/greet.ts'
import { offerFirstAdmin } from '../core/commands/people.ts'
import { cardOf } from '../core/commands/show.ts'
import { assert } from '../core/model/problem.ts'
import { slackTokens } from '../core/store/slack-token.ts'
import { openGatePages, withLinks } from './gate-links.ts'
import { hearGitHub } from './github-events.ts'
import type { House } from './house.ts'
import type { Receivers } from './intake.ts'
import { rollBack } from './rollback.ts'
import { openReception } from './reception.ts'
import { webhookSender } from './webhooks.ts'

/** A network this process is configured for, as it is wired. */
type Network = {
  readonly board: Board
  /** Null: it only tells, nobody asks there. */
  readonly surface: Surface | null
  /** The place of the configuration that hears of every run; null: none. Throws a Fault while the network is away. */
  readonly home: () => Promise<string | null>
  readonly receives?: Partial<Pick<Receivers, 'telegram' | 'slack'>>
  readonly stop?: () => void
  /** An address that says a code to the bot when it is opened, once the network has answered; only where it has such. */
  readonly invite?: (code: string) => Promise<string>
}

/** The bot under way: where people are, and what keeps them told. */
export type Bot = {
  /** What networks that call us by HTTP are taken in by. */
  readonly receivers: Receivers
  /** The pages behind links of mails; null where mails hold none. */
  readonly gatePages: GatePages | null
  /** Begins to listen; resolves when a surface ended by itself (a terminal was left). */
  live(): Promise<void>
  stop(): Promise<void>
}

/** How often the outbox and the cards are looked at. */
const everyMs = 250

type Opening = {
  readonly screen: Screen
  readonly house: House
  /** Signs in whoever sits at this terminal. */
  readonly askAs: (house: House) => Promise<Ask>
}

/** Opens every surface that this process is configured for, and the relays that keep them told. */
export async function startBot({ screen, house, askAs }: Opening): Promise<Bot> {
  const { db, log } = house
  const onFault = (surface: string, error: unknown): void => log('warn', 'a message was not sent', { surface, error })
  const terminal = screen.isInteractive ? new TerminalSession(screen, await askAs(house)) : null
  const reception = openReception(house.desk, log, () => relay.poke())
  const networks = await openNetworks(house, reception)
  const addressOf: CardRelayOptions['addressOf'] = (subject, sealed) => house.desk.people.openAddress(subject, sealed)
  const cards = new CardRelay({
    db,
    addressOf,
    boards: networks.map(({ board }) => board),
    look: lookIn(house),
    onFault,
  })
  const listeners: readonly Listener[] = terminal ? [terminal] : []
  const relay = new Relay({ db, listeners, onFault, onCards: () => cards.poke() })
  const webhooks = webhookSender(house)
  await greetFirstAdmin(screen, house, networks)
  sayNetworks(screen, networks)
  relay.start(everyMs)
  cards.start(everyMs)
  webhooks.start(1_000)
  const stopping = new AbortController()
  const homes = networks.map((network) => openHome(house, network, stopping.signal))
  const surfaces = networks.flatMap(({ surface }) => surface ?? [])
  return {
    receivers: receiversOf(house, networks),
    gatePages: linksMails(house.config) ? openGatePages({ desk: house.desk, onChange: () => relay.poke() }) : null,
    live: () => {
      for (const surface of surfaces) {
        void surface.start().catch((error: unknown) => onStopped(house, surface.name, error))
      }
      return terminal ? terminal.start() : new Promise<never>(() => undefined)
    },
    stop: async () => {
      stopping.abort()
      await terminal?.stop()
      for (const surface of surfaces) await surface.stop()
      await Promise.all([relay.stop(), webhooks.stop(), ...homes])
      await cards.stop()
      for (const network of networks) network.stop?.()
    },
  }
}

/** A network that will not have us is said loudly once; the others go on. */
const onStopped = ({ log }: House, surface: string, error: unknown): void =>
  log('error', 'a network was left: nobody is heard there until this is started again', { surface, error })

/** Lets the place of a network's configuration hear of every run, as soon as the network answers. */
async function openHome({ desk, log }: House, { board, home }: Network, signal: AbortSignal): Promise<void> {
  for (let waitMs = 1_000; !signal.aborted; waitMs = Math.min(60_000, waitMs * 2)) {
    try {
      const address = await home()
      if (address !== null) await follows(desk, board.name, address)
      return
    } catch (error) {
      log('warn', 'the place of the configuration could not be found yet', { surface: board.name, error })
      await delay(waitMs, undefined, { signal }).catch(() => undefined)
    }
  }
}

/** Every network that is configured; no other is loaded. A network is added here and nowhere else. */
async function openNetworks(
  { config, log, desk, linkTokenOf }: House,
  reception: Reception,
): Promise<readonly Network[]> {
  const networks: Network[] = []
  const { telegram: telegramSettings, slack: slackSettings, mail: mailSettings, publicUrl } = config
  if (telegramSettings) {
    const { chatId, webhookSecret, ...rest } = telegramSettings
    const webhook = webhookSecret && publicUrl ? { url: `${publicUrl}/webhooks/telegram`, secret: webhookSecret } : null
    const { createTelegram } = await import('../bot/telegram/telegram.ts')
    const telegram = createTelegram({ ...rest, reception, log, webhook })
    const receives = {
      telegram: async (headers: Headers, rawBody: Uint8Array) => ({
        status: await telegram.handleWebhook(headers, rawBody),
        body: '',
        headers: {},
      }),
    }
    const home = () => Promise.resolve(chatId)
    const invite = (code: string) => telegram.invite(code)
    networks.push({ surface: telegram, board: telegram, home, invite, ...(webhook ? { receives } : {}) })
  }
  if (slackSettings) {
    const { createSlack } = await import('../bot/slack/slack.ts')
    const { rotation } = slackSettings
    const store = rotation && slackTokens(desk, rotation)
    const slack = createSlack({ ...slackSettings, reception, log, store })
    const receive = (kind: RequestKind) => (headers: Headers, rawBody: Uint8Array) =>
      slack.handleRequest(kind, headers, rawBody)
    const receives = {
      slack: { events: receive('events'), commands: receive('commands'), interactions: receive('interactions') },
    }
    networks.push({ surface: slack, board: slack, home: () => slack.destination(), receives })
  }
  if (mailSettings) {
    const { MailBoard } = await import('../bot/mail/board.ts')
    const mail = new MailBoard(mailSettings)
    const board = withLinks(mail, linksMails(config) ? { desk, tokenOf: linkTokenOf } : null)
    networks.push({ surface: null, board, home: () => Promise.resolve(mailSettings.to), stop: () => mail.stop() })
  }
  return networks
}

/** A link needs an address that people reach, and a server that answers under it. */
const linksMails = ({ mail, publicUrl, http }: Config): boolean => mail !== null && publicUrl !== null && http !== null

function receiversOf({ config, db, desk, labelled, log }: House, networks: readonly Network[]): Receivers {
  const secrets = config.github?.webhookSecrets ?? []
  const github = {
    verify: (headers: Headers, rawBody: Uint8Array) => verify(secrets, headers, rawBody),
    handle: hearGitHub(db, log, labelled && rollBack({ ...labelled, desk, log })),
  }
  const received = networks.map(({ receives }) => receives ?? {})
  return {
    telegram: received.find(({ telegram }) => telegram)?.telegram ?? null,
    slack: received.find(({ slack }) => slack)?.slack ?? null,
    github: secrets.length > 0 ? github : null,
  }
}

/** What is on, and for what is off how to set it up. */
function sayNetworks(screen: Screen, networks: readonly Network[]): void {
  const pages = { telegram: 'TELEGRAM_BOT_TOKEN', slack: 'SLACK_BOT_TOKEN', mail: 'SMTP_URL' }
  for (const [name, variable] of Object.entries(pages)) {
    const isOn = networks.some(({ board }) => board.name === name)
    const title = `${name.charAt(0).toUpperCase()}${name.slice(1)}`.padEnd(9)
    screen.print(isOn ? `✓ ${title} on` : `– ${title} off: set ${variable} (docs/${name}.md)`)
  }
}

/** Without an admin nobody could ever be given a role: whoever says this code first is it. */
async function greetFirstAdmin(screen: Screen, { db }: House, networks: readonly Network[]): Promise<void> {
  const code = await offerFirstAdmin(db)
  if (code === null) return
  screen.print(`! Admin     nobody yet: say /link ${code} to the bot in private (15 min, once)`)
  // At a prompt the code is typed right there, and a line that came later would be in its way.
  if (screen.isInteractive) return
  for (const { invite } of networks)
    void invite?.(code).then((address) => screen.print(`            or open ${address}`))
}

const lookIn =
  ({ desk }: House) =>
  async (handle: string) => {
    const card = await cardOf(desk, handle)
    assert(card.ok, `run ${handle} has a card and is not there`)
    return card.value
  }
