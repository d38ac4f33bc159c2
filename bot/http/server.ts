import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { fastify } from 'fastify'
import { Fault } from '../../core/model/problem.ts'
import type { HttpLog } from './house.ts'
import type { Problem } from './problem.ts'
import { bodyOf, Failure, sendProblem } from './problem.ts'

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** How much a request may be and how long it may take; a slow one is ended, whoever sends it. */
const limits = { bodyBytes: 1_000_000, headerBytes: 16_384, headersMs: 10_000, requestMs: 30_000, connections: 2_000 }

/**
 * A server that answers every failure with a problem and every request with a correlation id, names no software, and
 * lets go of whoever is slow. The routes are the caller's.
 */
export function openServer(log: HttpLog, onAnswer: (request: FastifyRequest, reply: FastifyReply) => void) {
  const app = fastify({
    logger: false,
    bodyLimit: limits.bodyBytes,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: 20_000,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    routerOptions: { maxParamLength: 300, ignoreTrailingSlash: true },
    http: { headersTimeout: limits.headersMs, maxHeaderSize: limits.headerBytes, connectionsCheckingInterval: 1_000 },
    requestIdHeader: false,
    genReqId: ({ headers }) => idFrom(headers['x-correlation-id']),
    clientErrorHandler: (error, socket) => refuseBroken(error.code, socket),
    frameworkErrors: (error, request, reply) => void sendProblem(reply, problemOfError(error, request.id, log)),
  })
  app.removeContentTypeParser('text/plain')
  app.server.maxConnections = limits.connections
  const methods = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ method, path }) => {
    const known = methods.get(path) ?? new Set<string>()
    for (const one of [method].flat()) known.add(one)
    methods.set(path, known)
  })
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers({
      'x-correlation-id': request.id,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    })
    done()
  })
  app.addHook('onResponse', (request, reply, done) => {
    const { method, id } = request
    const route = request.routeOptions.url ?? 'none'
    log('info', 'request', {
      method,
      route,
      status: reply.statusCode,
      correlationId: id,
      ms: Math.round(reply.elapsedTime),
    })
    onAnswer(request, reply)
    done()
  })
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (error instanceof Failure) reply.headers(error.headers)
    if (error instanceof Fault) reply.header('retry-after', String(Math.ceil((error.retryAfterMs ?? 5_000) / 1000)))
    return sendProblem(reply, problemOfError(error, request.id, log))
  })
  app.setNotFoundHandler((request, reply) => {
    const allowed = allowedAt(methods, request.url.split('?')[0] ?? '/')
    if (allowed.length === 0)
      return sendProblem(reply, { status: 404, code: 'NOT_FOUND', detail: 'There is nothing here.', next: seeRoutes })
    reply.header('allow', allowed.join(', '))
    return sendProblem(reply, {
      status: 405,
      code: 'METHOD_NOT_ALLOWED',
      detail: `Allowed here: ${allowed.join(', ')}.`,
    })
  })
  return app
}

const seeRoutes = 'See /openapi.json for what there is.'

const idFrom = (given: string | readonly string[] | undefined): string =>
  typeof given === 'string' && uuid.test(given) ? given.toLowerCase() : randomUUID()

/** The methods of the routes that this path would belong to. */
function allowedAt(methods: ReadonlyMap<string, ReadonlySet<string>>, path: string): readonly string[] {
  const plain = path.length > 1 ? path.replace(/\/$/, '') : path
  const found = [...methods].filter(([template]) => {
    const pattern = template.replaceAll(/[.]/g, '\\.').replaceAll(/:\w+/g, '[^/]+').replaceAll('*', '.+')
    return new RegExp(`^${pattern}$`).test(plain)
  })
  return [...new Set(found.flatMap(([, known]) => [...known]))].toSorted()
}

/** What fastify says of a request, by its codes: https://fastify.dev/docs/latest/Reference/Errors/. */
const known: Readonly<Record<string, Problem>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { status: 413, code: 'TOO_LARGE', detail: 'The body is larger than is taken here.' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    status: 415,
    code: 'UNSUPPORTED_MEDIA_TYPE',
    detail: 'The body must be JSON.',
    next: 'Send it with content-type: application/json.',
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: {
    status: 400,
    code: 'VALIDATION_ERROR',
    detail: 'The body is empty, which is no JSON.',
  },
  FST_ERR_BAD_URL: { status: 400, code: 'VALIDATION_ERROR', detail: 'The address is not well formed.' },
  FST_ERR_MAX_PARAM_LENGTH: { status: 414, code: 'ADDRESS_TOO_LONG', detail: 'A part of the address is too long.' },
}

/** Nothing of an unexpected error leaves the process but its correlation id; the rest is in the log. */
function problemOfError(error: FastifyError, correlationId: string, log: HttpLog): Problem {
  if (error instanceof Failure) return error.problem
  if (error instanceof Fault) {
    log('warn', 'a request could not be served', { correlationId, code: error.code, error })
    return {
      status: 503,
      code: error.code,
      detail: 'Something this needs is away.',
      next: 'Send it again under the same Idempotency-Key.',
    }
  }
  const said = known[error.code]
  if (said) return said
  const status = error.statusCode ?? 500
  if (status >= 400 && status < 500)
    return { status, code: 'VALIDATION_ERROR', detail: 'The request could not be read: is the body well-formed JSON?' }
  log('error', 'a request failed', { correlationId, error: error.stack ?? error.message })
  return {
    status: 500,
    code: 'INTERNAL',
    detail: 'This is our fault.',
    next: 'Look for the correlation id in the log.',
  }
}

const broken: Readonly<Record<string, Problem>> = {
  HPE_HEADER_OVERFLOW: { status: 431, code: 'HEADERS_TOO_LARGE', detail: 'The headers are too large.' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, code: 'TOO_SLOW', detail: 'The request took too long to arrive.' },
}

/** What is no HTTP at all gets its answer on the bare connection, which ends. */
function refuseBroken(code: string | undefined, socket: Socket): void {
  if (code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy()
    return
  }
  const problem = broken[code ?? ''] ?? { status: 400, code: 'VALIDATION_ERROR', detail: 'This is not HTTP.' }
  const id = randomUUID()
  const body = JSON.stringify(bodyOf(problem, id))
  const head = [
    `HTTP/1.1 ${problem.status} ${bodyOf(problem, id).title}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-correlation-id: ${id}`,
    'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

/** The port it has by now. */
export function portOf({ server }: Pick<FastifyInstance, 'server'>): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
