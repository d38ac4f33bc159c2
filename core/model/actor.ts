import type { Role } from './plan.ts'

/** The engine itself and unattended starters: no person, no cap. */
export const systemActor = '00000000-0000-7000-8000-000000000000'

/** Somebody who asks for something: who they are, what they may do now, and where they ask. */
export type Actor = {
  readonly id: string
  readonly roles: readonly Role[]
  /** What their own screen calls them. */
  readonly label: string
  readonly surface: string
  /** The chat or channel they ask in, by its id; null at a terminal. */
  readonly at: string | null
}
