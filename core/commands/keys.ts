import { createHash, randomBytes } from 'node:crypto'
import type { Actor } from '../model/actor.ts'
import { pseudonymOf } from '../model/actor.ts'
import type { Result } from '../model/problem.ts'
import { accepted, refused } from '../model/problem.ts'
import { insertKey, listKeys, revokeKey } from '../store/api-key.ts'
import type { AuditDraft } from '../store/audit.ts'
import { appendAudit } from '../store/audit.ts'
import type { Database } from '../store/database.ts'
import { uuidv7 } from '../store/uuid.ts'
import type { Command, Reply } from './command.ts'

type KeyCommand = Extract<Command, { kind: 'key' }>

/** Makes a key that acts for its maker, lists keys, or ends one. A secret is kept as its hash only. */
export async function manageKeys(db: Database, actor: Actor, command: KeyCommand): Promise<Result<Reply>> {
  switch (command.verb) {
    case 'add':
      return addKey(db, actor, command)
    case 'list': {
      const rows = await db.run(listKeys, { most: 100 })
      return accepted({
        kind: 'keys',
        keys: rows.map(({ ownerId, ...row }) => ({ ...row, owner: pseudonymOf(ownerId) })),
      })
    }
    case 'revoke':
      return endKey(db, actor, command.name)
  }
}

async function addKey(db: Database, actor: Actor, { name: label, scopes }: KeyCommand): Promise<Result<Reply>> {
  if (label.length > 80) return refused('invalid_input', 'A label has 80 characters at most.', 'Choose a shorter one.')
  const id = uuidv7()
  // 256 random bits: nobody guesses one, so a plain hash is all that its keeping needs.
  const secret = `qpk_${randomBytes(32).toString('base64url')}`
  await db.transaction(async (tx) => {
    await tx.run(insertKey, { id, owner: actor.id, label, scopes: [...scopes], sha256: hashOfKey(secret) })
    await appendAudit(tx, [entry(actor.id, 'key.add', id, { scopes: [...scopes] })])
  })
  return accepted({ kind: 'key_made', id, label, secret })
}

async function endKey(db: Database, actor: Actor, id: string): Promise<Result<Reply>> {
  const unknown = refused('not_found', `There is no key ${id} that could be revoked.`, 'See /key list.')
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return unknown
  return db.transaction(async (tx) => {
    const [ended] = await tx.run(revokeKey, { id })
    if (!ended) return unknown
    await appendAudit(tx, [entry(actor.id, 'key.revoke', id, {})])
    return accepted<Reply>({ kind: 'key_revoked', id, label: ended.label })
  })
}

/** What is kept of a key, and what it is found by. */
export const hashOfKey = (secret: string): string => createHash('sha256').update(secret).digest('hex')

const entry = (actorId: string, action: string, id: string, detail: AuditDraft['detail']): AuditDraft => ({
  actorId,
  action,
  runId: null,
  correlationId: null,
  target: `key:${id}`,
  contentSha256: null,
  detail,
})
