import { z } from 'zod'
import { Fault } from '../../core/model/problem.ts'

/** The fields of nodemailer's errors that say who must act; its texts may repeat addresses and credentials, so they are not read. */
const SmtpError = z.object({
  code: z.string().optional().catch(undefined),
  responseCode: z.number().optional().catch(undefined),
  /** `RCPT TO`: the answer was about the address and nothing else. */
  command: z.string().optional().catch(undefined),
})

const retryAfterMs = 60_000

/** RFC 1870: the mail is larger than the server takes, which it may say to `MAIL FROM`. */
const tooLarge = 552

/**
 * A failed sending as a Fault, by who must act: the mail server later (4xx, the network), the person at the address
 * (5xx to `RCPT TO`), or whoever set SMTP_URL (login, TLS, sender). Holds no address, no password and no words of the server.
 */
export function mailFault(error: unknown): Fault {
  const { code = '', responseCode = 0, command = '' } = SmtpError.safeParse(error).data ?? {}
  if (responseCode >= 400 && responseCode < 500) return later(`The mail server asks for patience (${responseCode}).`)
  if (code === 'EAUTH' || code === 'ENOAUTH' || responseCode === 530) {
    return never('FATAL', 'The mail server did not accept the login: correct the user and password of SMTP_URL.')
  }
  if (code === 'ETLS' || code === 'EREQUIRETLS') {
    return never('FATAL', 'The mail server of SMTP_URL offers no trusted TLS: use one that does.')
  }
  const why = responseCode === 0 ? '' : ` (${responseCode})`
  if (command === 'RCPT TO')
    return never('PRECONDITION_FAILED', `The mail server refused this address${why}: check the address.`)
  if (command === 'MAIL FROM' && code === 'EENVELOPE' && responseCode !== tooLarge)
    return never(
      'FATAL',
      `The mail server does not send for this sender${why}: correct SMTP_FROM or the user of SMTP_URL.`,
    )
  if (responseCode >= 500 || code === 'EENVELOPE' || code === 'EMESSAGE')
    return never('VALIDATION_ERROR', `The mail server refused this mail${why}.`)
  if (code === 'ETIMEDOUT') return later('The mail server of SMTP_URL did not answer in time.', 'UPSTREAM_TIMEOUT')
  return later('The mail server of SMTP_URL cannot be reached.')
}

const later = (message: string, code: 'TRANSIENT_NETWORK' | 'UPSTREAM_TIMEOUT' = 'TRANSIENT_NETWORK'): Fault =>
  new Fault({ code, message, retryable: true, retryAfterMs })

const never = (code: 'FATAL' | 'PRECONDITION_FAILED' | 'VALIDATION_ERROR', message: string): Fault =>
  new Fault({ code, message, retryable: false })
