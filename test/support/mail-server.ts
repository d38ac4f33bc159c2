import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'
import { onTestFinished } from 'vitest'

export type Sent = { readonly to: readonly string[]; readonly raw: string }
type Rules = { readonly refuse?: () => number | null; readonly password?: string; readonly sizeLimit?: number }

/** A real mail server of this machine, without TLS, that keeps what it takes. */
export async function aMailServer({ refuse = () => null, password, sizeLimit }: Rules = {}) {
  const sent: Sent[] = []
  const server = new SMTPServer({
    authOptional: password === undefined,
    allowInsecureAuth: true,
    disabledCommands: ['STARTTLS'],
    ...(sizeLimit === undefined ? {} : { size: sizeLimit }),
    onAuth: (auth, _session, done) =>
      auth.password === password ? done(null, { user: auth.username }) : done(new Error('Invalid login')),
    onRcptTo: (_address, _session, done) => {
      const responseCode = refuse()
      done(responseCode === null ? null : Object.assign(new Error('no'), { responseCode }))
    },
    onData: (stream, session, done) => {
      const parts: Buffer[] = []
      stream.on('data', (part: Buffer) => parts.push(part))
      stream.on('end', () => {
        if (stream.sizeExceeded) return done(Object.assign(new Error('too large'), { responseCode: 552 }))
        sent.push({ to: session.envelope.rcptTo.map(({ address }) => address), raw: Buffer.concat(parts).toString() })
        done()
      })
    },
  })
  server.on('error', () => undefined)
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', () => ready()))
  onTestFinished(() => new Promise<void>((closed) => server.close(() => closed())))
  return { sent, port: (server.server.address() as AddressInfo).port }
}

/** What the head of a mail says under a name; null when it says nothing. */
export const headerOf = ({ raw }: Sent, name: string): string | null =>
  new RegExp(`^${name}: ((?:.*\\r\\n[ \\t])*.*)`, 'im')
    .exec(raw.slice(0, raw.indexOf('\r\n\r\n')))?.[1]
    ?.replaceAll('\r\n', '') ?? null

/** The text of a mail as its reader sees it, without its HTML. */
export function textOf({ raw }: Sent): string {
  const [, part = ''] = /Content-Type: text\/plain[\s\S]*?\r\n\r\n([\s\S]*?)\r\n--/.exec(raw) ?? []
  const head = raw.slice(0, raw.indexOf(part))
  const encoding = /Content-Transfer-Encoding: (\S+)[\s\S]*$/i.exec(head.slice(head.lastIndexOf('text/plain')))?.[1]
  if (encoding === 'base64') return Buffer.from(part, 'base64').toString('utf8')
  if (encoding !== 'quoted-printable') return part
  const bytes = part
    .replaceAll('=\r\n', '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
