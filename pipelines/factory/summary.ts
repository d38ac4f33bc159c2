import { z } from 'zod'
import type { MadeEffect, StepContext, StepKind } from '../../core/pipeline.ts'
import { dollars } from '../../core/model/amount.ts'
import { counted } from '../../core/model/counted.ts'
import type { DecisionRecord } from '../../core/ports.ts'
import { idOf, merged, milestonesOutput } from './milestones/shapes.ts'
import { phaseOf } from './estimate.ts'
import { reversalWords } from './reversals.ts'
import { publishOutput, type ReadOutput, readOutput, writingOutput } from './shapes.ts'
import { sayAllUnlinted } from './unlinted.ts'

/** Last step: what was made, what it cost against the estimate, and how to undo it. */
export const summarize: StepKind = {
  timeoutMs: 60_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const read = await ctx.outputOf('read', readOutput)
    const anchor = await ctx.outputOf('anchor', writingOutput)
    const suite = await ctx.outputOf('suite', writingOutput)
    const published = await ctx.outputOf('publish', publishOutput)
    const spent = await ctx.spent()
    const text = [
      `# Run ${ctx.handle}`,
      '',
      `- Repository: ${read.snapshot.address}, branch ${read.snapshot.branch}, commit ${read.snapshot.commit}`,
      `- Author: ${read.author}`,
      ...[anchor, suite].flatMap(({ economies }) => economies.map((each) => `- Thrift: ${each}`)),
      ...[anchor, suite].flatMap(({ insteadOf }) =>
        insteadOf ? [`- Written without ${insteadOf.author}: ${insteadOf.why}`] : [],
      ),
      ...(await sayAllUnlinted(ctx)).map((each) => `- ${each}`),
      `- Documents: ${anchor.documents.length + suite.documents.length} on branch ${published.branch}, commit ${published.commit}`,
      ...(published.pullRequest ? [`- Pull request: ${published.pullRequest.url}`] : []),
      `- Requirements: ${anchor.requirementCount}; open questions: ${anchor.questions.length}`,
      `- Cost: ${dollars(spent.micros)}, ${counted(spent.tokens, 'token')}; estimated ${dollars(read.outlook.likelyMicros)}`,
      ...(await sayPhases(ctx, read)),
      ...(await sayMilestones(ctx)),
      '',
      '## Decisions',
      '',
      ...(await ctx.decisions()).map(sayDecision),
      '',
      '## Undo',
      '',
      `\`/undo ${ctx.handle}\` does all of this, newest first; what changes a default branch is asked before. By hand:`,
      '',
      ...(await ctx.effects())
        .filter(wasMade)
        .toReversed()
        .map((effect) => `- ${effect.kind} (${reversalWords[effect.reversal]}): \`${undoOf(effect)}\``),
      '',
    ].join('\n')
    const artifact = await ctx.save('summary.md', new TextEncoder().encode(text), 'text/markdown')
    return { kind: 'done', output: { branch: published.branch, commit: published.commit }, artifacts: [artifact] }
  },
}

/** A role and a pseudonym, never a name. */
const sayDecision = ({ gate, verdict, artifact, sha256, role, pseudonym, decidedOn }: DecisionRecord): string =>
  `- ${gate}: ${verdict.replace('_', ' ')} by ${role} ${pseudonym} on ${decidedOn}, ${artifact} (sha ${sha256.slice(0, 12)})`

/** Each phase against its estimate; left out where nothing was to cost anything. */
async function sayPhases(ctx: StepContext, { outlook }: ReadOutput): Promise<readonly string[]> {
  if (outlook.highMicros === 0) return []
  const costs = new Map<string, number>()
  for (const [step, { micros }] of Object.entries(await ctx.spentBySteps()))
    costs.set(phaseOf(step), (costs.get(phaseOf(step)) ?? 0) + micros)
  return outlook.phases.map(({ name, lowMicros, likelyMicros, highMicros }) => {
    const range = `${dollars(likelyMicros)} (${dollars(lowMicros)} to ${dollars(highMicros)})`
    return `  - ${name}: ${dollars(costs.get(name) ?? 0)}; estimated ${range}, from ${outlook.basis}`
  })
}

async function sayMilestones(ctx: StepContext): Promise<readonly string[]> {
  const planned = await ctx.findOutput('milestones', milestonesOutput)
  if (!planned?.milestones.length)
    return [`- Code milestones: not started, because ${planned?.instead ?? 'no coding agent is configured'}`]
  const lines: string[] = []
  for (const { id, title } of planned.milestones) {
    const done = await ctx.findOutput(idOf(id, 'merge'), merged)
    if (done) lines.push(`- ${id} ${title}: merged into ${done.into} as ${done.commit}; \`${done.undo}\` takes it back`)
  }
  return lines
}

/** Of a merge only its result says which commit to revert, and of an issue where it is. */
function undoOf({ kind, target, undo, result }: MadeEffect): string {
  const made = z.object({ commit: z.string() }).safeParse(result)
  const { method } = z.object({ method: z.string().optional() }).catch({}).parse(target)
  const opened = z.object({ url: z.string() }).safeParse(result)
  if (kind === 'issue' && opened.success) return `close ${opened.data.url}`
  return kind === 'merge' && made.success ? `git revert ${method === 'merge' ? '-m 1 ' : ''}${made.data.commit}` : undo
}

/** A merge that found its base moved has made nothing, nor has an issue that the host would not have. */
const wasMade = ({ result }: MadeEffect): boolean =>
  !z.union([z.object({ commit: z.null() }), z.object({ url: z.null() })]).safeParse(result).success
