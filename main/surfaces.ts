import { CardRelay } from '../bot/card-relay.ts'
import { Relay } from '../bot/relay.ts'
import type { Ask, Board, Listener, Surface } from '../bot/surface.ts'
import type { Screen } from '../bot/terminal/screen.ts'
import { TerminalSession } from '../bot/terminal/session.ts'
import { follows } from '../core/commands/greet.ts'
import { offerFirstAdmin } from '../core/commands/people.ts'
import { cardOf } from '../core/commands/show.ts'
import { assert } from '../core/model/problem.ts'
import type { House } from './house.ts'
import { webhookSender } from './webhooks.ts'

/** A network this process is configured for, as it is wired. */
type Network = {
  readonly surface: Surface & Board
  /** The chat of the configuration that hears of every run; null: none. */
  readonly home: string | null
}

/** The bot under way: where people are, and what keeps them told. */
export type Bot = {
  /** Resolves when a surface ended by itself (a terminal was left). */
  readonly ended: Promise<void>
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
export async function startBot(opening: Opening): Promise<Bot> {
  const { screen, house } = opening
  const { db, log } = house
  const onFault = (surface: string, error: unknown): void => log('warn', 'a message was not sent', { surface, error })
  const terminal = screen.isInteractive ? new TerminalSession(screen, await opening.askAs(house)) : null
  const networks = openNetworks(house)
  for (const { surface, home } of networks) if (home !== null) await follows(db, surface.name, home)
  await greetFirstAdmin(screen, house)
  const surfaces: readonly Surface[] = [...(terminal ? [terminal] : []), ...networks.map(({ surface }) => surface)]
  const listeners: readonly Listener[] = terminal ? [terminal] : []
  const cards = new CardRelay({ db, boards: networks.map(({ surface }) => surface), look: lookIn(house), onFault })
  const relay = new Relay({ db, listeners, onFault, onCards: () => cards.poke() })
  relay.start(everyMs)
  if (networks.length > 0) cards.start(everyMs)
  const webhooks = webhookSender(house)
  webhooks.start(1_000)
  const ends = surfaces.map((surface) => surface.start())
  return {
    ended: ends.length === 0 ? new Promise<never>(() => undefined) : Promise.race(ends),
    stop: async () => {
      for (const surface of surfaces) await surface.stop()
      await relay.stop()
      await cards.stop()
      await webhooks.stop()
    },
  }
}

/** Every network that is configured. A network is added here and nowhere else. */
function openNetworks(_house: House): readonly Network[] {
  return []
}

/** Without an admin nobody could ever be given a role: whoever says this code first is it. */
async function greetFirstAdmin(screen: Screen, { db }: House): Promise<void> {
  const code = await offerFirstAdmin(db)
  if (code !== null) screen.print(`! Admin     nobody yet: say /link ${code} to the bot in private (15 min, once)`)
}

const lookIn =
  ({ desk }: House) =>
  async (handle: string) => {
    const card = await cardOf(desk, handle)
    assert(card.ok, `run ${handle} has a card and is not there`)
    return card.value
  }
