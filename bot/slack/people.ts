import { z } from 'zod'
import type { Api } from './api.ts'

/** Somebody as Slack knows them; `bar` says why they cannot be one of our people, null: they can. */
export type Person = { readonly label: string; readonly bar: string | null }

/** How long what Slack says of a person may be relied on. */
const freshMs = 60_000

const User = z.object({
  user: z.object({
    team_id: z.string().optional(),
    name: z.string().default(''),
    real_name: z.string().default(''),
    deleted: z.boolean().default(false),
    is_bot: z.boolean().default(false),
    is_restricted: z.boolean().default(false),
    is_ultra_restricted: z.boolean().default(false),
    is_stranger: z.boolean().default(false),
    profile: z.object({ display_name: z.string().default('') }).default({ display_name: '' }),
  }),
})

/** Who is who in the workspace, asked at most once a minute for each. */
export class People {
  readonly #api: Api
  readonly #known = new Map<string, { readonly person: Person; readonly atMs: number }>()

  constructor(api: Api) {
    this.#api = api
  }

  /** Throws a Fault where Slack does not say: nobody is let in on a guess. */
  async who(user: string, team: string): Promise<Person> {
    const self = await this.#api.self()
    if (team !== self.team) return { label: user, bar: 'a member of another workspace' }
    const known = this.#known.get(user)
    if (known && performance.now() - known.atMs < freshMs) return known.person
    const person = describe(await this.#api.call('users.info', { user }, User), self.team)
    if (this.#known.size >= 10_000) this.#known.clear()
    this.#known.set(user, { person, atMs: performance.now() })
    return person
  }
}

function describe({ user }: z.infer<typeof User>, team: string): Person {
  const label = (user.profile.display_name || user.real_name || user.name).slice(0, 80)
  const bars: readonly (readonly [boolean, string])[] = [
    [user.is_stranger || user.team_id !== team, 'a member of another workspace'],
    [user.is_bot, 'a bot'],
    [user.deleted, 'a deactivated account'],
    [user.is_restricted || user.is_ultra_restricted, 'a guest'],
  ]
  return { label, bar: bars.find(([holds]) => holds)?.[1] ?? null }
}
