import { z } from 'zod'
import { gatePolicy, runStates } from './run-row.ts'
import { statement } from './statement.ts'

/** The newest undo of what this key locks, whatever became of it. */
export const findUndo = statement({
  name: 'find_undo',
  params: ['lockKey'],
  row: z.object({ number: z.number(), state: z.enum(runStates) }),
  sql: `
    select r.number, r.state from app.runs r
    where r.lock_key = :lockKey::text and r.lock_key like 'undo:%'
    order by r.number desc
    limit 1`,
})

/** Policies of the plan gates that let a run go on, oldest first. */
export const listPassedPolicies = statement({
  name: 'list_passed_policies',
  params: ['run'],
  row: z.object({ policy: gatePolicy }),
  sql: `
    select g.policy from app.gates g
    where g.run_id = :run::uuid and g.kind = 'plan' and g.verdict = 'approved'
    order by g.opened_at, g.id`,
})
