/** What is kept apart from the database, in one folder that its thief does not get with it. */

/**
 * Keys of 32 bytes, apart from the database: one for each subject of personal data, and one for looking accounts up. A
 * subject is a uuid. Of several processes that make the same key at once all get the same one.
 */
export interface KeyStore {
  /** Null once it was destroyed; throws PRECONDITION_FAILED when it is missing without having been. */
  get(subject: string): Promise<Uint8Array | null>
  /** The subject's key, made where there is none; throws PRECONDITION_FAILED when it was destroyed. */
  make(subject: string): Promise<Uint8Array>
  /** For good, and in every process within a minute; may be repeated. */
  destroy(subject: string): Promise<void>
  /** Every subject whose key was destroyed. Reads the whole folder: half a second for twenty thousand keys. */
  destroyed(): Promise<readonly string[]>
  /** The key of lookups; where it is missing it is made if it `mayMake`, or else PRECONDITION_FAILED is thrown. */
  lookup(mayMake: boolean): Promise<Uint8Array>
}

/** Where the audit's chain stood when it was last found whole: its latest entry, that entry's hash, and when. */
export type Anchor = { readonly seq: number; readonly hash: string; readonly at: Date }

/** The latest anchor of the audit, where nobody who may write the database can change it. */
export interface AnchorStore {
  /** What an operator finds it under. */
  readonly place: string
  /** Null where none was kept yet; throws PRECONDITION_FAILED when it cannot be read. */
  latest(): Promise<Anchor | null>
  /** One that is behind the one there changes nothing; may be repeated. */
  keep(anchor: Anchor): Promise<void>
}
