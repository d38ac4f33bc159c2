import { APICallError, NoSuchModelError, RetryError } from 'ai'
import type { FaultCode } from '../../core/model/problem.ts'
import { Fault } from '../../core/model/problem.ts'
import { isUnreached } from '../metering/unreached.ts'
import type { ModelSource } from './environment.ts'
import { keyNameOf } from './environment.ts'

/** What an answer's status means: the code, whether a repeat may help, and what to say after the model's name. */
type Meaning = readonly [FaultCode, boolean, string]

function meaningOf(status: number, { provider, model }: ModelSource): Meaning {
  if (status === 401 || status === 403)
    return ['PRECONDITION_FAILED', false, `does not accept its key: correct ${keyNameOf(provider)} and restart`]
  if (status === 402)
    return ['PRECONDITION_FAILED', false, 'wants to be paid first: look at the account of its provider, then /retry']
  if (status === 404)
    return [
      'VALIDATION_ERROR',
      false,
      `is not there: its provider knows no model ${model}; correct QP_MODEL and restart`,
    ]
  if (status === 413) return ['VALIDATION_ERROR', false, 'found the question too long: make the README shorter']
  if (status === 429) return ['RATE_LIMIT', true, 'wants no more calls for now: the run goes on when it does']
  if (status === 408 || status === 504) return ['UPSTREAM_TIMEOUT', true, 'did not answer in time']
  if (status === 409 || status >= 500) return ['TRANSIENT_NETWORK', true, `is not well (HTTP ${status})`]
  if (status >= 400) return ['VALIDATION_ERROR', false, `refused the question (HTTP ${status})`]
  return ['MODEL_OUTPUT_INVALID', true, 'answered what cannot be read']
}

const brokenOff: Meaning = ['TRANSIENT_NETWORK', true, 'broke off in the middle of its answer']

/** How long to wait where a provider names no time. */
const unnamedWaitMs = 10_000

/** Of `Retry-After` in seconds or as a date, or of the finer header that two of the providers send. */
function waitOf(headers: Readonly<Record<string, string>> | undefined): number {
  const ms = Number(headers?.['retry-after-ms'] ?? Number.NaN)
  if (ms > 0) return ms
  const text = headers?.['retry-after'] ?? ''
  if (/^\d+(\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1_000)
  const date = Date.parse(text)
  return Number.isNaN(date) ? unnamedWaitMs : Math.max(0, date - Date.now())
}

/** Translates what a call failed with. Messages hold neither the key nor the question. */
export function faultOf(source: ModelSource, thrown: unknown): Fault {
  const error = RetryError.isInstance(thrown) ? thrown.lastError : thrown
  if (NoSuchModelError.isInstance(error)) return fault(source, meaningOf(404, source), null)
  if (!APICallError.isInstance(error)) return fault(source, brokenOff, null)
  const { statusCode, responseHeaders, isRetryable } = error
  // A good status and a bad body: cut off on the way, or never right.
  if (statusCode !== undefined && statusCode < 400 && isRetryable) return fault(source, brokenOff, null)
  if (statusCode === undefined)
    return fault(source, ['TRANSIENT_NETWORK', true, 'could not be reached'], null, isUnreached(error.cause))
  const meaning = meaningOf(statusCode, source)
  return fault(source, meaning, meaning[0] === 'RATE_LIMIT' ? waitOf(responseHeaders) : null)
}

function fault(
  { name }: ModelSource,
  [code, retryable, says]: Meaning,
  waitMs: number | null,
  isUnsent = false,
): Fault {
  const wait = waitMs === null ? {} : { retryAfterMs: waitMs }
  return new Fault({ code, message: `The model ${name} ${says}.`, retryable, isUnsent, ...wait })
}

export const tooSlow = ({ name }: ModelSource): Fault =>
  new Fault({ code: 'UPSTREAM_TIMEOUT', message: `The model ${name} did not answer in time.`, retryable: true })
