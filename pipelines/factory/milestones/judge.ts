import type { StepContext } from '../../../core/pipeline.ts'
import type { Reviewer } from '../../../core/workshop.ts'
import { deskFor } from '../desk.ts'
import { tuningOf } from '../models.ts'
import { pinnedPolicy } from '../policy.ts'
import { readOutput } from '../shapes.ts'
import { withoutSecrets } from './secrets.ts'
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
  const readme = await ctx.latest('README.md')
  const { id, title, goal, criteria } = milestone
  const request = {
    milestone: { id, title, goal, criteria: criteria.map(({ text }) => text) },
    patch,
    testOutput,
    readme: readme ? new TextDecoder().decode(await ctx.read(readme)) : '',
    tuning: tuningOf(policy.settings, 'qa'),
  }
  const review = await reviewer.review(request, deskFor(ctx, policy, { step: 'test', milestone: null }))
  return toShow(reviewed.parse(review))
}

/** Tests may print keys, and a model may repeat them: what it says is read by more people than what it was shown. */
const toShow = (review: Reviewed): Reviewed => ({
  ...review,
  criteria: review.criteria.map(({ verdict, why }) => ({ verdict, why: withoutSecrets(why) })),
  bugs: review.bugs.map(({ title, body, path }) => ({
    title: withoutSecrets(title),
    body: withoutSecrets(body),
    path: path && withoutSecrets(path),
  })),
})

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
