import type { StepContext } from '../../core/pipeline.ts'
import type { AuthorDesk } from '../../core/ports.ts'
import type { Settings } from './settings/settings.ts'

/** Whose work it is, as `steps` in quantapilot.yml names it. */
type Work = { readonly step: 'doc' | 'impl' | 'test'; readonly milestone: string | null }

/** A desk at which every call is held to what the project's own settings allow, besides the run's cap and the server's. */
export function deskFor(ctx: StepContext, { steps, limits }: Settings, { step, milestone }: Work): AuthorDesk {
  const tokens = (capTokens: number | undefined) => ({ capMicros: null, capTokens: capTokens ?? null })
  const own = tokens(steps?.find(({ name }) => name === step)?.tokens_budget)
  const caps = {
    // A milestone is the task of the step that implements it, however many rounds that takes.
    ...(milestone === null ? { step: own } : { task: { ...own, name: milestone } }),
    projectDay: tokens(limits?.tokens_per_day),
  }
  return {
    signal: ctx.signal,
    reserve: (amount, purpose) => ctx.reserve(amount, purpose, { zone: limits?.time_zone ?? null, caps }),
  }
}
