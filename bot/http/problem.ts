import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import type { Refusal } from '../../core/model/problem.ts'

/** RFC 9457, https://www.rfc-editor.org/rfc/rfc9457: what every answer that is no success looks like. */
export const problemBody = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  correlation_id: z.string(),
  next: z.string().optional(),
})

/** A request that comes to nothing: the status, a code for programs, a sentence, and what to do. */
export type Problem = {
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly next?: string
}

/** Thrown where a handler cannot go on; told as what it says. */
export class Failure extends Error {
  readonly problem: Problem
  readonly headers: Readonly<Record<string, string>>

  constructor(problem: Problem, headers: Readonly<Record<string, string>> = {}) {
    super(problem.detail)
    this.problem = problem
    this.headers = headers
  }
}

const statuses: Readonly<Record<Refusal['code'], number>> = {
  usage: 400,
  invalid_input: 422,
  not_found: 404,
  not_allowed: 403,
  already_decided: 409,
  stale: 409,
  wrong_state: 409,
  lock_held: 409,
}

/** A refusal in HTTP's terms. */
export const problemOf = ({ code, message, next }: Refusal): Problem => ({
  status: statuses[code],
  code,
  detail: message,
  ...(next === undefined ? {} : { next }),
})

const titles: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Not authenticated',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  406: 'Not acceptable',
  408: 'Too slow',
  409: 'Conflict',
  413: 'Too large',
  414: 'Address too long',
  415: 'Unsupported media type',
  422: 'Cannot be processed',
  429: 'Too many requests',
  431: 'Headers too large',
  500: 'Internal error',
  503: 'Unavailable',
}

/** The body of a problem. */
export const bodyOf = (
  { status, code, detail, next }: Problem,
  correlationId: string,
): z.infer<typeof problemBody> => ({
  type: `urn:quantapilot:problem:${code.toLowerCase()}`,
  title: titles[status] ?? 'Problem',
  status,
  detail,
  code,
  correlation_id: correlationId,
  ...(next === undefined ? {} : { next }),
})

/** Sends a problem. */
export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  return reply
    .code(problem.status)
    .header('x-correlation-id', reply.request.id)
    .type('application/problem+json')
    .send(JSON.stringify(bodyOf(problem, reply.request.id)))
}
