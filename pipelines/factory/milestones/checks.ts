import type { Outcome } from '../../../core/model/outcome.ts'
import type { StepContext, StepKind } from '../../../core/pipeline.ts'
import type { CodeHost, Snapshot } from '../../../core/ports.ts'
import type { CommitCheck } from '../../../core/workshop.ts'
import {
  type Change,
  change,
  currentMilestone,
  idOf,
  type Judgement,
  judgement,
  type MilestonePorts,
  offered,
  type Workshop,
} from './shapes.ts'
import { sendBack } from './test.ts'

/** Asked again so often where no webhook says sooner that something changed. */
const pollMs = 30_000

type Asked = { readonly base: Snapshot; readonly commit: string }
type Waiting = { readonly outcome: Outcome; readonly checks: null }
type Known = { readonly outcome: null; readonly checks: readonly CommitCheck[] }

/**
 * What the code host's checks say of a commit, or the wait for them. Where none has reported, and the base branch requires
 * none, one wait is enough.
 */
export async function checksOf(
  ctx: StepContext,
  { codeHost, checks }: { readonly codeHost: CodeHost | null; readonly checks: Workshop['checks'] },
  { base, commit }: Asked,
): Promise<Waiting | Known> {
  if (!codeHost?.serves(base.address) || checks === null) return { outcome: null, checks: [] }
  const found = await checks.of(base.address, commit, ctx.signal)
  const { requiredChecks } = await codeHost.protection(base.address, base.branch, ctx.signal)
  const missing = requiredChecks.filter((name) => !found.some((check) => check.name === name))
  const failed = found.some(({ state }) => state === 'failure')
  const isOpen = missing.length > 0 || found.some(({ state }) => state === 'pending')
  const isSilent = found.length === 0 && ctx.resumed === null
  if (failed || (!isOpen && !isSilent)) return { outcome: null, checks: found }
  const wait = { kind: 'signal', name: `checks:${commit}`, timeoutMs: pollMs } as const
  return { outcome: { kind: 'wait', wait }, checks: null }
}

/** Waits for the checks of the change; what fails goes back to the agent. */
export const awaitChecks = (ports: MilestonePorts): StepKind => ({
  timeoutMs: 120_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const milestone = await currentMilestone(ctx)
    const made = await ctx.outputOf(idOf(milestone.id, 'implement'), change)
    const { commit } = await ctx.outputOf(idOf(milestone.id, 'publish'), offered)
    const { codeHost, workshop } = ports
    const asked = { base: made.base, commit }
    const { outcome, checks } = await checksOf(ctx, { codeHost, checks: workshop.checks }, asked)
    if (outcome) return outcome
    const reviewed = await ctx.outputOf(idOf(milestone.id, 'review'), judgement)
    const output = judgedBy(made, checks, reviewed)
    return output.passed ? { kind: 'done', output, verdict: 'passed' } : sendBack(milestone, 'checks', output)
  },
})

function judgedBy(made: Change, checks: readonly CommitCheck[], reviewed: Judgement): Judgement {
  const failed = checks.filter(({ state }) => state === 'failure')
  const names = failed.map(({ name, url }) => `${name}${url === null ? '' : ` (${url})`}`).join(', ')
  const facts = checks.length === 0 ? [] : [`${checks.length} checks of the code host passed`]
  return {
    patch: made.patch.sha256,
    passed: failed.length === 0,
    report: failed.length === 0 ? '' : `The code host’s checks failed: ${names}.`,
    facts: [...reviewed.facts, ...facts],
    risks: reviewed.risks,
  }
}
