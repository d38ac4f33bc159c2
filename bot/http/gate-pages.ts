import type { FastifyInstance, FastifyReply } from 'fastify'
import { z } from 'zod'
import type { Answer, GatePages } from './house.ts'
import { Limiter } from './limiter.ts'
import { Failure } from './problem.ts'

/** A reason of 2,000 letters, each of them escaped. */
const mostBytes = 32_000

/** Links that lead nowhere, and requests of one link, in a minute. */
const allowedPerMinute = { unknown: 100, ofOneLink: 60 }

const ofLink = z.object({ token: z.string() })

/** The pages behind the links of mails. GET and HEAD change nothing, whoever follows a link before its reader does. */
export function addGatePages(app: FastifyInstance, pages: GatePages): void {
  const unknown = new Limiter(allowedPerMinute.unknown, 60_000)
  const known = new Limiter(allowedPerMinute.ofOneLink, 60_000)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: mostBytes },
    (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(body.toString()))),
  )
  const answer = async (reply: FastifyReply, ask: (token: string) => Promise<Answer>): Promise<FastifyReply> => {
    const { token } = ofLink.parse(reply.request.params)
    if (known.take(token).isSpent) throw tooMany
    const { status, headers, body } = await ask(token)
    if (status === 404 && unknown.take(reply.request.ip).isSpent) throw tooMany
    return reply.code(status).headers(headers).send(body)
  }
  app.get('/g/:token', (_request, reply) => answer(reply, (token) => pages.get(token)))
  app.post('/g/:token', { bodyLimit: mostBytes }, (request, reply) =>
    answer(reply, (token) => pages.post(token, request.body)),
  )
}

const tooMany = new Failure(
  { status: 429, code: 'RATE_LIMIT', detail: 'Too many requests came for this.', next: 'Wait a minute.' },
  { 'retry-after': '60' },
)
