import { z } from 'zod'
import type { Run } from '../model/run.ts'
import type { Executor } from './database.ts'
import { runColumns, runRow, runStates } from './run-row.ts'
import { statement } from './statement.ts'

/** One run by id, as it stands. */
export const readRun = statement({
  name: 'read_run',
  params: ['run'],
  row: runRow,
  sql: `
    select ${runColumns} from app.runs r join app.plans p on p.run_id = r.id and p.version = r.plan_version
    where r.id = :run::uuid`,
})

const lockRow = statement({
  name: 'lock_run',
  params: ['run'],
  row: z.object({ id: z.string() }),
  sql: `select r.id from app.runs r where r.id = :run::uuid for no key update`,
})

const lockRowByNumber = statement({
  name: 'lock_run_by_number',
  params: ['number'],
  row: z.object({ id: z.string() }),
  sql: `select r.id from app.runs r where r.number = :number::bigint for no key update`,
})

const readRunByNumber = statement({
  name: 'read_run_by_number',
  params: ['number'],
  row: runRow,
  sql: `
    select ${runColumns} from app.runs r join app.plans p on p.run_id = r.id and p.version = r.plan_version
    where r.number = :number::bigint`,
})

/**
 * One run by id, its row locked until the transaction ends; undefined when there is none. Runs are locked before gates,
 * budgets and the audit head. Locked first and read after: a statement that waited for the lock still sees the plans of
 * before, and would not find the row's new one.
 */
export async function lockRun(tx: Executor, run: string): Promise<Run | undefined> {
  const [, [row]] = await Promise.all([tx.run(lockRow, { run }), tx.run(readRun, { run })])
  return row
}

/** The same, by the number its handle stands for. */
export async function lockRunByNumber(tx: Executor, number: number): Promise<Run | undefined> {
  const [, [row]] = await Promise.all([tx.run(lockRowByNumber, { number }), tx.run(readRunByNumber, { number })])
  return row
}

/** Unconsumed signals of a run, oldest first. */
export const listSignals = statement({
  name: 'list_signals',
  params: ['run'],
  row: z.object({ id: z.string(), name: z.string(), payload: z.json() }),
  sql: `
    select s.id, s.name, s.payload from app.signals s
    where s.run_id = :run::uuid and s.consumed_at is null
    order by s.id`,
})

/** Keeps a signal, consumed already when it woke its run. */
export const insertSignal = statement({
  name: 'insert_signal',
  params: ['run', 'id', 'name', 'payload', 'consumed'],
  row: z.object({}),
  sql: `
    insert into app.signals (run_id, id, name, payload, consumed_at)
    values (:run::uuid, :id::uuid, :name::text, coalesce(:payload::jsonb, 'null'),
      case when :consumed::boolean then app.clock_now() end)`,
})

/** Whether a settled try is in history: the answer to a commit whose answer was lost. */
export const findAttempt = statement({
  name: 'find_attempt',
  params: ['run', 'position', 'attempt', 'fence'],
  row: z.object({ runId: z.string() }),
  sql: `
    select a.run_id from app.attempts a
    where a.run_id = :run::uuid and a.position = :position::integer and a.attempt = :attempt::integer
      and a.fence = :fence::bigint`,
})

/** Output of the last settled try of a step; no row when it has not been done. */
export const readOutput = statement({
  name: 'read_output',
  params: ['run', 'step'],
  row: z.object({ output: z.json() }),
  sql: `
    select a.output from app.attempts a
    where a.run_id = :run::uuid and a.step_id = :step::text and a.outcome = 'done'
    order by a.position desc, a.attempt desc
    limit 1`,
})

/** How the children of a run stand, oldest first. */
export const listChildren = statement({
  name: 'list_children',
  params: ['parent'],
  row: z.object({ id: z.string(), state: z.enum(runStates), reason: z.string().nullable() }),
  sql: `
    select c.id, c.state, c.reason from app.runs c
    where c.parent_id = :parent::uuid
    order by c.number`,
})
