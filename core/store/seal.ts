import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { Fault } from '../model/problem.ts'
import type { KeyStore } from '../keys.ts'

/** What a text is, bound into its seal: bytes that were moved to another place do not open there. */
export type Purpose = 'account' | 'label' | 'remark' | 'address' | 'request' | 'token'

const cipher = 'aes-256-gcm'
const version = 1
const nonceBytes = 12
const tagBytes = 16

/** Seals texts under the key of their subject. Sealed bytes are version, nonce, tag, then the text. */
export class Seal {
  readonly #keys: KeyStore

  constructor(keys: KeyStore) {
    this.#keys = keys
  }

  /** Bytes that only the subject's key opens; never the same twice. Makes the key of a new subject. */
  async seal(subject: string, purpose: Purpose, text: string): Promise<Buffer> {
    const nonce = randomBytes(nonceBytes)
    const sealing = createCipheriv(cipher, await this.#keys.make(subject), nonce)
    sealing.setAAD(contextOf(subject, purpose))
    const body = Buffer.concat([sealing.update(text, 'utf8'), sealing.final()])
    return Buffer.concat([Buffer.of(version), nonce, sealing.getAuthTag(), body])
  }

  /** The text, or null once the subject's key was destroyed. Throws a Fault when the bytes are not what was sealed. */
  async open(subject: string, purpose: Purpose, bytes: Uint8Array): Promise<string | null> {
    const key = await this.#keys.get(subject)
    if (key === null) return null
    const nonceEnd = 1 + nonceBytes
    const tagEnd = nonceEnd + tagBytes
    if (bytes[0] !== version || bytes.byteLength < tagEnd) throw broken(subject)
    const opening = createDecipheriv(cipher, key, bytes.subarray(1, nonceEnd), { authTagLength: tagBytes })
    opening.setAAD(contextOf(subject, purpose)).setAuthTag(bytes.subarray(nonceEnd, tagEnd))
    try {
      return Buffer.concat([opening.update(bytes.subarray(tagEnd)), opening.final()]).toString('utf8')
    } catch (cause) {
      throw broken(subject, cause)
    }
  }

  /** From now on nothing of this subject opens. */
  destroy(subject: string): Promise<void> {
    return this.#keys.destroy(subject)
  }

  /** Everybody of whom nothing opens any more. */
  destroyed(): Promise<readonly string[]> {
    return this.#keys.destroyed()
  }

  /** The same bytes for the same text, which tell nobody without the key what the text is. */
  async lookup(purpose: Purpose, text: string): Promise<Buffer> {
    return markOf(await this.#keys.lookup(false), `${purpose}\n${text}`)
  }
}

/** What a key makes of a text: HMAC-SHA256. */
export const markOf = (key: Uint8Array, text: string): Buffer => createHmac('sha256', key).update(text).digest()

const contextOf = (subject: string, purpose: Purpose): Buffer => Buffer.from(`${purpose}\n${subject}`)

const broken = (subject: string, cause?: unknown): Fault =>
  new Fault({
    code: 'PRECONDITION_FAILED',
    message: `What is kept about ${subject} was sealed with another key or was changed since: put the folder of keys back from its backup.`,
    retryable: false,
    cause,
  })
