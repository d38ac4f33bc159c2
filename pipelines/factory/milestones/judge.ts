import { roundOf } from '../../../core/model/plan.ts'
import type { ArtifactRef } from '../../../core/model/outcome.ts'
import type { StepContext } from '../../../core/pipeline.ts'
import type { Reviewer } from '../../../core/workshop.ts'
import { deskFor } from '../desk.ts'
import { pinnedPolicy } from '../policy.ts'
import { inert } from '../quiet.ts'
import { readOutput } from '../shapes.ts'
import { keepText } from './plan.ts'
import {
  type Change,
  idOf,
  type Judgement,
  type Milestone,
  reviewed,
  type Reviewed,
  type ReviewJudgement,
  reviewJudgement,
} from './shapes.ts'

export type Subject = {
  readonly milestone: Milestone
  readonly made: Change
  readonly patch: string
  readonly testOutput: string
}

/** Has a model judge a change that is worth it; bytes that passed once are not judged anew when they move to another base. */
export async function askReviewer(ctx: StepContext, reviewer: Reviewer, subject: Subject): Promise<Reviewed> {
  const { milestone, made, patch, testOutput } = subject
  const before = await ctx.findOutput(idOf(milestone.id, 'review'), reviewJudgement)
  if (before?.passed && before.reviewed && before.patch === made.patch.sha256) return before.reviewed
  const policy = await pinnedPolicy(ctx, await ctx.outputOf('read', readOutput))
  const { settings } = policy
  const { model = null, temperature = null, max_output_tokens: maxOutputTokens = null } = settings.models?.qa ?? {}
  const readme = await ctx.latest('README.md')
  const { id, title, goal, criteria } = milestone
  const request = {
    milestone: { id, title, goal, criteria: criteria.map(({ text }) => text) },
    patch,
    testOutput,
    readme: readme ? new TextDecoder().decode(await ctx.read(readme)) : '',
    tuning: { model, temperature, maxOutputTokens, mayChange: settings.policies.model_change_requires_gate !== true },
  }
  return reviewed.parse(await reviewer.review(request, deskFor(ctx, policy, { step: 'test', milestone: null })))
}

/** Risks name so many things that a reviewer was not shown; its report names all. */
const leftOutShown = 3

/** What was found without a model, and what a model holds of it: it can send the change back or add words. Pure. */
export function withReview({ criteria }: Milestone, checked: Judgement, by: Reviewed): ReviewJudgement {
  const judged = criteria.flatMap(({ id, text }, index) => {
    const found = by.criteria[index]
    return found ? [{ ...found, name: id ?? `“${text}”`, text }] : []
  })
  const notMet = judged.filter(({ verdict }) => verdict === 'not_met')
  const met = judged.filter(({ verdict }) => verdict === 'met')
  const doubts = Map.groupBy(
    judged.filter(({ verdict }) => verdict === 'cannot_tell'),
    ({ why }) => why,
  )
  const leftOut = by.leftOut.slice(0, leftOutShown)
  const unnamed = by.leftOut.length - leftOut.length
  return {
    patch: checked.patch,
    passed: checked.passed && notMet.length === 0,
    report:
      notMet.length === 0
        ? checked.report
        : [
            `Not met, as ${by.by} judges: ${namesOf(notMet)}.`,
            ...notMet.map(({ text, why }) => `- ${text}\n  ${why}`),
          ].join('\n'),
    facts: [...checked.facts, `${met.length} of ${criteria.length} criteria judged met by ${by.by}`],
    risks: [
      ...checked.risks,
      ...[...doubts].map(([why, of]) => `${by.by} cannot tell whether this is met: ${namesOf(of)}: ${why}`),
      ...(leftOut.length > 0
        ? [`${by.by} was not shown all: ${leftOut.join('; ')}${unnamed > 0 ? `; and ${unnamed} more` : ''}.`]
        : []),
    ],
    reviewed: by,
  }
}

const namesOf = (judged: readonly { readonly name: string }[]): string => judged.map(({ name }) => name).join(', ')

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
