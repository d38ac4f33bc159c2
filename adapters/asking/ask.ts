import { isModelNamed, sayNoSuchModel } from '../../core/model/chosen-model.ts'
import type { FaultCode } from '../../core/model/problem.ts'
import { Fault } from '../../core/model/problem.ts'
import type { AuthorDesk, LanguageModel } from '../../core/ports.ts'
import { type Answered, type Asked, askOne, type Call, questionOf } from './ask-one.ts'

/** Asked in this order: the next one where one cannot be had. */
export type Chain = readonly [LanguageModel, ...LanguageModel[]]

/** Where the next model is asked: this one cannot be had now. A question that is refused is the same for all. */
const passing: ReadonlySet<FaultCode> = new Set([
  'RATE_LIMIT',
  'UPSTREAM_TIMEOUT',
  'TRANSIENT_NETWORK',
  'PRECONDITION_FAILED',
])

/** What a project says about the models that are asked for it. */
type Wish = { readonly model: string | null; readonly mayChange: boolean }

/**
 * A project may choose among the models of the server, and put one of them first, and it may want no other in its place. `key` is
 * where it names the model in quantapilot.yml. Throws VALIDATION_ERROR for a model that the server does not have.
 */
export function chainOf(models: Chain, { model: wanted, mayChange }: Wish, key: string): Chain {
  const [usual] = models
  const first =
    wanted === null
      ? usual
      : (models.find(({ name }) => isModelNamed(name, wanted)) ?? noSuchModel(models, wanted, key))
  return mayChange ? [first, ...models.filter((model) => model !== first)] : [first]
}

function noSuchModel(models: Chain, wanted: string, key: string): never {
  const known = models.map(({ name }) => name)
  throw new Fault({ code: 'VALIDATION_ERROR', message: sayNoSuchModel(wanted, known, key), retryable: false })
}

/**
 * Asks the first model that can be had, unless one of them has answered this question in an earlier try. Where money does not hold
 * the call, a cheaper way of asking is looked for before it is refused. Every call leaves a record.
 */
export const askOf =
  (models: Chain, desk: AuthorDesk) =>
  async (asked: Asked): Promise<Answered> => {
    const question = questionOf(asked)
    const before = await recalled(models, { asked, question, desk })
    if (before !== null) return before
    for (const [index, model] of models.entries()) {
      try {
        return await askOne(model, { asked, question, desk })
      } catch (error) {
        if (isTooDear(error)) return await askCheaper(models, { asked, model, desk, refusal: error })
        const isLast = index === models.length - 1
        if (isLast || !(error instanceof Fault) || !passing.has(error.code)) throw error
      }
    }
    throw new Fault({ code: 'FATAL', message: 'There is no model to ask.', retryable: false })
  }

async function recalled(models: Chain, { asked, question, desk }: Call): Promise<Answered | null> {
  const { temperature, maxOutputTokens } = asked.request
  const names = models.map(({ name }) => name)
  const before = await desk.recall({ models: names, temperature, maxOutputTokens, questionSha256: question.sha256 })
  return before && { ...before, isCut: false, thrift: null }
}

/** Whether money did not hold a call. */
export const isTooDear = (error: unknown): error is Fault => error instanceof Fault && error.code === 'BUDGET_EXCEEDED'

type Refused = {
  readonly asked: Asked
  readonly model: LanguageModel
  readonly desk: AuthorDesk
  readonly refusal: Fault
}

/** The same of a cheaper model, or with less around the question: the dearest way that fits. None: what was refused first. */
async function askCheaper(models: Chain, { asked, model: dear, desk, refusal }: Refused): Promise<Answered> {
  const { shorter, ...whole } = asked
  const forms = [whole, ...(shorter ? [{ ...asked, request: shorter }] : [])]
  const costOf = (model: LanguageModel, { request }: Asked): number => {
    const { micros, tokens } = model.worstCase(request)
    return micros + tokens / 1_000_000
  }
  const ways = forms
    .flatMap((form) => models.map((model) => ({ model, form, cost: costOf(model, form) })))
    .filter(({ cost }) => cost < costOf(dear, whole))
    .toSorted((one, other) => other.cost - one.cost)
  for (const { model, form } of ways) {
    try {
      const call = { asked: form, question: questionOf(form), desk }
      const answer = (await recalled([model], call)) ?? (await askOne(model, call))
      return { ...answer, thrift: sayThrift(asked, { model, dear, isShort: form !== whole }) }
    } catch (error) {
      if (!isTooDear(error)) throw error
    }
  }
  throw refusal
}

type Way = { readonly model: LanguageModel; readonly dear: LanguageModel; readonly isShort: boolean }

function sayThrift({ purpose }: Asked, { model, dear, isShort }: Way): string {
  const by = model === dear ? `with ${model.name}` : `with ${model.name} in place of ${dear.name}`
  return `${purpose} ${by}${isShort ? ', from the draft alone' : ''}, because the budget did not hold more`
}
