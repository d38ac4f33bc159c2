import { isIP } from 'node:net'
import { z } from 'zod'

/** How mail leaves: where to, as whom, and under which address people reach this server. */
export type MailSettings = {
  readonly host: string
  readonly port: number
  /** TLS from the first byte (smtps); else it is asked for with STARTTLS. */
  readonly secure: boolean
  /** Null: the server asks nobody who they are. */
  readonly login: { readonly user: string; readonly password: string } | null
  readonly from: { readonly name: string; readonly address: string }
  /** Who hears of everything; null: those who subscribed. */
  readonly to: string | null
  /** Without a slash at its end; null: mail holds no links. */
  readonly publicUrl: string | null
}

/** Reads `smtp://user:pass@host:587` and `smtps://…`; null for anything else. Never repeats what it was given. */
function readServer(text: string): Omit<MailSettings, 'from' | 'to' | 'publicUrl'> | null {
  const url = URL.canParse(text) ? new URL(text) : null
  if (!url || !/^smtps?:$/.test(url.protocol) || url.hostname === '') return null
  const [user, password] = [decoded(url.username), decoded(url.password)]
  if (user === null || password === null) return null
  const secure = url.protocol === 'smtps:'
  const login = user === '' ? null : { user, password }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return { host, port: url.port === '' ? (secure ? 465 : 587) : Number(url.port), secure, login }
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

const address = z.email()

/** `QuantaPilot <bot@example.org>` or the bare address; a name holds nothing that a header could be made of. */
function readSender(text: string): MailSettings['from'] | null {
  const parts = /^(?:"?([^"<>\p{Cc}]{0,80}?)"? *<([^<>\s]+)>|([^<>\s]+))$/u.exec(text.trim())
  const parsed = address.safeParse(parts?.[2] ?? parts?.[3])
  return parsed.success ? { name: parts?.[1]?.trim() || 'QuantaPilot', address: parsed.data } : null
}

const readWith = <T>(read: (text: string) => T | null, says: string) =>
  z.string().transform((text, context) => {
    const value = read(text)
    if (value !== null) return value
    context.addIssue({ code: 'custom', message: says })
    return z.NEVER
  })

/** What the environment says about mail. SMTP_URL is a secret. */
export const mailEnvironment = {
  SMTP_URL: readWith(
    readServer,
    'SMTP_URL must look like smtp://user:password@mail.example.org:587, or smtps://…',
  ).optional(),
  SMTP_FROM: readWith(
    readSender,
    'SMTP_FROM must be an address, such as QuantaPilot <quantapilot@example.org>.',
  ).optional(),
  SMTP_TO: z.email('SMTP_TO must be one address, such as team@example.org.').optional(),
  QP_PUBLIC_URL: z
    .url({
      protocol: /^https?$/,
      error: 'QP_PUBLIC_URL must be the address people reach this server under, such as https://qp.example.org.',
    })
    .transform((text) => text.replace(/\/+$/, ''))
    .optional(),
}

const MailVariables = z.object(mailEnvironment)

/** The settings of mail; null where it is off, which is when there is no server to hand it to. */
export function mailSettings(values: z.infer<typeof MailVariables>): MailSettings | null {
  const { SMTP_URL: server, SMTP_FROM: from, SMTP_TO: to, QP_PUBLIC_URL: publicUrl } = values
  return server && from ? { ...server, from, to: to ?? null, publicUrl: publicUrl ?? null } : null
}

/** A name or address that can only be this machine: nobody can listen on the way. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
