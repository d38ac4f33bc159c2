import { onTestFinished } from 'vitest'
import { CardRelay } from '../../bot/card-relay.ts'
import { Relay } from '../../bot/relay.ts'
import type { Board, Caller, Place, Post, Reception } from '../../bot/surface.ts'
import { cardOf } from '../../core/commands/show.ts'
import type { Role } from '../../core/model/plan.ts'
import type { People } from '../../core/store/people.ts'
import { uuidv7 } from '../../core/store/uuid.ts'
import { openReception } from '../../main/reception.ts'
import type { TestHouse } from './house.ts'
import { agreed } from './house.ts'

/** A network of the plainest kind: it keeps what is shown where, and how often it was written to. */
export class Wall implements Board {
  readonly name: string
  readonly paceMs = 0
  readonly posts = new Map<string, { address: string; post: Post; edits: number }>()
  /** What the next writes end in, before they have any effect. */
  fail: () => Error | null = () => null

  constructor(name: string) {
    this.name = name
  }

  post(address: string, post: Post): Promise<Place> {
    const error = this.fail()
    if (error) return Promise.reject(error)
    const message = `${this.posts.size + 1}`
    this.posts.set(message, { address, post, edits: 0 })
    return Promise.resolve({ message })
  }

  edit(address: string, place: Place, post: Post): Promise<Place> {
    const error = this.fail()
    if (error) return Promise.reject(error)
    const { message } = place as { readonly message: string }
    const before = this.posts.get(message)
    if (!before || before.address !== address) throw new Error(`there is no message ${message} at ${address}`)
    this.posts.set(message, { address, post, edits: before.edits + 1 })
    return Promise.resolve(place)
  }

  /** What is to be read at an address, oldest first. */
  read(address: string): readonly Post[] {
    return [...this.posts.values()].filter((shown) => shown.address === address).map((shown) => shown.post)
  }
}

export type Chats = {
  readonly reception: Reception
  readonly faults: unknown[]
  /** Somebody at a place of a network, doing one thing. */
  caller(surface: string, account: string, address?: string): Caller
  /** Shows all that is due. */
  settle(): Promise<void>
}

/** Networks around a house, with everything between them and the database as in the product; `people` opens addresses. */
export function openChats(house: TestHouse, walls: readonly Board[], people: People = house.desk.people): Chats {
  const faults: unknown[] = []
  const onFault = (_: string, error: unknown): void => void faults.push(error)
  const look = async (handle: string) => {
    const card = await cardOf(house.desk, handle)
    if (!card.ok) throw new Error(card.refusal.message)
    return card.value
  }
  const relay = new Relay({ db: house.db, listeners: [], onFault, onCards: () => undefined })
  const cards = new CardRelay({
    db: house.db,
    addressOf: (subject, sealed) => people.openAddress(subject, sealed),
    boards: walls,
    look,
    onFault,
  })
  onTestFinished(async () => {
    await relay.stop()
    await cards.stop()
  })
  return {
    reception: openReception(
      house.desk,
      () => undefined,
      () => undefined,
    ),
    faults,
    caller: (surface, account, address) => ({
      surface,
      account,
      label: account,
      address: address ?? `private ${account}`,
      isPrivate: address === undefined,
      deliveryId: uuidv7(),
    }),
    settle: async () => {
      await relay.drain()
      await cards.drain()
    },
  }
}

/** Gives a role to the person of that name. */
export async function give(house: TestHouse, label: string, role: Role): Promise<void> {
  const people = agreed(await house.ask({ kind: 'actor', verb: 'list', who: '', grant: [], revoke: [] }))
  const person = people.kind === 'people' ? people.people.find((one) => one.label === label) : undefined
  agreed(await house.ask({ kind: 'actor', verb: 'role', who: person?.pseudonym ?? '', grant: [role], revoke: [] }))
}
