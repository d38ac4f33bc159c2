import { createHash, randomInt } from 'node:crypto'
import type { Actor } from '../model/actor.ts'
import { pseudonymOf, systemActor } from '../model/actor.ts'
import type { Role } from '../model/plan.ts'
import type { Result } from '../model/problem.ts'
import { accepted, refused } from '../model/problem.ts'
import {
  countAdmins,
  delegate,
  grantRole,
  hasAdmin,
  insertActor,
  joinActors,
  listPeople,
  lockPeople,
  revokeRole,
} from '../store/actor.ts'
import type { AuditDraft } from '../store/audit.ts'
import { appendAudit } from '../store/audit.ts'
import type { Database, Executor } from '../store/database.ts'
import { insertLinkCode, useLinkCode } from '../store/link-code.ts'
import type { Registry } from '../store/people.ts'
import { erased } from '../store/people.ts'
import { uuidv7 } from '../store/uuid.ts'
import type { Command, Reply } from './command.ts'
import type { Desk } from './desk.ts'

type Link = Extract<Command, { kind: 'link' }>
type Delegate = Extract<Command, { kind: 'delegate' }>
type ActorCommand = Extract<Command, { kind: 'actor' }>

/** How long a code is good for. */
const codeLifeMs = 15 * 60_000

/** What the first admin may do. */
const firstRoles: readonly Role[] = ['operator', 'approver', 'admin']

/** Joins accounts of one person: without a code it makes one, with a code it uses it up. Codes are kept as hashes only. */
export async function link(db: Database, actor: Actor, { code }: Link): Promise<Result<Reply>> {
  return code === null ? offer(db, { actor: actor.id, roles: [] }) : redeem(db, actor, code)
}

/** A code that makes whoever says it the first admin; null when there is one already. */
export async function offerFirstAdmin(db: Database): Promise<string | null> {
  const [row] = await db.run(hasAdmin, {})
  if (row?.hasAdmin) return null
  const made = await offer(db, { actor: null, roles: firstRoles })
  return made.ok && made.value.kind === 'link_code' ? made.value.code : null
}

type Offer = { readonly actor: string | null; readonly roles: readonly Role[] }

async function offer(db: Executor, { actor, roles }: Offer): Promise<Result<Reply>> {
  const code = newCode()
  const [made] = await db.run(insertLinkCode, { sha256: hashOfCode(code), actor, roles: [...roles], forMs: codeLifeMs })
  return accepted({
    kind: 'link_code',
    code,
    expiresAt: made?.expiresAt ?? null,
    for: actor ? pseudonymOf(actor) : null,
  })
}

async function redeem(db: Database, actor: Actor, code: string): Promise<Result<Reply>> {
  return db.transaction(async (tx) => {
    await tx.run(lockPeople, {})
    const [used] = await tx.run(useLinkCode, { sha256: hashOfCode(code), actor: actor.id })
    if (!used) {
      return refused(
        'not_found',
        'This code is wrong, used or too old.',
        'Get a new one with /link where you are known.',
      )
    }
    return used.actorId === null ? becomeFirst(tx, actor, used.roles) : join(tx, actor, used.actorId)
  })
}

async function becomeFirst(tx: Executor, actor: Actor, roles: readonly Role[]): Promise<Result<Reply>> {
  const [admin] = await tx.run(hasAdmin, {})
  if (actor.roles.includes('admin')) return accepted({ kind: 'linked', roles: actor.roles })
  if (admin?.hasAdmin) return refused('wrong_state', 'There is an admin already.', 'Ask them for a role.')
  for (const role of roles) await tx.run(grantRole, { actor: actor.id, role })
  await appendAudit(tx, [entry(systemActor, 'role.grant', actor.id, { roles: [...roles], because: 'first admin' })])
  return accepted({ kind: 'linked', roles })
}

async function join(tx: Executor, actor: Actor, to: string): Promise<Result<Reply>> {
  if (actor.id === to) return accepted({ kind: 'linked', roles: actor.roles })
  if (actor.roles.length > 0) {
    return refused(
      'wrong_state',
      `This account has roles of its own: ${actor.roles.join(', ')}.`,
      'Say /link here without a code, and use that code at the other account.',
    )
  }
  await tx.run(joinActors, { from: actor.id, to })
  await appendAudit(tx, [entry(to, 'account.link', actor.id, { surface: actor.surface })])
  const people = await tx.run(listPeople, {})
  return accepted({ kind: 'linked', roles: people.find(({ id }) => id === to)?.roles ?? [] })
}

/** Lists people, adds one with a code to hand over, or changes roles. */
export async function manageActors(desk: Office, actor: Actor, command: ActorCommand): Promise<Result<Reply>> {
  switch (command.verb) {
    case 'list':
      return accepted({ kind: 'people', people: (await everybody(desk)).map(personLine) })
    case 'add':
      return addPerson(desk.db, actor, command.grant)
    case 'role':
      return changeRoles(desk, actor, command)
  }
}

