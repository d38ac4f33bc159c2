import { Fault } from '../model/problem.ts'
import type { Executor } from './database.ts'
import type { RoleState } from './role.ts'
import { appRole, readRole } from './role.ts'

/**
 * Throws a Fault when sessions that shall act as `appRole` do not, or when it may do more than the program needs: a
 * defect of ours must then be stopped by the database. Where the login cannot become the role (null) nothing is asked.
 */
export async function assertRole(executor: Executor, role: string | null): Promise<void> {
  if (role === null) return
  const [state] = await executor.run(readRole, { role: appRole })
  const problems = state === undefined ? ['The server does not say who we are.'] : problemsOfRole(state)
  if (problems.length > 0)
    throw new Fault({ code: 'PRECONDITION_FAILED', message: problems.join(' '), retryable: false })
}

/** One sentence, with what an administrator runs, for each thing that the acting role must not be able to do. */
export function problemsOfRole(state: RoleState): string[] {
  if (state.acting !== appRole)
    return [
      `Sessions act as ${state.acting} instead of ${appRole}, because a pooler before the database drops their start-up options: let DATABASE_URL lead straight to the server.`,
    ]
  const problems: string[] = []
  const powers = attributes.filter(([field]) => state[field]).map(([, name]) => name)
  if (powers.length > 0)
    problems.push(
      `The role ${appRole} has ${powers.join(', ')}: run ALTER ROLE ${appRole} ${powers.map((name) => `NO${name}`).join(' ')}.`,
    )
  if (state.makesTablesIn.length > 0)
    problems.push(
      `The role ${appRole} may make tables in ${state.makesTablesIn.join(', ')}: run REVOKE CREATE ON SCHEMA ${state.makesTablesIn.join(', ')} FROM ${appRole}, PUBLIC.`,
    )
  if (state.rewrites.length > 0)
    problems.push(
      `The role ${appRole} may rewrite ${state.rewrites.join(', ')}: run REVOKE UPDATE, DELETE, TRUNCATE ON ${state.rewrites.join(', ')} FROM ${appRole}, PUBLIC.`,
    )
  return problems
}

const attributes = [
  ['isSuperuser', 'SUPERUSER'],
  ['bypassesRowSecurity', 'BYPASSRLS'],
  ['makesRoles', 'CREATEROLE'],
  ['makesDatabases', 'CREATEDB'],
] as const

/** Why the program acts as its login, with what an administrator runs to change that. */
export function whyAsLogin({ login, exists }: RoleState): string {
  const make = exists ? '' : `CREATE ROLE ${appRole} NOLOGIN; `
  return `acts as ${login}, who may change anything: have an administrator run ${make}GRANT ${appRole} TO ${login}; and start again`
}
