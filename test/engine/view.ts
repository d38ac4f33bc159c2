import type { Run, World } from './model.ts'

/** A run as both sides show it, to be compared field by field. */
export type Seen = Omit<Run, 'plan' | 'recipe' | 'priority' | 'locked' | 'queuedAt' | 'deadlineAt'> & {
  readonly plan: readonly string[]
}

/** What a side has to show: its runs, and which rides are in a step's body. */
export type View = { readonly runs: readonly Seen[]; readonly rides: readonly string[] }

/** What the model expects to be seen. */
export const viewOf = (world: World): View => ({
  runs: world.runs.map((run) => seen(run)),
  rides: world.rides.map((ride) => ride.state),
})

function seen(run: Run): Seen {
  const { plan, recipe: _, priority: __, locked: ___, queuedAt: ____, deadlineAt: _____, ...rest } = run
  return { ...rest, plan: plan.map((item) => item.id) }
}
