import { createHash } from 'node:crypto'
import type { FaultCode } from '../../core/model/problem.ts'
import { Fault } from '../../core/model/problem.ts'
import type { AuthorDesk, CallText, HeldMoney, LanguageModel, ModelCall, ModelRequest } from '../../core/ports.ts'
import type { Prompt } from './prompt.ts'

/** A question as it is asked: `system` of the request is the text of the prompt. */
export type Asked = {
  readonly request: ModelRequest
  readonly prompt: Prompt
  readonly purpose: string
  /** The same question with less around it, for when money does not hold the whole; left out: there is none. */
  readonly shorter?: ModelRequest
}

/** What a model said. */
export type Answered = {
  readonly text: string
  /** True when the answer ended at its cap: what there is of it is a part. */
  readonly isCut: boolean
  /** The model that said it, as configuration spells it. */
  readonly by: string
  /** How it was asked in a cheaper way, because money did not hold the usual one; null: it was not. */
  readonly thrift: string | null
}

/** After these nothing was spent for sure: the provider has turned the call away. */
const unspent: ReadonlySet<FaultCode> = new Set(['RATE_LIMIT', 'PRECONDITION_FAILED', 'VALIDATION_ERROR'])

export type Call = { readonly asked: Asked; readonly question: CallText; readonly desk: AuthorDesk }

/** Asks one model, with the most it may cost set aside before and what it did cost settled after. */
export async function askOne(model: LanguageModel, { asked, question, desk }: Call): Promise<Answered> {
  const { request, purpose } = asked
  const held = await desk.reserve(model.worstCase(request), `${purpose} with ${model.name}`)
  const record = recorderOf(model, held, { asked, question })
  try {
    const { text, used, isCut, ...answer } = await model.ask(request, desk.signal, (characters) =>
      desk.progress(`${purpose} with ${model.name}, ${characters.toLocaleString('en-US')} characters`),
    )
    const { requestId, inputTokens: input, cachedTokens: cached, outputTokens: output } = answer
    // At once: an answer that is paid for is also there for the next try.
    await Promise.all([
      held.settle(used),
      record({
        requestId,
        answer: textOf(text),
        tokens: { input, cached, output },
        costMicros: used.micros,
        outcome: isCut ? 'cut' : 'answered',
      }),
    ])
    return { text, isCut, by: model.name, thrift: null }
  } catch (error) {
    // What is no fault is the signal's: nobody waits for the answer any more.
    const outcome = error instanceof Fault ? error.code : 'stopped'
    const isUnspent = error instanceof Fault && (error.isUnsent || unspent.has(error.code))
    const nothing = { requestId: null, answer: null, tokens: null, costMicros: isUnspent ? 0 : null }
    await Promise.all([isUnspent ? held.settle({ micros: 0, tokens: 0 }) : null, record({ ...nothing, outcome })])
    throw error
  }
}

type Outcome = Pick<ModelCall, 'requestId' | 'answer' | 'tokens' | 'costMicros' | 'outcome'>

function recorderOf({ name }: LanguageModel, held: HeldMoney, { asked, question }: Omit<Call, 'desk'>) {
  const { request, prompt } = asked
  const began = performance.now()
  return (outcome: Outcome): Promise<void> =>
    held.record({
      model: name,
      temperature: request.temperature,
      maxOutputTokens: request.maxOutputTokens,
      schemaSha256: request.answer === null ? null : sha256Of(JSON.stringify(request.answer)),
      prompt: { id: prompt.id, version: String(prompt.version), sha256: prompt.fingerprint },
      question,
      durationMs: Math.round(performance.now() - began),
      ...outcome,
    })
}

/** All that the model sees, as JSON: whoever asks again reads the request from it. */
export const questionOf = ({ request: { system, prompt, answer } }: Asked): CallText =>
  textOf(JSON.stringify({ system, prompt, answer }))

const textOf = (text: string): CallText => ({ sha256: sha256Of(text), bytes: Buffer.byteLength(text), text })

const sha256Of = (text: string): string => createHash('sha256').update(text).digest('hex')
