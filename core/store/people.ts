import { z } from 'zod'
import type { KeyStore } from '../keys.ts'
import type { Actor } from '../model/actor.ts'
import type { Executor } from './database.ts'
import { findDestination, insertDestination } from './destination.ts'
import { held, heldRoles } from './held-roles.ts'
import { Seal } from './seal.ts'
import { statement } from './statement.ts'
import { uuidv7 } from './uuid.ts'

/** An account of a surface, and what its holder is called there. */
export type Account = { readonly surface: string; readonly account: string; readonly label: string }

type SealedAccount = {
  readonly subject: string
  readonly sealedAccount: Uint8Array
  readonly sealedLabel: Uint8Array
}

type PlaceDraft = { readonly address: string; readonly actor: string | null }

/** The person behind an account, with the roles held now. */
export type Person = Pick<Actor, 'label' | 'roles' | 'lent'> & { readonly actorId: string }

/** What is shown for somebody whose key was destroyed. */
export const erased = 'somebody erased'

/** Where personal data is read and written: names, accounts and words, sealed under the key of whose they are. */
export class People {
  readonly #seal: Seal

  constructor(keys: KeyStore) {
    this.#seal = new Seal(keys)
  }

  /** The person behind an account, or null; the label is that account's. */
  async find(db: Executor, { surface, account }: Omit<Account, 'label'>): Promise<Person | null> {
    const [row] = await db.run(findIdentity, { lookup: await this.#lookup(surface, account) })
    if (!row) return null
    const { actorId, subject, sealedLabel, roles, lent } = row
    const label = await this.#seal.open(subject, 'label', sealedLabel)
    // A restored backup may say otherwise until the erasure is repeated.
    return label === null ? { actorId, roles: [], lent: [], label: erased } : { actorId, roles, lent, label }
  }

  /** Makes a person with one account. */
  async insert(tx: Executor, actor: string, account: Account): Promise<void> {
    await tx.run(insertIdentity, { actor, ...(await this.sealed(actor, account)) })
  }

  /** What people are called, by id: at the terminal if they are there, else at their oldest account. One statement, none for nobody. */
  async labelsOf(db: Executor, ids: readonly (string | null)[]): Promise<ReadonlyMap<string, string>> {
    const actors = [...new Set(ids)].filter((id) => id !== null)
    if (actors.length === 0) return new Map()
    const rows = await db.run(listLabels, { actors })
    const labels = rows.map(
      async ({ id, subject, sealedLabel }) => [id, await this.#labelOf(subject, sealedLabel)] as const,
    )
    return new Map(await Promise.all(labels))
  }

  /** Keeps a person's words where they can be erased; answers with the id that all else knows. */
  async keepRemark(tx: Executor, actor: string, text: string): Promise<string> {
    const id = uuidv7()
    await tx.run(insertRemark, { id, actor, sealed: await this.#seal.seal(actor, 'remark', text) })
    return id
  }

  /** What somebody said with a decision; null once it was erased. */
  openRemark(actor: string, sealed: Uint8Array): Promise<string | null> {
    return this.#seal.open(actor, 'remark', sealed)
  }

  /** The place at an address of a surface, or null when nobody has written from there. */
  async findPlace(db: Executor, surface: string, address: string): Promise<z.infer<typeof findDestination.row> | null> {
    const [place] = await db.run(findDestination, { lookup: await this.addressLookup(surface, address) })
    return place ?? null
  }

  /** Makes a place; `actor` is whose private place it is, null where several people are. Answers with its id. */
  async insertPlace(tx: Executor, surface: string, { address, actor }: PlaceDraft): Promise<string> {
    const id = uuidv7()
    const subject = actor ?? id
    const lookup = await this.addressLookup(surface, address)
    const sealed = await this.#seal.seal(subject, 'address', address)
    await tx.run(insertDestination, { id, surface, actor, lookup, subject, sealed })
    return id
  }

  /** Where a place is; null once its person was erased. */
  openAddress(subject: string, sealed: Uint8Array): Promise<string | null> {
    return this.#seal.open(subject, 'address', sealed)
  }

  /** The same for the same request, in 64 hex digits; without the keys nobody can find out by guessing what it said. */
  async markRequest(text: string): Promise<string> {
    return (await this.#seal.lookup('request', text)).toString('hex')
  }

  /** An address that waits to be proven, under the key of whoever named it. */
  sealAddress(subject: string, address: string): Promise<Buffer> {
    return this.#seal.seal(subject, 'address', address)
  }

  /** A token that a network gave us, under a key of its own. */
  sealToken(subject: string, text: string): Promise<Buffer> {
    return this.#seal.seal(subject, 'token', text)
  }

  /** What `sealToken` sealed; null once its key was destroyed. */
  openToken(subject: string, sealed: Uint8Array): Promise<string | null> {
    return this.#seal.open(subject, 'token', sealed)
  }

  /** What a token is known by once it must not be kept. */
  tokenLookup(token: string): Promise<Buffer> {
    return this.#seal.lookup('token', token)
  }

  /** An account and its label as their holder knows them; null once they were erased. */
  async openAccount({ subject, sealedAccount, sealedLabel }: SealedAccount) {
    return {
      account: await this.#seal.open(subject, 'account', sealedAccount),
      label: await this.#seal.open(subject, 'label', sealedLabel),
    }
  }

  /** Destroys a key: nothing that it sealed can be read again, here at once and elsewhere within half a minute. */
  forget(actor: string): Promise<void> {
    return this.#seal.destroy(actor)
  }

  /** Whose key was destroyed, as the folder of keys knows them whatever the database says. */
  forgotten(): Promise<readonly string[]> {
    return this.#seal.destroyed()
  }

  /** An account as its row holds it. */
  async sealed(actor: string, { surface, account, label }: Account) {
    return {
      surface,
      lookup: await this.#lookup(surface, account),
      sealedAccount: await this.#seal.seal(actor, 'account', account),
      sealedLabel: await this.#seal.seal(actor, 'label', label),
    }
  }

  /** A text of an older version as its row holds it. */
  sealRemark(actor: string, text: string): Promise<Buffer> {
    return this.#seal.seal(actor, 'remark', text)
  }

  #lookup(surface: string, account: string): Promise<Buffer> {
    return this.#seal.lookup('account', JSON.stringify([surface, account]))
  }

  /** What an address of a surface is found by. */
  addressLookup(surface: string, address: string): Promise<Buffer> {
    return this.#seal.lookup('address', JSON.stringify([surface, address]))
  }

  async #labelOf(subject: string, sealedLabel: Uint8Array): Promise<string> {
    return (await this.#seal.open(subject, 'label', sealedLabel)) ?? erased
  }
}

/** The people of this process, beside the database they are in. */
export type Registry = { readonly db: Executor; readonly people: People }

const bytes = z.instanceof(Buffer)

/** The person behind an account of a surface, with the roles held now, those of people they stand in for included. */
const findIdentity = statement({
  name: 'find_identity',
  params: ['lookup'],
  row: z.object({
    actorId: z.string(),
    subject: z.string(),
    sealedLabel: bytes,
    ...held,
  }),
  sql: `
    select p.id as actor_id, i.actor_id as subject, i.sealed_label,
      ${heldRoles}
    from pii.identities i
    cross join lateral (
      select coalesce(x.same_as, x.id) as id from app.actors x where x.id = i.actor_id
    ) p
    where i.lookup = :lookup::bytea`,
})

/** Makes a person with one account. */
const insertIdentity = statement({
  name: 'insert_identity',
  params: ['actor', 'lookup', 'surface', 'sealedAccount', 'sealedLabel'],
  row: z.object({ actorId: z.string() }),
  sql: `
    with made as (
      insert into app.actors (id, kind) values (:actor::uuid, 'person') returning id
    )
    insert into pii.identities (lookup, surface, actor_id, sealed_account, sealed_label)
    select :lookup::bytea, :surface::text, made.id, :sealedAccount::bytea, :sealedLabel::bytea from made
    returning actor_id`,
})

/** The label of each of the given actors, from the account that is most their own. */
const listLabels = statement({
  name: 'list_labels',
  params: ['actors'],
  row: z.object({ id: z.string(), subject: z.string(), sealedLabel: bytes }),
  sql: `
    select wanted.id, label.actor_id as subject, label.sealed_label
    from unnest(:actors::uuid[]) wanted(id)
    cross join lateral (
      select i.actor_id, i.sealed_label from pii.identities i
      where i.actor_id = any(array(
        select wanted.id union all select a.id from app.actors a where a.same_as = wanted.id))
      order by i.surface <> 'terminal', i.linked_at, i.lookup
      limit 1
    ) label`,
})

const insertRemark = statement({
  name: 'insert_remark',
  params: ['id', 'actor', 'sealed'],
  row: z.object({}),
  sql: `insert into pii.remarks (id, actor_id, sealed) values (:id::uuid, :actor::uuid, :sealed::bytea)`,
})
