import type { Role } from './plan.ts'

/** The engine itself and unattended starters: no person, no cap. */
export const systemActor = '00000000-0000-7000-8000-000000000000'

/** A role that is not their own, and in whose place they have it: whoever holds it has lent it for a while. */
export type LentRole = { readonly role: Role; readonly inPlaceOf: string }

/** Somebody who asks for something: who they are, what they may do now, and where they ask. */
export type Actor = {
  readonly id: string
  readonly roles: readonly Role[]
  /** Which of the roles are lent, by whom, in an order that stays; a role of their own is not among them. */
  readonly lent: readonly LentRole[]
  /** What their own screen calls them. */
  readonly label: string
  readonly surface: string
  /** The chat or channel they ask in, by its id; null at a terminal. */
  readonly at: string | null
}

/** What documents call a person: stable, and no name. */
export const pseudonymOf = (actorId: string): string => `actor-${actorId.replaceAll('-', '').slice(-8)}`
