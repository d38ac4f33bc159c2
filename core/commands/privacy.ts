import { createHash } from 'node:crypto'
import type { Actor } from '../model/actor.ts'
import { pseudonymOf } from '../model/actor.ts'
import type { Json } from '../model/json.ts'
import type { Result } from '../model/problem.ts'
import { accepted, refused } from '../model/problem.ts'
import { countAdmins, lockPeople } from '../store/actor.ts'
import { appendAudit } from '../store/audit.ts'
import type { Executor } from '../store/database.ts'
import {
  endRights,
  exportAccounts,
  exportPlaces,
  exportRemarks,
  exportRows,
  findErasure,
  listSelves,
  noteErasure,
} from '../store/erasure.ts'
import { erasureEntry, forget } from '../store/forget.ts'
import type { People } from '../store/people.ts'
import type { Command, Reply } from './command.ts'
import type { Desk } from './desk.ts'
import { findPerson } from './people.ts'

type Privacy = Extract<Command, { kind: 'privacy' }>

type Office = Pick<Desk, 'db' | 'people'>

type Subject = { readonly id: string; readonly isAdmin: boolean }

/** Hands out what is kept of a person, or forgets them for good: for themselves, and by a data steward for others. */
export async function privacy(desk: Office, actor: Actor, command: Privacy): Promise<Result<Reply>> {
  const found = await subjectOf(desk, actor, command.who)
  if (!found.ok) return found
  if (command.verb === 'export') return exportPerson(desk, actor, found.value.id)
  const pseudonym = pseudonymOf(found.value.id)
  const [before] = await desk.db.run(findErasure, { actor: found.value.id })
  if (before?.doneAt) return accepted({ kind: 'erasure', stage: 'before', pseudonym })
  // Only the name that the question showed confirms it: nobody erases by a word in passing.
  if (!command.confirm || command.who !== pseudonym) return accepted({ kind: 'erasure', stage: 'asked', pseudonym })
  return erase(desk, actor, found.value)
}

async function subjectOf(desk: Office, actor: Actor, who: string | null): Promise<Result<Subject>> {
  const isAdmin = actor.roles.includes('admin')
  if (who === null || who === pseudonymOf(actor.id)) return accepted({ id: actor.id, isAdmin })
  if (!actor.roles.includes('data_steward')) {
    return refused(
      'not_allowed',
      'What is kept of other people is handed out and erased by a data steward.',
      'Leave the name away for yourself, or ask a data steward.',
    )
  }
  const person = await findPerson(desk, who)
  return person.ok ? accepted({ id: person.value.id, isAdmin: person.value.roles.includes('admin') }) : person
}

async function exportPerson({ db, people }: Office, actor: Actor, id: string): Promise<Result<Reply>> {
  const pseudonym = pseudonymOf(id)
  const text = await db.transaction(async (tx) => {
    const actors = (await tx.run(listSelves, { actor: id })).map((self) => self.id)
    const [rows] = await tx.run(exportRows, { actors })
    const sealed = await openSealed(tx, people, actors)
    await appendAudit(tx, [erasureEntry(actor.id, 'person.export', id)])
    return withPseudonyms({ person: pseudonym, ...sealed, ...withoutGaps(rows?.known ?? {}) })
  })
  const sha256 = createHash('sha256').update(text).digest('hex')
  return accepted({ kind: 'file', name: `${pseudonym}.json`, sha256, text })
}

async function openSealed(tx: Executor, people: People, actors: readonly string[]) {
  const accounts = await tx.run(exportAccounts, { actors })
  const places = await tx.run(exportPlaces, { actors })
  const remarks = await tx.run(exportRemarks, { actors })
  return {
    accounts: await Promise.all(
      accounts.map(async ({ surface, linkedAt, ...row }) => ({
        surface,
        ...(await people.openAccount(row)),
        linkedAt: linkedAt.toISOString(),
      })),
    ),
    places: await Promise.all(
      places.map(async ({ subject, sealed, ...row }) => ({
        address: await people.openAddress(subject, sealed),
        ...row,
      })),
    ),
    remarks: await Promise.all(
      remarks.map(async ({ id, subject, sealed, writtenAt }) => ({
        id,
        text: sealed && (await people.openRemark(subject, sealed)),
        writtenAt: writtenAt.toISOString(),
      })),
    ),
  }
}

/** Nothing of a kind is an empty list, so that a reader sees that it was looked for. */
const withoutGaps = (known: Readonly<Record<string, Json>>): Record<string, Json> =>
  Object.fromEntries(Object.entries(known).map(([kind, rows]) => [kind, rows ?? []]))

const anActor = /actor:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/g

/** Whoever else is in it is there as everywhere outside: by a pseudonym. */
function withPseudonyms(document: Readonly<Record<string, Json>>): string {
  const shown = new Set(['by', 'from', 'to'])
  const draw = (key: string, value: unknown): unknown =>
    typeof value === 'string' && shown.has(key) && isUuid(value) ? pseudonymOf(value) : value
  return JSON.stringify(document, draw, 2).replaceAll(anActor, (_, id: string) => pseudonymOf(id))
}

const isUuid = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)

async function erase({ db, people }: Office, actor: Actor, { id, isAdmin }: Subject): Promise<Result<Reply>> {
  const noted = await db
    .transaction(async (tx) => {
      await tx.run(lockPeople, {})
      const [fresh] = await tx.run(noteErasure, { actor: id, by: actor.id })
      await tx.run(endRights, { actors: (await tx.run(listSelves, { actor: id })).map((self) => self.id) })
      const [left] = await tx.run(countAdmins, {})
      if (isAdmin && left?.admins === 0) throw new LastAdmin()
      if (fresh) await appendAudit(tx, [erasureEntry(actor.id, 'person.erase', id)])
      return accepted(null)
    })
    .catch((error: unknown) => {
      if (!(error instanceof LastAdmin)) throw error
      return refused('wrong_state', 'Nobody would be left who may administer.', 'Make somebody else admin first.')
    })
  if (!noted.ok) return noted
  await forget(db, people, id)
  return accepted({ kind: 'erasure', stage: 'done', pseudonym: pseudonymOf(id) })
}

/** Thrown to undo what would leave nobody in charge. */
class LastAdmin extends Error {}
