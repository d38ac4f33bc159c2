import type { Actor } from '../model/actor.ts'
import type { Role } from '../model/plan.ts'
import { systemActor } from '../model/actor.ts'
import { appendAudit } from '../store/audit.ts'
import type { Database } from '../store/database.ts'
import { findAccount, grantRole, hasAdmin, insertAccount, lockPeople } from '../store/people.ts'
import { uuidv7 } from '../store/uuid.ts'

/** What the first person at this machine's terminal may do: whoever can read the database's files can do it all anyway. */
const firstRoles: readonly Role[] = ['operator', 'approver', 'admin']

export type Account = { readonly surface: string; readonly account: string; readonly label: string }

/** The person behind a terminal account, made at first sight; the first one ever becomes admin, later ones may look. */
export async function signIn(db: Database, { surface, account, label }: Account): Promise<Actor> {
  const [known] = await db.run(findAccount, { surface, account })
  if (known) return { id: known.actorId, roles: known.roles, label: known.label, surface, at: null }
  await db.transaction(async (tx) => {
    await tx.run(lockPeople, {})
    const [made] = await tx.run(findAccount, { surface, account })
    if (made) return
    const actor = uuidv7()
    await tx.run(insertAccount, { actor, surface, account, label })
    const [admin] = await tx.run(hasAdmin, {})
    const roles = admin?.hasAdmin ? (['viewer'] as const) : firstRoles
    for (const role of roles) await tx.run(grantRole, { actor, role })
    await appendAudit(tx, [
      {
        actorId: systemActor,
        action: 'role.grant',
        runId: null,
        correlationId: null,
        target: `actor:${actor}`,
        contentSha256: null,
        detail: { roles, surface, because: admin?.hasAdmin ? 'new account' : 'first account' },
      },
    ])
  })
  return signIn(db, { surface, account, label })
}
