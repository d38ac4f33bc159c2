import { createHash } from 'node:crypto'
import type { RunCard } from '../core/model/card.ts'
import { handleOf } from '../core/model/handle.ts'
import { Fault } from '../core/model/problem.ts'
import type { TakenCard } from '../core/store/card.ts'
import { cardFailed, cardShown, refreshRunning, takeCards } from '../core/store/card.ts'
import type { Database } from '../core/store/database.ts'
import { closeDestination } from '../core/store/destination.ts'
import { drawGate, drawNote, drawReceipt, drawRun } from './cards.ts'
import { Rounds } from './rounds.ts'
import type { Board, Place, Post } from './surface.ts'

/** How long a relay has a place for one message; after that another may take it. */
const takenForMs = 15_000

/** Places served at once. */
const batch = 50

/** Whatever a network says, it is not asked again at once. */
const leastWaitMs = 100

/**
 * What a step is doing is shown after so much silence at a place, behind its pace: fifteen edits a minute. A
 * group of Telegram takes twenty messages (https://core.telegram.org/bots/faq), and decisions must find room among them.
 */
const liveMs = 3_000

/** Tries that a message gets which the network refuses for what it says. */
const triesOfBad = 5

export type CardRelayOptions = {
  readonly db: Database
  /** Opens where a place is; null once its person was erased. */
  readonly addressOf: (subject: string, sealed: Uint8Array) => Promise<string | null>
  readonly boards: readonly Board[]
  /** The run as it stands now. */
  readonly look: (handle: string) => Promise<RunCard>
  readonly onFault: (surface: string, error: unknown) => void
}

/**
 * Shows cards wherever they are due: one message at a time to each place, in order, at its network's pace. Each is
 * drawn from the database just before it is sent, so nothing that comes late is wrong. A network that is away makes its
 * own places wait and no others; a message that a network will not take is put aside after a few tries.
 */
export class CardRelay {
  readonly #options: CardRelayOptions
  /** One for each network: a slow one keeps only its own places waiting. */
  readonly #rounds: readonly Rounds[]

  constructor(options: CardRelayOptions) {
    this.#options = options
    this.#rounds = options.boards.map(
      (board) =>
        new Rounds(
          () => this.#serve(board),
          (error) => options.onFault(board.name, error),
        ),
    )
  }

  start(everyMs: number): void {
    for (const rounds of this.#rounds) rounds.start(everyMs)
  }

  /** There may be something to show. */
  poke(): void {
    for (const rounds of this.#rounds) rounds.poke()
  }

  async stop(): Promise<void> {
    await Promise.all(this.#rounds.map((rounds) => rounds.stop()))
  }

  /** Shows until nothing is due. */
  async drain(): Promise<void> {
    await Promise.all(this.#options.boards.map((board) => this.#serve(board)))
  }

  async #serve(board: Board): Promise<void> {
    const { db } = this.#options
    await db.run(refreshRunning, { liveMs })
    for (;;) {
      const taken = await db.run(takeCards, { surface: board.name, most: batch, forMs: takenForMs })
      if (taken.length === 0) return
      await Promise.all(taken.map((card) => this.#show(board, card)))
    }
  }

  async #show(board: Board, card: TakenCard): Promise<void> {
    try {
      await this.#draw(board, card)
    } catch (error) {
      this.#options.onFault(board.name, error)
      await this.#putOff(card, error)
    }
  }

  async #draw(board: Board, card: TakenCard): Promise<void> {
    const run = await this.#options.look(handleOf(card.number))
    const drawing = drawingOf(run, card)
    const isFinal = drawing?.isFinal ?? true
    const sha256 = newsIn(run, card)
    const isNews = drawing !== null && sha256 !== card.shownSha256
    const address = await this.#options.addressOf(card.subjectId, card.sealedAddress)
    if (address === null) return this.#close(card, 'Whose place this was has been erased.')
    const place = drawing && isNews ? await this.#send(board, { ...card, address }, drawing) : card.place
    await this.#options.db.run(cardShown, {
      run: card.runId,
      id: card.id,
      place,
      shown: card.wanted,
      seenSeq: card.eventSeq,
      seenProgress: card.progressSeq,
      sha256,
      isFinal,
      paceMs: isNews ? board.paceMs : 0,
    })
  }

  /** Only the network itself can say that a place takes nothing any more; what fails before it is asked is ours. */
  async #send(board: Board, card: Addressed, drawing: Omit<Post, 'under'>): Promise<Place> {
    try {
      return await send(board, card, drawing)
    } catch (error) {
      const isClosed = error instanceof Fault && error.code === 'PRECONDITION_FAILED' && !error.retryable
      if (isClosed) await this.#close(card, error.message)
      throw error
    }
  }

  async #close(card: TakenCard, because: string): Promise<void> {
    await this.#options.db.run(closeDestination, { id: card.destinationId, because })
  }

  async #putOff(card: TakenCard, error: unknown): Promise<void> {
    await this.#options.db.run(cardFailed, { run: card.runId, id: card.id, ...waitAfter(card, error) })
  }
}

/** What of a drawing is news, as a hash: that time goes by is none, and would take the turn of what is. */
const newsIn = (run: RunCard, card: TakenCard): string =>
  createHash('sha256')
    .update(JSON.stringify(drawingOf({ ...run, elapsedMs: 0 }, card)))
    .digest('hex')

type Addressed = TakenCard & { readonly address: string }

/**
 * How long the card and its place wait, and whether it is given up, which happens only to what the network refuses for
 * what it says. An outage, a lost key or a token that was taken back is no reason to give up: somebody will mend it.
 */
function waitAfter(
  { failures }: TakenCard,
  error: unknown,
): { readonly waitMs: number; readonly placeWaitMs: number; readonly gaveUp: string | null } {
  const backoffMs = Math.min(60_000, 500 * 2 ** Math.min(failures, 10))
  if (error instanceof Fault && error.retryable) {
    return { waitMs: 0, placeWaitMs: Math.max(error.retryAfterMs ?? backoffMs, leastWaitMs), gaveUp: null }
  }
  const isBad = !(error instanceof Fault) || error.code === 'VALIDATION_ERROR'
  const gaveUp = isBad && failures + 1 >= triesOfBad ? sayError(error).slice(0, 500) : null
  return { waitMs: backoffMs, placeWaitMs: 0, gaveUp }
}

const sayError = (error: unknown): string => (error instanceof Error ? error.message : String(error))

function send(board: Board, card: Addressed, drawing: Omit<Post, 'under'>): Promise<Place> {
  const isNew = card.place === null
  const post = {
    lines: drawing.lines,
    links: drawing.links ?? [],
    buttons: drawing.buttons,
    under: card.root,
    isLoud: drawing.isLoud && isNew && !card.isQuiet,
  }
  return isNew ? board.post(card.address, post) : board.edit(card.address, card.place, post)
}

function drawingOf(run: RunCard, { kind, subject, topic, notedGate, key }: TakenCard) {
  const gate = run.gates.find(({ gateId }) => gateId === subject)
  switch (kind) {
    case 'run':
      return drawRun(run, key)
    case 'gate':
      return gate ? drawGate(gate, key) : null
    case 'receipt':
      return gate ? drawReceipt(gate, key) : null
    case 'note':
      return drawNote(run, topic ?? '', notedGate)
  }
}
