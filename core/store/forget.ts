import type { Json } from '../model/json.ts'
import { systemActor } from '../model/actor.ts'
import { lockPeople } from './actor.ts'
import type { AuditDraft } from './audit.ts'
import { appendAudit } from './audit.ts'
import type { Database } from './database.ts'
import {
  closePlaces,
  endRights,
  finishErasure,
  listErasures,
  listReturned,
  listSelves,
  removeErased,
  repeatErasure,
} from './erasure.ts'
import type { People } from './people.ts'

/** Destroys the keys first: from then on nothing that is left can be read. May run twice, and from the beginning. */
export async function forget(db: Database, people: People, id: string): Promise<void> {
  const actors = (await db.run(listSelves, { actor: id })).map((self) => self.id)
  for (const each of actors) await people.forget(each)
  await db.transaction(async (tx) => {
    await tx.run(lockPeople, {})
    await tx.run(closePlaces, { actors })
    await tx.run(removeErased, {})
    const [done] = await tx.run(finishErasure, { actor: id })
    if (done) await appendAudit(tx, [erasureEntry(done.askedBy, 'person.erased', id)])
  })
}

/** Finishes every erasure that was asked for and broke off; answers with how many. Every process does this when it starts. */
export async function finishErasures(db: Database, people: People): Promise<number> {
  const open = await db.run(listErasures, {})
  for (const { actorId } of open) await forget(db, people, actorId)
  return open.length
}

const atOnce = 1_000

/**
 * Forgets again whoever a restored backup of the database has brought back: the folder of keys knows whose key was
 * destroyed. Their roles and keys end before anything else. Answers with how many they were. May run twice, and at once.
 */
export async function repeatErasures(db: Database, people: People): Promise<number> {
  const forgotten = await people.forgotten()
  let repeated = 0
  for (let first = 0; first < forgotten.length; first += atOnce) {
    const subjects = forgotten.slice(first, first + atOnce)
    for (const { id } of await db.run(listReturned, { subjects })) {
      await askAgain(db, id)
      await forget(db, people, id)
      repeated++
    }
  }
  return repeated
}

const askAgain = (db: Database, id: string): Promise<void> =>
  db.transaction(async (tx) => {
    await tx.run(lockPeople, {})
    const [asked] = await tx.run(repeatErasure, { actor: id, by: systemActor })
    if (!asked) return
    const actors = (await tx.run(listSelves, { actor: id })).map((self) => self.id)
    await tx.run(endRights, { actors })
    await appendAudit(tx, [
      erasureEntry(systemActor, 'person.erase', id, { because: 'their key was destroyed before' }),
    ])
  })

/** What the audit says of a person's data: who asked for what, and whose it was by their id. */
export const erasureEntry = (
  actorId: string,
  action: string,
  subject: string,
  detail: { readonly [key: string]: Json } = {},
): AuditDraft => ({
  actorId,
  action,
  runId: null,
  correlationId: null,
  target: `actor:${subject}`,
  contentSha256: null,
  detail,
})
