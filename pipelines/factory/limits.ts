import type { StepContext, StepKind, StepLimits } from '../../core/pipeline.ts'
import { withinOf } from './desk.ts'
import { agentTimeoutMs } from './milestones/implement.ts'
import { commandsTimeoutMs } from './milestones/test.ts'
import { pinnedPolicy, type Policy } from './policy.ts'
import { readOutput } from './shapes.ts'
import type { Settings } from './settings/settings.ts'
import type { StepName } from './settings/shape.ts'

/** By which entry of `steps` in quantapilot.yml a kind of step goes. */
type Entry = {
  /** Null: only what is said for every step holds it. */
  readonly step: StepName | null
  /** What `timeout_s` is the time of, where that is not the whole try: how long it is usually, or null for nothing in it. */
  readonly insideMs?: number | null
}

/** Reading the repository comes before its policy is known, and cleaning up is owed whatever it says: they are not here. */
export const entries: Readonly<Record<string, Entry>> = {
  anchor: { step: 'doc' },
  suite: { step: 'doc' },
  publish: { step: 'pr' },
  'docs-checks': { step: 'pr' },
  'docs-merge': { step: 'pr' },
  milestones: { step: 'plan' },
  'milestone-plan': { step: 'plan' },
  'milestone-implement': { step: 'impl', insideMs: agentTimeoutMs },
  'milestone-test': { step: 'test', insideMs: commandsTimeoutMs },
  'milestone-review': { step: 'test', insideMs: null },
  'milestone-publish': { step: 'pr' },
  'milestone-checks': { step: 'pr' },
  'milestone-merge': { step: 'pr' },
  'milestone-issues': { step: 'pr' },
  models: { step: null },
  'milestone-show': { step: null },
  'milestone-special': { step: null },
  summary: { step: null },
}

/** The step under the limits of its run's own settings. */
export function withLimits(name: string, kind: StepKind): StepKind {
  const entry = entries[name]
  if (entry === undefined) return kind
  const { step } = entry
  return {
    ...kind,
    limits: async (ctx) => limitsFor(kind, entry, (await policyOf(ctx)).settings),
    run: (ctx) => kind.run(step === null ? ctx : underBudget(ctx, step)),
  }
}

const policyOf = async (ctx: StepContext): Promise<Policy> =>
  await pinnedPolicy(ctx, await ctx.outputOf('read', readOutput))

/** What settings make of a kind's own limits. Where the file's time is that of something in the try, the rest keeps its own. */
export function limitsFor(
  { timeoutMs }: Pick<StepKind, 'timeoutMs'>,
  { step, insideMs }: Entry,
  { steps, limits }: Settings,
): StepLimits {
  const own = steps?.find(({ name }) => name === step)
  const retries = own?.retries ?? limits?.max_retries ?? null
  if (own?.timeout_s === undefined || insideMs === null) return { timeoutMs: null, retries }
  const besideMs = insideMs === undefined ? 0 : timeoutMs - insideMs
  return { timeoutMs: besideMs + own.timeout_s * 1_000, retries }
}

/** A call that says nothing of the project's own caps is held to them all the same. */
const underBudget = (ctx: StepContext, step: StepName): StepContext => ({
  ...ctx,
  reserve: async (amount, purpose, within) =>
    await ctx.reserve(amount, purpose, within ?? withinOf(await policyOf(ctx), { step, milestone: null })),
})