async function addPerson(db: Database, actor: Actor, roles: readonly Role[]): Promise<Result<Reply>> {
  return db.transaction(async (tx) => {
    const id = uuidv7()
    await tx.run(insertActor, { actor: id })
    for (const role of roles) await tx.run(grantRole, { actor: id, role })
    const code = await offer(tx, { actor: id, roles: [] })
    await appendAudit(tx, [entry(actor.id, 'role.grant', id, { roles: [...roles], because: 'added' })])
    return code
  })
}

async function changeRoles(
  { db, people }: Office,
  actor: Actor,
  { who, grant, revoke }: ActorCommand,
): Promise<Result<Reply>> {
  return db
    .transaction(async (tx) => {
      await tx.run(lockPeople, {})
      const found = await findPerson({ db: tx, people }, who)
      if (!found.ok) return found
      const person = found.value
      for (const role of grant) await tx.run(grantRole, { actor: person.id, role })
      for (const role of revoke) await tx.run(revokeRole, { actor: person.id, role })
      const [left] = await tx.run(countAdmins, {})
      if (left?.admins === 0) throw new LastAdmin()
      await appendAudit(tx, [entry(actor.id, 'role.change', person.id, { granted: [...grant], revoked: [...revoke] })])
      const roles = [...new Set([...person.roles, ...grant])].filter((role) => !revoke.includes(role))
      return accepted<Reply>({ kind: 'people', people: [personLine({ ...person, roles })] })
    })
    .catch((error: unknown) => {
      if (!(error instanceof LastAdmin)) throw error
      return refused('wrong_state', 'That would leave nobody who may administer.', 'Make somebody else admin first.')
    })
}

/** Lets somebody decide in one's place for a while, under their own name. */
export async function standIn({ db, people }: Office, actor: Actor, { who, hours }: Delegate): Promise<Result<Reply>> {
  return db.transaction(async (tx) => {
    const found = await findPerson({ db: tx, people }, who)
    if (!found.ok) return found
    const { id, label } = found.value
    if (id === actor.id) return refused('usage', 'You act for yourself already.', 'Name somebody else.')
    const [row] = await tx.run(delegate, { from: actor.id, to: id, forMs: hours * 3_600_000 })
    await appendAudit(tx, [entry(actor.id, 'role.delegate', id, { hours })])
    return accepted<Reply>({ kind: 'delegated', label, until: hours === 0 ? null : (row?.until ?? null) })
  })
}

/** Everybody with what they are called. */
async function everybody({ db, people }: Registry): Promise<Person[]> {
  const rows = await db.run(listPeople, {})
  const ids = rows.map(({ id }) => id)
  const labels = await people.labelsOf(db, ids)
  return rows.map((row) => ({ ...row, label: labels.get(row.id) ?? (row.isErased ? erased : '(no account yet)') }))
}

/** The one person somebody means by a name, a pseudonym or an id. */
export async function findPerson(registry: Registry, who: string): Promise<Result<Person>> {
  const meant = (await everybody(registry)).filter(
    ({ id, label }) => pseudonymOf(id) === who || id === who || label === who,
  )
  const [person] = meant
  if (person && meant.length === 1) return accepted(person)
  const problem = person ? `${meant.length} people are called ${who}.` : `There is nobody called ${who}.`
  return refused('not_found', problem, 'Ask them for the name that /whoami shows, which begins with actor-.')
}

/** Thrown to undo what would leave nobody in charge. */
class LastAdmin extends Error {}

type Office = Pick<Desk, 'db' | 'people'>

type Person = {
  readonly id: string
  readonly label: string
  readonly roles: readonly Role[]
  readonly surfaces: readonly string[]
}

const personLine = ({ id, label, roles, surfaces }: Person) => ({ pseudonym: pseudonymOf(id), label, roles, surfaces })

const entry = (actorId: string, action: string, target: string, detail: AuditDraft['detail']): AuditDraft => ({
  actorId,
  action,
  runId: null,
  correlationId: null,
  target: `actor:${target}`,
  contentSha256: null,
  detail,
})

/** No i, l, o, u, 0 or 1: read aloud and typed on a phone without a mistake. */
const letters = 'ABCDEFGHJKMNPQRSTVWXYZ23456789'

/** A word to say once: eight letters and digits, 2^39 of them. */
export function newCode(): string {
  const text = Array.from({ length: 8 }, () => letters[randomInt(letters.length)]).join('')
  return `${text.slice(0, 4)}-${text.slice(4)}`
}

/** What is kept of a code, however it is typed. */
export const hashOfCode = (code: string): string =>
  createHash('sha256')
    .update(code.toUpperCase().replaceAll(/[^A-Z0-9]/g, ''))
    .digest('hex')
