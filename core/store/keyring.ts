import { z } from 'zod'
import { assert, Fault } from '../model/problem.ts'
import type { KeyStore } from '../keys.ts'
import type { Connection, Executor } from './database.ts'
import { Database, sqlState } from './database.ts'
import { People } from './people.ts'
import { markOf } from './seal.ts'
import { statement } from './statement.ts'

const readKeyring = statement({
  name: 'read_keyring',
  params: [],
  row: z.object({ mark: z.instanceof(Buffer).nullable(), isPlain: z.boolean() }),
  sql: `select k.mark, k.is_plain from pii.keyring k where k.only_one`,
})

/** Says which keys this database belongs to; the first to say so is right. */
const markKeyring = statement({
  name: 'mark_keyring',
  params: ['mark'],
  row: z.object({}),
  sql: `update pii.keyring set mark = :mark::bytea where only_one and mark is null`,
})

const lockPlain = statement({
  name: 'seal_lock',
  params: [],
  row: z.object({}),
  sql: `select from (select pg_advisory_xact_lock(7081, 6)) sealing`,
})

const listPlainAccounts = statement({
  name: 'seal_list_accounts',
  params: [],
  row: z.object({
    surface: z.string(),
    account: z.string(),
    label: z.string(),
    actorId: z.string(),
    linkedAt: z.date(),
  }),
  sql: `select a.surface, a.account, a.label, a.actor_id, a.linked_at from pii.accounts a`,
})

const listPlainRemarks = statement({
  name: 'seal_list_remarks',
  params: [],
  row: z.object({ id: z.string(), actorId: z.string(), body: z.string().nullable() }),
  sql: `select m.id, m.actor_id, m.body from pii.remarks m where m.body is not null`,
})

const sealAccount = statement({
  name: 'seal_account',
  params: ['actor', 'lookup', 'surface', 'sealedAccount', 'sealedLabel', 'linkedAt'],
  row: z.object({}),
  sql: `
    insert into pii.identities (lookup, surface, actor_id, sealed_account, sealed_label, linked_at)
    values (:lookup::bytea, :surface::text, :actor::uuid, :sealedAccount::bytea, :sealedLabel::bytea,
      :linkedAt::timestamptz)`,
})

const sealRemark = statement({
  name: 'seal_remark',
  params: ['id', 'sealed'],
  row: z.object({}),
  sql: `update pii.remarks set sealed = :sealed::bytea where id = :id::uuid`,
})

const forgetPlainText = statement({
  name: 'seal_forget_plain_text',
  params: [],
  row: z.object({}),
  sql: `select from (select pii.forget_plain_text()) forgotten`,
})

const noteSealed = statement({
  name: 'seal_done',
  params: [],
  row: z.object({}),
  sql: `update pii.keyring set is_plain = false where only_one`,
})

/**
 * The people of a database with their keys. Throws a Fault when the keys are not this database's. What older versions
 * left in plain text is sealed first, once, whichever process comes first. The schema must be up to date.
 */
export async function openPeople(connection: Connection, keys: KeyStore): Promise<People> {
  const asLogin = new Database(connection, {
    name: 'quantapilot keys',
    poolSize: 1,
    role: null,
    onIdleError: () => undefined,
  })
  try {
    const isPlain = await matchKeys(asLogin, keys)
    const people = new People(keys)
    if (isPlain) await asLogin.transaction((tx) => sealPlainText(tx, people))
    return people
  } catch (error) {
    throw sqlState(error) === insufficientPrivilege ? notTheOwner(error) : error
  } finally {
    await asLogin.close()
  }
}

/** A lookup key that is not the first one's would find nobody, and make everybody a second time. */
async function matchKeys(db: Executor, keys: KeyStore): Promise<boolean> {
  const before = await keyringOf(db)
  const mark = markOf(await keys.lookup(before.mark === null), 'quantapilot')
  if (before.mark === null) await db.run(markKeyring, { mark })
  const now = before.mark === null ? await keyringOf(db) : before
  if (!now.mark?.equals(mark)) throw otherKeys()
  return now.isPlain
}

async function keyringOf(db: Executor) {
  const [keyring] = await db.run(readKeyring, {})
  assert(keyring, 'the database says nothing about its keys')
  return keyring
}

async function sealPlainText(tx: Executor, people: People): Promise<void> {
  await tx.run(lockPlain, {})
  // Whoever held the lock before has done it.
  if (!(await keyringOf(tx)).isPlain) return
  for (const { actorId: actor, linkedAt, ...account } of await tx.run(listPlainAccounts, {}))
    await tx.run(sealAccount, { actor, linkedAt, ...(await people.sealed(actor, account)) })
  for (const { id, actorId, body } of await tx.run(listPlainRemarks, {}))
    await tx.run(sealRemark, { id, sealed: await people.sealRemark(actorId, body ?? '') })
  await tx.run(forgetPlainText, {})
  await tx.run(noteSealed, {})
}

const insufficientPrivilege = '42501'

const otherKeys = (): Fault =>
  new Fault({
    code: 'PRECONDITION_FAILED',
    message:
      'The folder of keys belongs to another database, and nobody would be known with it: let QP_KEYS_DIR be the folder that every process of this database uses, or put that folder back from its backup.',
    retryable: false,
  })

const notTheOwner = (cause: unknown): Fault =>
  new Fault({
    code: 'PRECONDITION_FAILED',
    message:
      'Names of an older version are not sealed yet: run qp db up once with the DATABASE_URL of the owner of this database.',
    retryable: false,
    cause,
  })
