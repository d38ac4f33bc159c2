import type { Actor } from '../model/actor.ts'
import { appendAudit, findDenial, lockDenials } from '../store/audit.ts'
import type { Executor } from '../store/database.ts'
import { reopenDestination, subscribeHome } from '../store/destination.ts'
import { lockPeople } from '../store/actor.ts'
import { uuidv7 } from '../store/uuid.ts'
import type { Desk } from './desk.ts'

/** An account of a network, and the place its holder writes from. */
export type Visitor = {
  readonly surface: string
  readonly account: string
  readonly label: string
  readonly address: string
  readonly isPrivate: boolean
}

type Lobby = Pick<Desk, 'db' | 'people'>

/** The person behind an account and the place they write from, both made at first sight. Whoever is new may do nothing yet. */
export async function greet(desk: Lobby, visitor: Visitor): Promise<Actor> {
  const { db, people } = desk
  const { surface, address } = visitor
  const [person, place] = await Promise.all([people.find(db, visitor), people.findPlace(db, surface, address)])
  if (!person || !place) return meet(desk, visitor)
  const owner = visitor.isPrivate ? person.actorId : null
  if (place.state === 'closed' || place.actorId !== owner)
    await db.run(reopenDestination, { id: place.id, actor: owner })
  const { actorId: id, roles, lent, label } = person
  return { id, roles, lent, label, surface, at: place.id }
}

async function meet(desk: Lobby, visitor: Visitor): Promise<Actor> {
  const { db, people } = desk
  const { surface, address, isPrivate } = visitor
  await db.transaction(async (tx) => {
    await tx.run(lockPeople, {})
    const known = await people.find(tx, visitor)
    const actor = known?.actorId ?? uuidv7()
    if (!known) await people.insert(tx, actor, { ...visitor, label: onOneLine(visitor.label) })
    const place = await people.findPlace(tx, surface, address)
    if (!place) await people.insertPlace(tx, surface, { address, actor: isPrivate ? actor : null })
  })
  return greet(desk, visitor)
}

/** Names are shown within our sentences: one that holds line breaks or turns the direction of writing would leave them. */
const onOneLine = (label: string): string =>
  label
    .toWellFormed()
    .replaceAll(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu, ' ')
    .trim()

/**
 * Lets the place of a configuration hear of every run, until people there say otherwise. Where it was given up, it is tried again:
 * whoever starts this may have mended what was wrong with it.
 */
export async function follows({ db, people }: Lobby, surface: string, address: string): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.run(lockPeople, {})
    const known = await people.findPlace(tx, surface, address)
    const destination = known?.id ?? (await people.insertPlace(tx, surface, { address, actor: null }))
    if (known?.state === 'closed') await tx.run(reopenDestination, { id: known.id, actor: known.actorId })
    await tx.run(subscribeHome, { destination })
  })
}

/**
 * Counts what somebody tried who may not, and audits the first such try of each hour: whoever tries without end can
 * make neither the chain nor the time of its lock grow with it.
 */
export async function denyVisitor(desk: Lobby & Pick<Desk, 'onDenial'>, visitor: Visitor, why: string): Promise<void> {
  const { id } = await greet(desk, visitor)
  await denyActor(desk, { id, surface: visitor.surface }, why)
}

/** The same of somebody who is known. */
export async function denyActor(
  { db, onDenial }: Pick<Desk, 'db' | 'onDenial'>,
  { id, surface }: Pick<Actor, 'id' | 'surface'>,
  why: string,
): Promise<void> {
  onDenial?.(surface)
  const denial = { actor: id, why }
  if (await isNoted(db, denial)) return
  await db.transaction(async (tx) => {
    await tx.run(lockDenials, {})
    if (await isNoted(tx, denial)) return
    await appendAudit(tx, [
      {
        actorId: id,
        action: 'access.deny',
        runId: null,
        correlationId: null,
        target: `surface:${surface}`,
        contentSha256: null,
        detail: { why },
      },
    ])
  })
}

const isNoted = async (db: Executor, denial: { readonly actor: string; readonly why: string }): Promise<boolean> =>
  (await db.run(findDenial, denial)).length > 0
