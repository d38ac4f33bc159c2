import { Fault } from '../../core/model/problem.ts'

/** Text or nothing: a NUL or a broken sequence means the file is no text at all. */
export function decode(bytes: Uint8Array, path: string): string {
  if (isUtf16(bytes)) throw refuse(`${path} is UTF-16 text. Save it as UTF-8, commit it, then /retry.`)
  if (bytes.includes(0))
    throw refuse(`${path} is not text: it holds NUL bytes. Save it as UTF-8, commit it, then /retry.`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw refuse(`${path} is not UTF-8 text. Save it as UTF-8, commit it, then /retry.`)
  }
}

/** As editors on Windows save it: by the mark at its beginning. */
const isUtf16 = ([first, second]: Uint8Array): boolean =>
  (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)

/** What a person has to mend before a try is worth it. */
export const refuse = (message: string): Fault => new Fault({ code: 'VALIDATION_ERROR', message, retryable: false })
