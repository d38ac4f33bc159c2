import { join } from 'node:path'
import type { AuthorDesk, ModelRequest } from '../../core/ports.ts'
import type { Review, Reviewer, ReviewRequest } from '../../core/workshop.ts'
import type { Answered } from '../asking/ask-one.ts'
import { askOf, type Chain, chainOf } from '../asking/ask.ts'
import { asData, type Prompt, readPrompt } from '../asking/prompt.ts'
import { answerSchema, readAnswer } from './answer.ts'
import { fitHead, fitPatch } from './fit.ts'

/** Tokens of an answer, where quantapilot.yml names no number. */
const usualOutputTokens = 8_000

/** Characters that are sent at most: every one of them is set aside as a token before the call. */
const most = { patch: 120_000, readme: 20_000, tests: 8_000 } as const

/** A reviewer whose judgement a model makes. An answer that cannot be read is asked for once more, with what is wrong with it. */
export function createModelReviewer({ models }: { readonly models: Chain }): Reviewer {
  const prompt = readPrompt(join(import.meta.dirname, 'prompts'), 'review')
  return {
    name: models[0].name,
    review: (request, desk) => review({ models, prompt }, request, desk),
  }
}

type Parts = { readonly models: Chain; readonly prompt: Prompt }

async function review({ models, prompt }: Parts, request: ReviewRequest, desk: AuthorDesk): Promise<Review> {
  const { milestone, tuning } = request
  const ask = askOf(chainOf(models, tuning, 'models.qa.model'), desk)
  const { blocks, leftOut } = blocksOf(request)
  const questionOf = (more: readonly string[]): ModelRequest => ({
    system: prompt.text,
    prompt: [...blocks, ...more, `Judge the ${milestone.criteria.length} criteria of ${milestone.id}.`].join('\n\n'),
    maxOutputTokens: tuning.maxOutputTokens ?? usualOutputTokens,
    temperature: tuning.temperature,
    answer: answerSchema,
  })
  const purpose = `reviewing ${milestone.id}`
  const first = await ask({ request: questionOf([]), prompt, purpose })
  const read = readAnswer(first.text, milestone.criteria.length)
  if (read.judged) return { by: first.by, ...read.judged, leftOut }
  const repair = [
    asData('your last answer', first.text),
    asData('what is wrong with it', sayErrors(first, read.errors)),
  ]
  const second = await ask({ request: questionOf(repair), prompt, purpose })
  const { judged, errors } = readAnswer(second.text, milestone.criteria.length)
  if (judged) return { by: second.by, ...judged, leftOut }
  const why = `its answer could not be read, nor the one after it: ${sayErrors(second, errors).split('\n')[0]}`
  return { by: second.by, criteria: milestone.criteria.map(() => ({ verdict: 'cannot_tell', why })), bugs: [], leftOut }
}

const sayErrors = ({ isCut }: Answered, errors: readonly string[]): string =>
  [...(isCut ? ['it ended in the middle, at the most tokens it may have: be shorter'] : []), ...errors].join('\n')

/** All that nobody vouches for, each in its marks, and what is left out of it. */
function blocksOf({ milestone, patch, readme, testOutput }: ReviewRequest) {
  const { id, title, goal, criteria } = milestone
  const shown = { patch: fitPatch(patch, most.patch), readme: fitHead('the README', readme, most.readme) }
  const leftOut = firstOf([...shown.patch.leftOut, ...shown.readme.leftOut])
  const task = [`${id} ${title}`, goal, ...criteria.map((text, index) => `${index + 1}. ${text}`)].join('\n')
  const blocks = [
    asData('milestone with its criteria', task),
    asData('README', shown.readme.text),
    asData('change', shown.patch.text),
    asData('end of what the tests printed', testOutput.slice(-most.tests)),
    ...(leftOut.length > 0 ? [asData('not shown to you, because it is too long or binary', leftOut.join('\n'))] : []),
  ]
  return { blocks, leftOut }
}

/** Things left out that are named; the rest is counted. */
const mostNamed = 50

const firstOf = (things: readonly string[]): readonly string[] =>
  things.length <= mostNamed
    ? things
    : [...things.slice(0, mostNamed), `and ${things.length - mostNamed} more of the change`]
