import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openKeyFiles } from '../../adapters/key-files/key-files.ts'
import type { Connection } from '../../core/store/database.ts'
import { openPeople } from '../../core/store/keyring.ts'
import type { People } from '../../core/store/people.ts'

/** The folder that holds the keys of a test's database. */
export const keysOf = (database: string): string => join(tmpdir(), `qp-keys-${database}`)

/** The people of a test's database; whoever drops it removes the keys with `forgetKeys`. */
export const peopleOf = (connection: Connection & { readonly database: string }, dir?: string): Promise<People> =>
  openPeople(connection, openKeyFiles(dir ?? keysOf(connection.database)))

export const forgetKeys = (database: string): Promise<void> => rm(keysOf(database), { recursive: true, force: true })
