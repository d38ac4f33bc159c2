import { createHash, randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Command, Reply, Scope } from '../../core/commands/command.ts'
import { assert } from '../../core/model/problem.ts'
import type { Holder, Product } from './house.ts'
import type { Left } from './limiter.ts'
import { Limiter } from './limiter.ts'
import { Failure, problemOf, sendProblem } from './problem.ts'
import type { Route } from './routes.ts'
import { decisions, drawChange, ofGate, ofRun, paged, parse, routes } from './routes.ts'

export type Allowances = {
  readonly requestsPerHour: number
  readonly runsPerHour: number
  /** Keys that are none, per address. */
  readonly failuresPerHour: number
}

const hourMs = 3_600_000

const idempotencyKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/, 'Idempotency-Key must be 1 to 255 visible ASCII characters')
  .optional()

/** The routes that need a key: each is a command, asked as the key's owner, within the key's scopes. */
export function addApi(app: FastifyInstance, product: Product, allowed: Allowances): void {
  const requests = new Limiter(allowed.requestsPerHour, hourMs)
  const starts = new Limiter(allowed.runsPerHour, hourMs)
  const failures = new Limiter(allowed.failuresPerHour, hourMs)

  /** Whoever asks, let in: known, within their allowance and their scopes. Throws a Failure otherwise. */
  const admit = async (request: FastifyRequest, reply: FastifyReply, scope: Scope): Promise<Holder> => {
    const secret = /^Bearer (\S{1,200})$/i.exec(request.headers.authorization ?? '')?.[1]
    const holder = secret === undefined ? null : await product.identify(secret)
    if (holder === null) throw refuseStranger(failures.take(request.ip))
    tell(reply, requests.take(holder.keyId), 'requests')
    if (scope !== 'read' && !holder.scopes.includes(scope))
      throw new Failure({
        status: 403,
        code: 'not_allowed',
        detail: `This key has the scope ${holder.scopes.join(', ')}; this needs ${scope}.`,
        next: `Make a key with --scope ${scope}.`,
      })
    return holder
  }
  const holders = new WeakMap<FastifyRequest, Holder>()
  /** Before anything of the body is read: strangers cannot make this process hold what they send. */
  const guard = (scope: Scope) => ({
    onRequest: async (request: FastifyRequest, reply: FastifyReply) => {
      holders.set(request, await admit(request, reply, scope))
    },
  })
  const holderOf = (request: FastifyRequest): Holder => {
    const holder = holders.get(request)
    assert(holder, 'a route without a guard asked who is there')
    return holder
  }

  /** Does a command once per Idempotency-Key of this API key, and answers with what it came to. */
  const carryOut = async (
    { request, reply, holder }: Visit,
    command: Command,
    { draw, status }: Pick<Route, 'draw' | 'status'>,
  ): Promise<FastifyReply> => {
    const own = parse(idempotencyKey, request.headers['idempotency-key'], 'the headers')
    if (command.kind === 'run') tell(reply, starts.take(holder.keyId), 'run starts')
    const { result, isReplay } = await product.ask(holder, command, `${holder.keyId} ${own ?? randomUUID()}`)
    if (command.kind === 'run' && (isReplay || !result.ok)) starts.giveBack(holder.keyId)
    if (isReplay) reply.header('idempotent-replayed', 'true')
    return result.ok ? reply.code(status).send(draw(result.value)) : sendProblem(reply, problemOf(result.refusal))
  }

  for (const route of routes) {
    app.route({
      method: route.method,
      url: route.path,
      ...guard(route.scope),
      handler: (request, reply) =>
        carryOut({ request, reply, holder: holderOf(request) }, route.command(request), route),
    })
  }

  for (const [kind, body] of Object.entries(decisions)) {
    app.post(`/api/v1/gates/:id/${kind}`, guard('decide'), async (request, reply) => {
      const { id } = parse(ofGate, request.params, 'the path')
      const said: { readonly sha256: string; readonly reason?: string } = parse(body, request.body ?? {}, 'the body')
      const run = await product.runOfGate(id)
      if (run === null)
        throw new Failure({
          status: 404,
          code: 'not_found',
          detail: 'There is no such gate.',
          next: 'See /api/v1/gates.',
        })
      const about = { run, gate: id, sha256: said.sha256 }
      const command: Command =
        kind === 'approve'
          ? { kind: 'approve', ...about }
          : { kind: kind === 'reject' ? 'reject' : 'changes', ...about, reason: said.reason ?? '' }
      return carryOut({ request, reply, holder: holderOf(request) }, command, { draw: drawChange, status: 200 })
    })
  }

  app.get('/api/v1/projects', guard('read'), async (request, reply) => {
    const { page } = parse(paged, request.query, 'the query')
    const result = await product.projects(holderOf(request), page)
    return result.ok
      ? reply.send({ kind: 'projects', page, projects: result.value })
      : sendProblem(reply, problemOf(result.refusal))
  })

  app.get('/api/v1/runs/:run/artifacts/*', guard('read'), async (request, reply) => {
    const { run } = parse(ofRun, request.params, 'the path')
    const { '*': name } = parse(z.object({ '*': z.string().min(1).max(300) }), request.params, 'the path')
    const { result } = await product.ask(holderOf(request), { kind: 'artifacts', run, name: null }, randomUUID())
    if (!result.ok) return sendProblem(reply, problemOf(result.refusal))
    return sendBytes(request, reply, { product, name, found: findArtifact(result.value, name) })
  })
}

