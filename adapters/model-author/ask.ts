import type { FaultCode } from '../../core/model/problem.ts'
import { Fault } from '../../core/model/problem.ts'
import type { AuthorDesk, LanguageModel, ModelRequest } from '../../core/ports.ts'

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
 * Asks the first model that can be had, with the most it may cost set aside before. What a call has cost is settled; where
 * nobody can know whether it cost anything, what was set aside stays so.
 */
export const askOf =
  (models: readonly LanguageModel[], desk: AuthorDesk) =>
  async (request: ModelRequest, purpose: string): Promise<string> => {
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

async function askOne(model: LanguageModel, { request, purpose, desk }: Question): Promise<string> {
  const reservation = await desk.reserve(model.worstCase(request), `${purpose} with ${model.name}`)
  try {
    const { text, used, isCut } = await model.ask(request, desk.signal)
    await reservation.settle(used)
    // Half a document is none: the lint finds so, and asks once more.
    return isCut ? '' : text
  } catch (error) {
    if (error instanceof Fault && unspent.has(error.code)) await reservation.settle({ micros: 0, tokens: 0 })
    throw error
  }
}
