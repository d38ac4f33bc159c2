import type { HeldMoney, ModelCall, PromptRef } from '../../../core/ports.ts'
import { sha256Of } from '../../metering/answer.ts'

/**
 * Questions of agents are kept up to this many bytes: each is the whole conversation so far, and the last that fits holds
 * the others. Answers are kept by their digest: they stand in the next question.
 */
const longestKept = 200_000

type Sent = {
  readonly model: string
  readonly prompt: PromptRef | null
  /** The body as it goes on to the provider. */
  readonly text: string
  readonly maxOutputTokens: number
}

type Outcome = Pick<ModelCall, 'requestId' | 'answer' | 'tokens' | 'costMicros' | 'outcome'>

/** Keeps what became of a call of an agent. */
export function recorderOf(
  held: HeldMoney,
  { model, prompt, text, maxOutputTokens }: Sent,
): (outcome: Outcome) => void {
  const began = performance.now()
  const bytes = Buffer.byteLength(text)
  const question = { sha256: sha256Of(text), bytes, text: bytes <= longestKept ? text : null }
  return (outcome) => {
    const durationMs = Math.round(performance.now() - began)
    const parameters = { model, temperature: temperatureIn(text), maxOutputTokens, schemaSha256: null }
    void held.record({ ...parameters, prompt, question, durationMs, ...outcome })
  }
}

/** Of a body as it goes on; Google has it among its generation settings. */
export function temperatureIn(text: string): number | null {
  const body = JSON.parse(text) as { temperature?: unknown; generationConfig?: { temperature?: unknown } }
  const given = body.temperature ?? body.generationConfig?.temperature
  return typeof given === 'number' ? given : null
}
