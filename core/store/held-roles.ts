import { z } from 'zod'
import { roles } from '../model/plan.ts'

/** Roles as a column of rows holds them. */
export const roleList = z.array(z.enum(roles as unknown as [(typeof roles)[number]]))

/** The roles that person `p` of a statement holds now, those of people they stand in for included. */
export const heldRoles = `array(
    select r.role from app.actor_roles r where r.actor_id = p.id and r.revoked_at is null
    union
    select r.role from app.delegations d join app.actor_roles r on r.actor_id = d.from_actor
    where d.to_actor = p.id and d.until > app.clock_now() and r.revoked_at is null
      and r.role in ('operator', 'approver')
    order by 1)`
