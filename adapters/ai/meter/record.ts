import { createHash } from 'node:crypto'
import type { FaultCode } from '../../../core/model/problem.ts'
import type { CallText, HeldMoney, ModelCall, PromptRef } from '../../../core/ports.ts'

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

/** What a status above 399 means. */
export function codeOf(status: number): FaultCode {
  if (status === 429) return 'RATE_LIMIT'
  if (status === 408 || status === 504) return 'UPSTREAM_TIMEOUT'
  if (status >= 500) return 'TRANSIENT_NETWORK'
  return status === 401 || status === 402 || status === 403 ? 'PRECONDITION_FAILED' : 'VALIDATION_ERROR'
}

/** By which the provider knows the call. */
export const requestIdOf = ({ headers }: Response): string | null =>
  (headers.get('x-request-id') ?? headers.get('request-id'))?.slice(0, 200) ?? null

/** Adds up the digest of an answer as it passes. */
export function digest() {
  const hash = createHash('sha256')
  let bytes = 0
  return {
    push: (chunk: Uint8Array): void => {
      hash.update(chunk)
      bytes += chunk.byteLength
    },
    end: (): CallText => ({ sha256: hash.digest('hex'), bytes, text: null }),
  }
}

/** Google has it among its generation settings. */
function temperatureIn(text: string): number | null {
  const body = JSON.parse(text) as { temperature?: unknown; generationConfig?: { temperature?: unknown } }
  const given = body.temperature ?? body.generationConfig?.temperature
  return typeof given === 'number' ? given : null
}

const sha256Of = (text: string): string => createHash('sha256').update(text).digest('hex')