type Visit = { readonly request: FastifyRequest; readonly reply: FastifyReply; readonly holder: Holder }

function refuseStranger({ isSpent, resetSeconds }: Left): Failure {
  if (isSpent)
    return new Failure(
      {
        status: 429,
        code: 'RATE_LIMIT',
        detail: 'Too many keys that are none came from there.',
        next: 'Wait, then use a key that is valid.',
      },
      { 'retry-after': String(resetSeconds) },
    )
  return new Failure(
    {
      status: 401,
      code: 'NOT_AUTHENTICATED',
      detail: 'This needs a key that is known and not revoked.',
      next: 'Make one with qp key add, and send it as: Authorization: Bearer qpk_…',
    },
    { 'www-authenticate': 'Bearer realm="quantapilot"' },
  )
}

/** Says what is left of an allowance. Throws a Failure when nothing is. */
function tell(reply: FastifyReply, { isSpent, limit, remaining, resetSeconds }: Left, what: string): void {
  reply.headers({
    'x-ratelimit-limit': String(limit),
    'x-ratelimit-remaining': String(remaining),
    'x-ratelimit-reset': String(resetSeconds),
  })
  if (!isSpent) return
  throw new Failure(
    {
      status: 429,
      code: 'RATE_LIMIT',
      detail: `This key may make ${limit} ${what} an hour.`,
      next: `Wait ${resetSeconds} s.`,
    },
    { 'retry-after': String(resetSeconds) },
  )
}

function findArtifact(reply: Reply, name: string): string | null {
  if (reply.kind !== 'artifacts') return null
  return reply.artifacts.find((line) => line.name === name)?.sha256 ?? null
}

type Wanted = { readonly product: Product; readonly name: string; readonly found: string | null }

/** The exact bytes; whoever has them already is only told so. */
async function sendBytes(request: FastifyRequest, reply: FastifyReply, { product, name, found }: Wanted) {
  if (found === null)
    throw new Failure({
      status: 404,
      code: 'not_found',
      detail: `The run has no artifact ${name}.`,
      next: 'List them without a name.',
    })
  const etag = `"${found}"`
  reply.headers({ etag, 'cache-control': 'private, no-cache' })
  if (request.headers['if-none-match'] === etag) return reply.code(304).send()
  const bytes = await product.bytes(found)
  const digest = createHash('sha256').update(bytes).digest('base64')
  // Whatever the bytes are, no browser is to run them.
  reply.headers({ 'content-disposition': 'attachment', 'repr-digest': `sha-256=:${digest}:` })
  return reply.type('application/octet-stream').send(Buffer.from(bytes))
}
