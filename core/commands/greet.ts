import type { Actor } from '../model/actor.ts'
import { appendAudit } from '../store/audit.ts'
import type { Database } from '../store/database.ts'
import { findDestination, insertDestination, reopenDestination, subscribeHome } from '../store/destination.ts'
import { findAccount, insertAccount, lockPeople } from '../store/people.ts'
import { uuidv7 } from '../store/uuid.ts'

/** An account of a network, and the place its holder writes from. */
export type Visitor = {
  readonly surface: string
  readonly account: string
  readonly label: string
  readonly address: string
  readonly isPrivate: boolean
}

/** The person behind an account and the place they write from, both made at first sight. Whoever is new may do nothing yet. */
export async function greet(db: Database, visitor: Visitor): Promise<Actor> {
  const { surface, account, address } = visitor
  const [[person], [place]] = await Promise.all([
    db.run(findAccount, { surface, account }),
    db.run(findDestination, { surface, address }),
  ])
  if (!person || !place) return meet(db, visitor)
  const owner = visitor.isPrivate ? person.actorId : null
  if (place.state === 'closed' || place.actorId !== owner)
    await db.run(reopenDestination, { id: place.id, actor: owner })
  return { id: person.actorId, roles: person.roles, label: person.label, surface, at: place.id }
}

async function meet(db: Database, visitor: Visitor): Promise<Actor> {
  const { surface, account, label, address, isPrivate } = visitor
  await db.transaction(async (tx) => {
    await tx.run(lockPeople, {})
    const [known] = await tx.run(findAccount, { surface, account })
    const actor = known?.actorId ?? uuidv7()
    if (!known) await tx.run(insertAccount, { actor, surface, account, label })
    const [place] = await tx.run(findDestination, { surface, address })
    if (!place) await tx.run(insertDestination, { id: uuidv7(), surface, address, actor: isPrivate ? actor : null })
  })
  return greet(db, visitor)
}

/** Lets the place of a configuration hear of every run, until people there say otherwise. */
export async function follows(db: Database, surface: string, address: string): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.run(lockPeople, {})
    const [known] = await tx.run(findDestination, { surface, address })
    const destination = known?.id ?? uuidv7()
    if (!known) await tx.run(insertDestination, { id: destination, surface, address, actor: null })
    await tx.run(subscribeHome, { destination })
  })
}

/** Audits what somebody tried who cannot be a person of ours. */
export async function denyVisitor(db: Database, visitor: Visitor, why: string): Promise<void> {
  const { id } = await greet(db, visitor)
  await db.transaction((tx) =>
    appendAudit(tx, [
      {
        actorId: id,
        action: 'access.deny',
        runId: null,
        correlationId: null,
        target: `surface:${visitor.surface}`,
        contentSha256: null,
        detail: { why },
      },
    ]),
  )
}
