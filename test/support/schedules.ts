import { onTestFinished } from 'vitest'
import { openAnchorFile } from '../../adapters/key-files/anchor-file.ts'
import { openKeyFiles } from '../../adapters/key-files/key-files.ts'
import type { Hands, Schedule } from '../../cron/work.ts'
import { Database } from '../../core/store/database.ts'
import { People } from '../../core/store/people.ts'
import { appRole, purgerRole } from '../../core/store/role.ts'
import { keysOf } from './people.ts'
import type { TestDatabase } from './postgres.ts'

/** What the operator was told. */
export type Told = {
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** A process's access to a test database, as this role; closed after the test. */
export function openAs(database: TestDatabase, role: string | null): Database {
  const db = new Database(database.connection, { name: 'schedules', poolSize: 2, role, onIdleError: () => undefined })
  onTestFinished(() => db.close())
  return db
}

/** What schedules work with in a process of its own, each part as the role it has there. */
export function handsOn(database: TestDatabase, told: Told[] = []): Hands {
  return {
    db: openAs(database, appRole),
    owner: openAs(database, null),
    purger: openAs(database, purgerRole),
    retentionDays: 36_500,
    webhooks: null,
    people: new People(openKeyFiles(keysOf(database.connection.database))),
    anchors: openAnchorFile(keysOf(database.connection.database)),
    names: ['every-minute'],
    log: (level, message, fields) => void told.push({ level, message, fields }),
    signal: new AbortController().signal,
  }
}

/** A schedule of every minute that does this. */
export const everyMinute = (work: Schedule['work']): Schedule => ({
  name: 'every-minute',
  says: '',
  everyMs: 60_000,
  offsetMs: 0,
  boundMs: 30_000,
  work,
})

/** Statements that only schedules send; their deaths are the schedules' own test. */
export const isOfSchedules = (statement: string): boolean =>
  /^(purge_|(begin|bury|end)_ticks?$|remind_of_gates$|escalate_gates$|roll_up_costs$)/.test(statement)
