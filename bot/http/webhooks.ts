import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Json } from '../../core/model/json.ts'
import type { Answer, Headers, Webhooks } from './house.ts'
import { Limiter } from './limiter.ts'
import { Failure } from './problem.ts'
import { parse } from './routes.ts'

/** The most that GitHub sends: https://docs.github.com/en/webhooks/webhook-events-and-payloads. */
const mostBytes = 25_000_000

/** Unsigned deliveries of one address in a minute that are told why; more hear only that they are too many. */
const failuresPerMinute = 100

const githubHeaders = z.object({
  'x-github-event': z.string().regex(/^[a-z_]{1,60}$/),
  'x-github-delivery': z.string().regex(/^[\w.:-]{1,100}$/),
})

/** The places where networks send events, each with its raw bytes. Genuine deliveries are never limited. */
export function addWebhooks(app: FastifyInstance, webhooks: Webhooks): void {
  const failures = new Limiter(failuresPerMinute, 60_000)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: mostBytes }, (_request, body, done) => done(null, body))
  const { github, telegram, slack } = webhooks
  if (github) {
    app.post('/webhooks/github', { bodyLimit: mostBytes }, async (request, reply) => {
      const raw = rawBodyOf(request)
      if (!github.verify(request.headers, raw)) throw failures.take(request.ip).isSpent ? tooManyUnsigned : unsigned
      return takeIn(request, reply, { github, raw })
    })
  }
  const pass = (path: string, receive: (headers: Headers, raw: Uint8Array) => Promise<Answer>): void => {
    app.post(path, { bodyLimit: 1_000_000 }, async (request, reply) => {
      const { status, headers, body } = await receive(request.headers, rawBodyOf(request))
      return reply.code(status).headers(headers).send(body)
    })
  }
  if (telegram) pass('/webhooks/telegram', telegram)
  if (slack) for (const [name, receive] of Object.entries(slack)) pass(`/webhooks/slack/${name}`, receive)
}

const rawBodyOf = ({ body }: FastifyRequest): Buffer => (Buffer.isBuffer(body) ? body : Buffer.alloc(0))

// Made once: in a flood, a stack trace for each would cost more than all else.
const tooManyUnsigned = new Failure(
  { status: 429, code: 'RATE_LIMIT', detail: 'Too many unsigned deliveries.' },
  { 'retry-after': '60' },
)

const unsigned = new Failure({
  status: 401,
  code: 'NOT_AUTHENTICATED',
  detail: 'The delivery is not signed with the secret that is set here.',
  next: 'Set the same secret at both ends.',
})

type Signed = { readonly github: NonNullable<Webhooks['github']>; readonly raw: Buffer }

/** Keeps an event before it is answered: whoever hears 202 need not send it again. */
async function takeIn(request: FastifyRequest, reply: FastifyReply, { github, raw }: Signed): Promise<FastifyReply> {
  const said = parse(githubHeaders, request.headers, 'the headers')
  const topic = said['x-github-event']
  if (topic === 'ping') return reply.code(200).send({ status: 'pong' })
  if (request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() !== 'application/json')
    throw new Failure({
      status: 415,
      code: 'UNSUPPORTED_MEDIA_TYPE',
      detail: 'The delivery must be JSON.',
      next: 'Choose the content type application/json in the settings of the webhook.',
    })
  const isNew = await github.keep({
    source: 'github',
    deliveryId: said['x-github-delivery'],
    topic,
    body: bodyIn(raw),
    bodySha256: createHash('sha256').update(raw).digest('hex'),
    sizeBytes: raw.byteLength,
  })
  return reply.code(202).send({ status: isNew ? 'accepted' : 'known' })
}

function bodyIn(raw: Buffer): Json {
  const body = parseJson(raw)
  try {
    return parse(z.json(), body, 'the body')
  } catch (error) {
    // Nested deeper than the stack is.
    if (!(error instanceof RangeError)) throw error
    throw new Failure({ status: 400, code: 'VALIDATION_ERROR', detail: 'The body is nested too deep.' })
  }
}

function parseJson(raw: Buffer): unknown {
  try {
    return JSON.parse(raw.toString('utf8'))
  } catch {
    throw new Failure({ status: 400, code: 'VALIDATION_ERROR', detail: 'The body is not JSON.' })
  }
}
