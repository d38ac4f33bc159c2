import type { ArtifactRef } from '../../../core/model/outcome.ts'
import { roundOf } from '../../../core/model/plan.ts'
import type { StepContext } from '../../../core/pipeline.ts'
import { inert } from '../quiet.ts'
import { keepText } from './plan.ts'
import type { Milestone, Reviewed } from './shapes.ts'

const said = { met: 'met', not_met: '**not met**', cannot_tell: 'cannot tell' } as const

/** The judgement as people read it. Pure. */
export function sayReview({ id, criteria }: Milestone, round: number, { by, ...review }: Reviewed): string {
  return [
    `# Review of ${id}, round ${round}`,
    '',
    `By ${by}. These are a model’s words: they can send a change back, and decide nothing.`,
    '',
    '| Criterion | Judged | Why |',
    '| --- | --- | --- |',
    ...criteria.flatMap(({ text }, index) => {
      const found = review.criteria[index]
      return found ? [`| ${inert(text)} | ${said[found.verdict]} | ${inert(found.why)} |`] : []
    }),
    '',
    ...(review.leftOut.length === 0
      ? []
      : ['Not shown to it:', '', ...review.leftOut.map((each) => `- ${inert(each)}`), '']),
    review.bugs.length === 0 ? 'It found no bug beside the milestone.' : `Bugs beside the milestone: ${id}/bugs.md`,
    '',
  ].join('\n')
}

/** What a reviewer found beside the milestone, as people read it. Pure. */
export function sayBugs({ id }: Milestone, { by, bugs }: Reviewed): string {
  const found = bugs.flatMap((bug, index) => [
    `## ${index + 1}. ${inert(bug.title)}`,
    '',
    ...(bug.path === null ? [] : [`File: ${inert(bug.path)}`, '']),
    ...sayBody(bug),
    '',
  ])
  const none = found.length === 0 ? ['None.', ''] : []
  return [`# Bugs found with ${id}`, '', `By ${by}; nobody has checked them.`, '', ...found, ...none].join('\n')
}

/** The body of a bug as a quote, each line of it plain text. */
export const sayBody = ({ body }: Reviewed['bugs'][number]): readonly string[] =>
  body.split('\n').map((line) => `> ${inert(line)}`.trimEnd())

/** Keeps what was said with the run, under the round it was said in. */
export async function keepReview(
  ctx: StepContext,
  milestone: Milestone,
  review: Reviewed,
): Promise<readonly ArtifactRef[]> {
  const round = roundOf(ctx.stepId)
  const report = await keepText(ctx, `${milestone.id}/review-${round}.md`, sayReview(milestone, round, review))
  const bugs = `${milestone.id}/bugs.md`
  if (review.bugs.length === 0 && (await ctx.latest(bugs)) === null) return [report]
  return [report, await keepText(ctx, bugs, sayBugs(milestone, review))]
}
