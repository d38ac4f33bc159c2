import { z } from 'zod'
import { Fault } from '../../core/model/problem.ts'

/** The two fields that nodemailer's errors carry; its texts may repeat addresses and credentials, so they are not read. */
const SmtpError = z.object({
  code: z.string().optional().catch(undefined),
  responseCode: z.number().optional().catch(undefined),
})

const retryAfterMs = 60_000

/**
 * A failed sending as a Fault, by who must act: the mail server later (4xx, the network), the person at the address
 * (5xx), or whoever set SMTP_URL (login, TLS). Holds no address, no password and no words of the server.
 */
export function mailFault(error: unknown): Fault {
  const { code = '', responseCode = 0 } = SmtpError.safeParse(error).data ?? {}
  if (responseCode >= 400 && responseCode < 500) return later(`The mail server asks for patience (${responseCode}).`)
  if (code === 'EAUTH' || code === 'ENOAUTH' || responseCode === 530) {
    return never('FATAL', 'The mail server did not accept the login: correct the user and password of SMTP_URL.')
  }
  if (code === 'ETLS' || code === 'EREQUIRETLS') {
    return never('FATAL', 'The mail server of SMTP_URL offers no trusted TLS: use one that does.')
  }
  if (responseCode >= 500 || code === 'EENVELOPE' || code === 'EMESSAGE') {
    const why = responseCode === 0 ? '' : ` (${responseCode})`
    return never('PRECONDITION_FAILED', `The mail server refused this address or mail${why}: check the address.`)
  }
  if (code === 'ETIMEDOUT') return later('The mail server of SMTP_URL did not answer in time.', 'UPSTREAM_TIMEOUT')
  return later('The mail server of SMTP_URL cannot be reached.')
}

const later = (message: string, code: 'TRANSIENT_NETWORK' | 'UPSTREAM_TIMEOUT' = 'TRANSIENT_NETWORK'): Fault =>
  new Fault({ code, message, retryable: true, retryAfterMs })

const never = (code: 'FATAL' | 'PRECONDITION_FAILED', message: string): Fault =>
  new Fault({ code, message, retryable: false })
