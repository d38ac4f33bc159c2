import type { FaultCode } from '../../core/model/problem.ts'
import { Fault } from '../../core/model/problem.ts'
import type { AuthorDesk, LanguageModel, ModelRequest } from '../../core/ports.ts'

/** Asked in this order: the next one where one cannot be had. */
export type Chain = readonly [LanguageModel, ...LanguageModel[]]

/** What a model said. */
export type Answered = {
  readonly text: string
  /** True when the answer ended at its cap: what there is of it is a part. */
  readonly isCut: boolean
  /** The model that said it, as configuration spells it. */
  readonly by: string
}

/** Where the next model is asked: this one cannot be had now. Money, or a question that is refused, is the same for all. */
const passing: ReadonlySet<FaultCode> = new Set([
  'RATE_LIMIT',
  'UPSTREAM_TIMEOUT',
  'TRANSIENT_NETWORK',
  'PRECONDITION_FAILED',
])

/** After these nothing was spent for sure: the provider has turned the call away. */
const unspent: ReadonlySet<FaultCode> = new Set(['RATE_LIMIT', 'PRECONDITION_FAILED', 'VALIDATION_ERROR'])

/**
 * A project may choose among the models of the server, and put one of them first; null changes nothing. `key` is where it
 * says so in quantapilot.yml. Throws VALIDATION_ERROR for a model that the server does not have.
 */
export function chainOf(models: Chain, wanted: string | null, key: string): Chain {
  if (wanted === null) return models
  const found = models.find(({ name }) => name === wanted || name.endsWith(`/${wanted}`))
  if (found) return [found, ...models.filter((model) => model !== found)]
  throw new Fault({
    code: 'VALIDATION_ERROR',
    message: `quantapilot.yml asks for the model ${wanted}, which this server does not have: name one of ${models.map(({ name }) => name).join(', ')} in ${key}, or leave it out.`,
    retryable: false,
  })
}

/**
 * Asks the first model that can be had, with the most it may cost set aside before. What a call has cost is settled; where
 * nobody can know whether it cost anything, what was set aside stays so.
 */
export const askOf =
  (models: Chain, desk: AuthorDesk) =>
  async (request: ModelRequest, purpose: string): Promise<Answered> => {
    for (const [index, model] of models.entries()) {
      try {
        return await askOne(model, { request, purpose, desk })
      } catch (error) {
        const isLast = index === models.length - 1
        if (isLast || !(error instanceof Fault) || !passing.has(error.code)) throw error
      }
    }
    throw new Fault({ code: 'FATAL', message: 'There is no model to ask.', retryable: false })
  }

type Question = { readonly request: ModelRequest; readonly purpose: string; readonly desk: AuthorDesk }

async function askOne(model: LanguageModel, { request, purpose, desk }: Question): Promise<Answered> {
  const reservation = await desk.reserve(model.worstCase(request), `${purpose} with ${model.name}`)
  try {
    const { text, used, isCut } = await model.ask(request, desk.signal)
    await reservation.settle(used)
    return { text, isCut, by: model.name }
  } catch (error) {
    if (error instanceof Fault && unspent.has(error.code)) await reservation.settle({ micros: 0, tokens: 0 })
    throw error
  }
}
