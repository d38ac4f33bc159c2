import { z } from 'zod'
import { Fault } from '../model/problem.ts'
import type { Connection } from './database.ts'
import { Database, sqlState } from './database.ts'
import { statement } from './statement.ts'

/** What the program acts as where its login may become it: `app.grant_to_app` says what that allows. */
export const appRole = 'qp_app'

const roleState = z.object({
  /** Quoted where SQL needs it. */
  login: z.string(),
  acting: z.string(),
  /** Whether `appRole` exists on the server. */
  exists: z.boolean(),
  /** Whether the login may become it. */
  mayBecome: z.boolean(),
  /** Whether it has its rights in this database; one that was made after the migrations has none. */
  isGranted: z.boolean(),
  isSuperuser: z.boolean(),
  bypassesRowSecurity: z.boolean(),
  makesRoles: z.boolean(),
  makesDatabases: z.boolean(),
  /** Schemas in which the acting role may make tables. */
  makesTablesIn: z.array(z.string()),
  /** Tables of history whose rows the acting role may change or remove. */
  rewrites: z.array(z.string()),
})

export type RoleState = z.infer<typeof roleState>

/** Who this session is, and what the acting role may do that the program needs not. */
export const readRole = statement({
  name: 'read_role',
  params: ['role'],
  row: roleState,
  sql: `
    select quote_ident(session_user) as login, me.rolname::text as acting, app.oid is not null as exists,
      coalesce(pg_has_role(session_user, app.oid,
        case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end), false)
        as may_become,
      coalesce(has_schema_privilege(app.oid, 'app', 'USAGE'), false) as is_granted,
      me.rolsuper as is_superuser, me.rolbypassrls as bypasses_row_security, me.rolcreaterole as makes_roles,
      me.rolcreatedb as makes_databases,
      array(select s.name from unnest(array['app', 'audit', 'pii']) s(name)
        where has_schema_privilege(s.name, 'CREATE')) as makes_tables_in,
      array(select t.name from unnest(array['app.events', 'app.attempts', 'app.votes', 'audit.entries']) t(name)
        where has_table_privilege(t.name, 'DELETE, TRUNCATE') or has_any_column_privilege(t.name, 'UPDATE')) as rewrites
    from pg_roles me left join pg_roles app on app.rolname = :role::text
    where me.rolname = current_user`,
})

const grantToApp = statement({
  name: 'grant_to_app',
  params: [],
  row: z.object({}),
  sql: `select from (select app.grant_to_app()) granted`,
})

/**
 * The role that the program's sessions shall act as, or null where the login cannot become it. A role that an
 * administrator has made since the migrations gets its rights here. The schema must be up to date.
 */
export async function chooseRole(connection: Connection): Promise<string | null> {
  const asLogin = new Database(connection, {
    name: 'quantapilot role',
    poolSize: 1,
    role: null,
    onIdleError: () => undefined,
  })
  try {
    const [state] = await asLogin.run(readRole, { role: appRole })
    if (!state?.mayBecome) return null
    if (!state.isGranted) await asLogin.run(grantToApp, {})
    return appRole
  } catch (error) {
    throw sqlState(error) === insufficientPrivilege ? notTheOwner(error) : error
  } finally {
    await asLogin.close()
  }
}

/** What removes runs for good: `app.grant_to_purger` says what that allows. */
export const purgerRole = 'qp_purger'

const grantToPurger = statement({
  name: 'grant_to_purger',
  params: [],
  row: z.object({}),
  sql: `select from (select app.grant_to_purger()) granted`,
})

/**
 * Whom to act as where runs are removed: `purgerRole`, or null for the login itself, where the whole program acts as
 * that. Undefined: this login may remove nothing. `owner` acts as the login.
 */
export async function choosePurger(owner: Database, acting: string | null): Promise<string | null | undefined> {
  const [state] = await owner.run(readRole, { role: purgerRole })
  if (!state?.mayBecome) return acting === null ? null : undefined
  if (!state.isGranted) await owner.run(grantToPurger, {})
  return purgerRole
}

const insufficientPrivilege = '42501'

const notTheOwner = (cause: unknown): Fault =>
  new Fault({
    code: 'PRECONDITION_FAILED',
    message: `The role ${appRole} has no rights in this database yet: run qp db up once with the DATABASE_URL of its owner.`,
    retryable: false,
    cause,
  })
