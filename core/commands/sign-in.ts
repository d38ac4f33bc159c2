import type { Actor } from '../model/actor.ts'
import type { Role } from '../model/plan.ts'
import { systemActor } from '../model/actor.ts'
import { appendAudit } from '../store/audit.ts'
import type { Account } from '../store/people.ts'
import { grantRole, hasAdmin, lockPeople } from '../store/actor.ts'
import { uuidv7 } from '../store/uuid.ts'
import type { Desk } from './desk.ts'

/** What the first person at this machine's terminal may do: whoever can read the database's files can do it all anyway. */
const firstRoles: readonly Role[] = ['operator', 'approver', 'admin']

/** The person behind a terminal account, made at first sight; the first one ever becomes admin, later ones may look. */
export async function signIn(desk: Pick<Desk, 'db' | 'people'>, account: Account): Promise<Actor> {
  const { db, people } = desk
  const { surface } = account
  const known = await people.find(db, account)
  if (known) {
    const { actorId: id, roles, lent, label } = known
    return { id, roles, lent, label, surface, at: null }
  }
  await db.transaction(async (tx) => {
    await tx.run(lockPeople, {})
    if (await people.find(tx, account)) return
    const actor = uuidv7()
    await people.insert(tx, actor, account)
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
  return signIn(desk, account)
}
