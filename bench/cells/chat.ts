import { setTimeout as delay } from 'node:timers/promises'
import { CardRelay } from '../../bot/card-relay.ts'
import { Relay } from '../../bot/relay.ts'
import type { Board, Caller, Place, Post, Reception } from '../../bot/surface.ts'
import type { Command, Reply } from '../../core/commands/command.ts'
import { cardOf } from '../../core/commands/show.ts'
import { grantRole, listPeople } from '../../core/store/actor.ts'
import { openReception } from '../../main/reception.ts'
import type { Bed } from '../bed.ts'
import { open, peopleOf, until } from '../bed.ts'
import { workerOn } from '../crew.ts'
import { gated } from '../recipes.ts'
import type { Figure } from '../report.ts'
import { percentile, rounded } from '../report.ts'

const surfaces = ['telegram', 'slack', 'mail', 'web'] as const

/** A network that takes one message a second at each place, and answers after a while as a real one does. */
class Slate implements Board {
  readonly name: string
  readonly paceMs = 1_000
  readonly shown = new Map<string, string>()

  constructor(name: string) {
    this.name = name
  }

  async post(address: string, post: Post): Promise<Place> {
    const message = `${address} ${this.shown.size}`
    await this.edit(address, { message }, post)
    return { message }
  }

  async edit(_address: string, place: Place, { lines }: Post): Promise<Place> {
    await delay(50)
    this.shown.set((place as { readonly message: string }).message, lines.join('\n'))
    return place
  }

  /** Whether the run's own card and its gate's card are there, and each says `word`. */
  says(address: string, word: string): boolean {
    const cards = [...this.shown].filter(([message]) => message.startsWith(`${address} `)).slice(0, 2)
    return cards.length === 2 && cards.every(([, text]) => text.includes(word))
  }
}

/** From a decision until the last card on four surfaces says so; then commands at 50 a second until each is acknowledged. */
export async function chat(bed: Bed): Promise<Figure[]> {
  const address = await bed.make('chat')
  const db = open(address)
  const recipe = gated(() => undefined)
  const worker = workerOn(db, recipe)
  await worker.begin()
  const people = await peopleOf(address)
  const desk = {
    db,
    people,
    recipes: () => recipe,
    pipelines: { gated: recipe },
    poke: () => worker.poke(),
    mail: null,
    webhooks: { secretOf: () => '', allowedHosts: [] },
  }
  const slates = surfaces.map((name) => new Slate(name))
  const look = async (handle: string) => {
    const card = await cardOf(desk, handle)
    if (!card.ok) throw new Error(card.refusal.message)
    return card.value
  }
  const onFault = (surface: string, error: unknown): void => console.error(surface, error)
  const cards = new CardRelay({
    db,
    addressOf: (subject, sealed) => people.openAddress(subject, sealed),
    boards: slates,
    look,
    onFault,
  })
  const relay = new Relay({ db, listeners: [], onFault, onCards: () => cards.poke() })
  const reception = openReception(
    desk,
    () => undefined,
    () => relay.poke(),
  )
  relay.start(250)
  cards.start(250)
  try {
    const told = await Promise.all(
      surfaces.map((surface) => reception.ask(callerOf(surface, 'home'), { kind: 'whoami' })),
    )
    if (told.some((answer) => !answer.ok)) throw new Error('somebody is not known')
    for (const { id } of await db.run(listPeople, {})) await db.run(grantRole, { actor: id, role: 'operator' })
    const settled = await settle(reception, slates, bed.quick ? 10 : 40)
    const acknowledged = await acknowledge(reception, bed.quick ? 5_000 : 20_000)
    return [
      {
        name: 'decision to last card settled, 4 surfaces, p95',
        value: percentile(settled, 95),
        unit: 'ms',
        bound: { atMost: 2_000 },
        note: `${settled.length} decisions, p50 ${rounded(percentile(settled, 50))} ms, one message a second and place`,
      },
      {
        name: 'command to acknowledgement, 50 commands/s, p99',
        value: percentile(acknowledged, 99),
        unit: 'ms',
        bound: { atMost: 100 },
        note: `${acknowledged.length} commands, p50 ${rounded(percentile(acknowledged, 50))} ms`,
      },
    ]
  } finally {
    await relay.stop()
    await cards.stop()
    await worker.stop()
    await db.close()
  }
}

let deliveries = 0

const callerOf = (surface: string, address: string): Caller => ({
  surface,
  account: `person of ${surface}`,
  label: surface,
  address,
  isPrivate: false,
  deliveryId: `${++deliveries}`,
})

async function say(reception: Reception, caller: Caller, command: Command): Promise<Reply> {
  const answer = await reception.ask(caller, command)
  if (!answer.ok) throw new Error(answer.refusal.message)
  return answer.value
}

const start = { kind: 'run', target: 'x', branch: null, pipeline: 'gated', dryRun: false, confirm: false } as const

/** Each run is shown in a chat of its own on every surface. */
async function settle(reception: Reception, slates: readonly Slate[], decisions: number): Promise<number[]> {
  const times: number[] = []
  for (let n = 0; n < decisions; n++) {
    const place = `chat-${n}`
    const everywhere = (command: Command) =>
      Promise.all(surfaces.map((surface) => say(reception, callerOf(surface, place), command)))
    await everywhere({ kind: 'subscribe', project: null, level: 'all' })
    const started = await say(reception, callerOf('telegram', place), start)
    if (started.kind !== 'started') throw new Error(started.kind)
    await until('the cards of a gate', 10_000, () => slates.every((slate) => slate.says(place, 'wait')))
    // Whatever else was under way at this place has its second behind it.
    await delay(1_000)
    const startedAt = performance.now()
    const decision = { kind: 'approve', run: started.card.handle, gate: null, sha256: null } as const
    await say(reception, callerOf('slack', place), decision)
    await until('the last card', 10_000, () => slates.every((slate) => slate.says(place, 'approved')))
    times.push(performance.now() - startedAt)
    await everywhere({ kind: 'unsubscribe', project: null })
  }
  return times
}

/** One every 20 ms whatever became of the one before: a run, its status, the open gates. */
async function acknowledge(reception: Reception, forMs: number): Promise<number[]> {
  const times: number[] = []
  const pending: Promise<void>[] = []
  const commands: readonly Command[] = [start, { kind: 'status', run: null, page: 1 }, { kind: 'gates' }]
  const startedAt = performance.now()
  for (let n = 0; n * 20 < forMs; n++) {
    await delay(Math.max(0, startedAt + n * 20 - performance.now()))
    const askedAt = performance.now()
    const command = commands[n % commands.length] ?? start
    pending.push(
      say(reception, callerOf('telegram', 'busy'), command).then(() => void times.push(performance.now() - askedAt)),
    )
  }
  await Promise.all(pending)
  return times
}
