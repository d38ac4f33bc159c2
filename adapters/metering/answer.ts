import { createHash } from 'node:crypto'
import type { FaultCode } from '../../core/model/problem.ts'
import type { CallText } from '../../core/ports.ts'

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

/** In hexadecimal. */
export const sha256Of = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
