import { createHmac } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import { Fault } from '../../core/model/problem.ts'
import { resolveHost } from '../network/host.ts'

export type WebhookOptions = {
  /** Hosts that may be reached, private ones included, by http where they are this machine; null: any public host. */
  readonly allowedHosts: readonly string[] | null
  /** For everything from the name to the end of the answer. */
  readonly timeoutMs: number
  /** PEM text of the certificate authorities to trust instead of the system's, for a company's own. */
  readonly ca?: string
}

export type WebhookRequest = {
  readonly address: string
  readonly event: string
  readonly deliveryId: string
  readonly body: string
  readonly secret: string
  readonly sentAt: Date
}

/** What the endpoint said. */
export type WebhookAnswer = { readonly status: number; readonly retryAfterMs: number | null }

/** The value of `X-QuantaPilot-Signature` over a raw body. */
export const signatureOf = (body: string, secret: string): string =>
  `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`

/**
 * Sends one signed delivery and answers with the status, whatever it is: redirects are not followed. Throws a Fault
 * when there is no answer, or where the address may not be reached; the connection goes to the very addresses that were
 * checked, so that a second answer of the name server cannot lead elsewhere.
 */
export async function sendWebhook(delivery: WebhookRequest, options: WebhookOptions): Promise<WebhookAnswer> {
  const signal = AbortSignal.timeout(options.timeoutMs)
  const url = parseAddress(delivery.address)
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  const addresses = await resolveHost(host, options, signal)
  assertSecret(url, addresses)
  try {
    return await exchange({ url, host, addresses, delivery, options, signal })
  } catch (cause) {
    if (signal.aborted)
      throw fault('UPSTREAM_TIMEOUT', `${host} did not answer in ${options.timeoutMs / 1000} s.`, cause)
    throw fault('TRANSIENT_NETWORK', `${host} could not be reached (${codeOf(cause)}).`, cause)
  }
}

function parseAddress(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : null
  if (url && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '') return url
  throw fault('VALIDATION_ERROR', 'This is not an address that webhooks go to.')
}

function assertSecret(url: URL, addresses: readonly string[]): void {
  if (url.protocol === 'https:' || addresses.every(isLoopback)) return
  throw fault('VALIDATION_ERROR', `Webhooks go to https only: ${url.hostname} is not this machine.`)
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.')

type Exchange = {
  readonly url: URL
  readonly host: string
  readonly addresses: readonly string[]
  readonly delivery: WebhookRequest
  readonly options: WebhookOptions
  readonly signal: AbortSignal
}

function exchange(asked: Exchange): Promise<WebhookAnswer> {
  return new Promise((resolve, reject) => {
    const request = open(asked)
    request.on('error', reject)
    request.on('response', (response) => {
      const answer = { status: response.statusCode ?? 0, retryAfterMs: retryAfterOf(response) }
      const done = (): void => {
        resolve(answer)
        request.destroy()
      }
      // The status has come: how the rest ends changes nothing.
      request.off('error', reject).on('error', done)
      readSome(response, done)
    })
    request.end(asked.delivery.body)
  })
}

function open({ url, host, addresses, delivery, options, signal }: Exchange): ClientRequest {
  const pinned = addresses.map((address) => ({ address, family: isIP(address) }))
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest
  return send(url, {
    method: 'POST',
    // A connection of its own, so that nothing is reused past the check.
    agent: false,
    signal,
    headers: headersOf(delivery),
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    ...(isIP(host) === 0 ? { servername: host } : {}),
    lookup: (_name, { all }, done) => {
      const [first] = pinned
      if (all) done(null, pinned)
      else done(null, first?.address ?? '', first?.family ?? 0)
    },
  })
}

const headersOf = ({ event, deliveryId, body, secret, sentAt }: WebhookRequest) => ({
  'Content-Type': 'application/json',
  'Content-Length': String(Buffer.byteLength(body)),
  'User-Agent': 'QuantaPilot',
  'X-QuantaPilot-Event': event,
  'X-QuantaPilot-Delivery': deliveryId,
  'X-QuantaPilot-Timestamp': String(Math.floor(sentAt.getTime() / 1000)),
  'X-QuantaPilot-Signature': signatureOf(body, secret),
})

const mostAnswerBytes = 65_536

/** What an endpoint says beside its status is of no use to us; a polite amount of it is let through. */
function readSome(response: IncomingMessage, done: () => void): void {
  let bytes = 0
  response.on('data', (part: Buffer) => {
    bytes += part.length
    if (bytes > mostAnswerBytes) done()
  })
  response.on('end', done)
  response.on('error', done)
}

/** Seconds or a date, RFC 9110. */
function retryAfterOf({ headers }: IncomingMessage): number | null {
  const value = headers['retry-after']?.trim() ?? ''
  if (/^\d{1,8}$/.test(value)) return Number(value) * 1000
  const at = Date.parse(value)
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now())
}

const codeOf = (cause: unknown): string =>
  cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : 'no answer'

const fault = (code: 'VALIDATION_ERROR' | 'UPSTREAM_TIMEOUT' | 'TRANSIENT_NETWORK', message: string, cause?: unknown) =>
  new Fault({ code, message, retryable: code !== 'VALIDATION_ERROR', cause })
