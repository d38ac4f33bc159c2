import { z } from 'zod'
import type { MadeEffect, StepContext, StepKind } from '../../core/pipeline.ts'
import { idOf, merged, milestonesOutput } from './milestones/shapes.ts'
import { reversalWords } from './reversals.ts'
import { publishOutput, readOutput, writingOutput } from './shapes.ts'

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
      ...[anchor, suite].flatMap(({ insteadOf }) =>
        insteadOf ? [`- Written without ${insteadOf.author}: ${insteadOf.why}`] : [],
      ),
      `- Documents: ${anchor.documents.length + suite.documents.length} on branch ${published.branch}, commit ${published.commit}`,
      ...(published.pullRequest ? [`- Pull request: ${published.pullRequest.url}`] : []),
      `- Requirements: ${anchor.requirementCount}; open questions: ${anchor.questions.length}`,
      `- Cost: $${dollars(spent.micros)}, ${spent.tokens} tokens; estimated $${dollars(read.outlook.likelyMicros)}`,
      ...(await sayMilestones(ctx)),
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

/** Of a merge only its result says which commit to revert. */
function undoOf({ kind, target, undo, result }: MadeEffect): string {
  const made = z.object({ commit: z.string() }).safeParse(result)
  const { method } = z.object({ method: z.string().optional() }).catch({}).parse(target)
  return kind === 'merge' && made.success ? `git revert ${method === 'merge' ? '-m 1 ' : ''}${made.data.commit}` : undo
}

/** A merge that found its base moved has made nothing. */
const wasMade = ({ result }: MadeEffect): boolean => !z.object({ commit: z.null() }).safeParse(result).success

const dollars = (micros: number): string => (micros / 1_000_000).toFixed(2)
