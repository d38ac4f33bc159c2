import { z } from 'zod'
import { roles } from '../model/plan.ts'

const role = z.enum(roles as unknown as [(typeof roles)[number]])

/** Roles as a column of rows holds them. */
export const roleList = z.array(role)

/** What `heldRoles` selects. */
export const held = { roles: roleList, lent: z.array(z.object({ role, inPlaceOf: z.string() })) }

/**
 * Two columns: the roles that person `p` of a statement may use now, those of people they stand in for included, and which
 * of them only so, with whose they are.
 */
export const heldRoles = `array(
    select r.role from app.actor_roles r where r.actor_id = p.id and r.revoked_at is null
    union
    select r.role from app.delegations d join app.actor_roles r on r.actor_id = d.from_actor
    where d.to_actor = p.id and d.until > app.clock_now() and r.revoked_at is null
      and r.role in ('operator', 'approver')
    order by 1) as roles,
  coalesce((
    select jsonb_agg(jsonb_build_object('role', r.role, 'inPlaceOf', d.from_actor) order by d.from_actor, r.role)
    from app.delegations d join app.actor_roles r on r.actor_id = d.from_actor
    where d.to_actor = p.id and d.until > app.clock_now() and r.revoked_at is null
      and r.role in ('operator', 'approver')
      and not exists (select from app.actor_roles own
        where own.actor_id = p.id and own.role = r.role and own.revoked_at is null)), '[]') as lent`
