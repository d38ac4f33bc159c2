import { createHash } from 'node:crypto'
import type { Transporter } from 'nodemailer'
import { createTransport } from 'nodemailer'
import { z } from 'zod'
import { Fault } from '../../core/model/problem.ts'
import type { Board, Place, Post } from '../surface.ts'
import { mailFault } from './mail-fault.ts'
import type { MailSettings } from './settings.ts'
import { isLoopback } from './settings.ts'
import type { Letter } from './templates.ts'
import { codeLetter, letterOf } from './templates.ts'

/** Where a mail stands in its thread, by message ids without their angle brackets. */
const Thread = z.object({ root: z.string(), message: z.string() })
type Thread = z.infer<typeof Thread>

const Recipient = z.email().max(254)

export type MailTimeouts = { readonly connectMs: number; readonly answerMs: number }

const productionTimeouts: MailTimeouts = { connectMs: 10_000, answerMs: 20_000 }

/**
 * E-mail as a surface: a post is one mail to one address. A mail cannot be redrawn, so a quiet edit sends nothing and a
 * loud one follows in the same thread. The same post to the same address has the same Message-ID, so that a repeat
 * after a crash is one mail to whoever reads it.
 */
export class MailBoard implements Board {
  readonly name = 'mail'
  readonly paceMs = 1_000
  readonly #settings: MailSettings
  readonly #transport: Transporter

  constructor(settings: MailSettings, timeouts: MailTimeouts = productionTimeouts) {
    this.#settings = settings
    this.#transport = createTransport(transportOptions(settings, timeouts))
  }

  async post(address: string, post: Post): Promise<Place> {
    return this.#send(address, post, post.under === null ? null : Thread.parse(post.under))
  }

  async edit(address: string, place: Place, post: Post): Promise<Place> {
    return post.isLoud ? this.#send(address, post, Thread.parse(place)) : place
  }

  /** Mails a code to whoever reads an address. Throws a Fault: PRECONDITION_FAILED where the address takes no mail. */
  async sendCode(address: string, code: string): Promise<void> {
    await this.#mail(recipientOf(address), codeLetter(code))
  }

  /** Ends the connections; a mail under way fails and is sent again later. */
  stop(): void {
    this.#transport.close()
  }

  async #send(address: string, post: Post, under: Thread | null): Promise<Thread> {
    const to = recipientOf(address)
    const { from, publicUrl, to: configured } = this.#settings
    const message = messageIdOf({ address: to, post, under, from: from.address })
    await this.#mail(to, letterOf(post, { publicUrl, isConfigured: to === configured }), {
      messageId: `<${message}>`,
      ...(under === null ? {} : { inReplyTo: `<${under.message}>`, references: referencesTo(under) }),
    })
    return { root: under?.root ?? message, message }
  }

  async #mail(to: string, { subject, text, html }: Letter, standing: Standing = {}): Promise<void> {
    const { from } = this.#settings
    const mail = {
      from,
      to: { name: '', address: to },
      envelope: { from: from.address, to: [to] },
      subject,
      text,
      html,
      ...standing,
      // Answering machines keep still, RFC 3834. No List-Unsubscribe: nobody reads what would be sent there.
      headers: { 'Auto-Submitted': 'auto-generated' },
    }
    await this.#transport.sendMail(mail).catch((error: unknown) => {
      throw mailFault(error)
    })
  }
}

/** Where a mail stands among others, in the words of its head. */
type Standing = { readonly messageId?: string; readonly inReplyTo?: string; readonly references?: string[] }

/** What the client is told: TLS wherever somebody could listen, deadlines everywhere, and never a file or an URL opened. */
export function transportOptions({ host, port, secure, login }: MailSettings, timeouts: MailTimeouts) {
  return {
    pool: true,
    maxConnections: 2,
    host,
    port,
    secure,
    requireTLS: !secure && !isLoopback(host),
    ...(login === null ? {} : { auth: { user: login.user, pass: login.password } }),
    connectionTimeout: timeouts.connectMs,
    greetingTimeout: timeouts.connectMs,
    dnsTimeout: timeouts.connectMs,
    socketTimeout: timeouts.answerMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  } as const
}

function recipientOf(address: string): string {
  const parsed = Recipient.safeParse(address)
  if (parsed.success) return parsed.data
  throw new Fault({
    code: 'PRECONDITION_FAILED',
    message: 'This is not an e-mail address: correct the subscription.',
    retryable: false,
  })
}

const referencesTo = ({ root, message }: Thread): string[] => [...new Set([root, message])].map((id) => `<${id}>`)

type Identity = { readonly address: string; readonly post: Post; readonly under: Thread | null; readonly from: string }

/** Made of what is said, to whom and where, so that the same is the same; the address cannot be read out of it. */
function messageIdOf({ address, post, under, from }: Identity): string {
  const said = JSON.stringify([address, under?.message ?? null, post.lines, post.buttons.map(({ data }) => data)])
  return `${createHash('sha256').update(said).digest('hex').slice(0, 40)}@${from.split('@')[1]}`
}
