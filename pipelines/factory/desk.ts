import { costlyPrompt } from '../../core/model/money-request.ts'
import type { StepContext, Within } from '../../core/pipeline.ts'
import type { AuthorDesk } from '../../core/ports.ts'
import { gatePolicy, type Policy } from './policy.ts'
import type { StepName } from './settings/shape.ts'

/** Whose work it is, as `steps` in quantapilot.yml names it; a milestone's is its own task, however many rounds it takes. */
type Work = { readonly step: StepName; readonly milestone: string | null }

/** A desk at which every call is held to what the project's own settings allow, besides the run's cap and the server's. */
export function deskFor(ctx: StepContext, policy: Policy, work: Work): AuthorDesk {
  const within = withinOf(policy, work)
  return {
    signal: ctx.signal,
    reserve: (amount, purpose) => ctx.reserve(amount, purpose, within),
    recall: (asked) => ctx.recall(asked),
    progress: (text) => ctx.progress(text),
  }
}

/** What the project's own settings allow its calls, and who may allow more. */
export function withinOf(policy: Policy, { step, milestone }: Work): Within {
  const { steps, limits } = policy.settings
  const tokens = (capTokens: number | undefined) => ({ capMicros: null, capTokens: capTokens ?? null })
  const own = tokens(steps?.find(({ name }) => name === step)?.tokens_budget)
  const caps = {
    // A milestone is the task of the step that implements it.
    ...(milestone === null ? { step: own } : { task: { ...own, name: milestone } }),
    projectDay: tokens(limits?.tokens_per_day),
  }
  const dear = limits?.costly_prompt_usd
  return {
    zone: limits?.time_zone ?? null,
    caps,
    raise: gatePolicy(policy, 'budget'),
    ...(dear === undefined
      ? {}
      : { costly: { micros: Math.round(dear * 1_000_000), policy: gatePolicy(policy, costlyPrompt) } }),
  }
}
