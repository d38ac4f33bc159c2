import { randomUUID } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Command, Scope } from '../../core/commands/command.ts'
import { assert } from '../../core/model/problem.ts'
import type { Holder, Product } from './house.ts'
import type { Left } from './limiter.ts'
import { Limiter } from './limiter.ts'
import { Failure, problemOf, sendProblem } from './problem.ts'
import type { Route } from './routes.ts'
import { parse } from './routes.ts'

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

/** Where everybody with a key comes in: known, within their scopes and allowances, and heard once per request. */
export class Door {
  readonly #product: Product
  readonly #requests: Limiter
  readonly #starts: Limiter
  readonly #failures: Limiter
  readonly #holders = new WeakMap<FastifyRequest, Holder>()

  constructor(product: Product, allowed: Allowances) {
    this.#product = product
    this.#requests = new Limiter(allowed.requestsPerHour, hourMs)
    this.#starts = new Limiter(allowed.runsPerHour, hourMs)
    this.#failures = new Limiter(allowed.failuresPerHour, hourMs)
  }

  /** Before anything of the body is read: strangers cannot make this process hold what they send. */
  guard(scope: Scope) {
    return {
      onRequest: async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
        this.#holders.set(request, await this.#admit(request, reply, scope))
      },
    }
  }

  /** Who was let in with this request. */
  holderOf(request: FastifyRequest): Holder {
    const holder = this.#holders.get(request)
    assert(holder, 'a route without a guard asked who is there')
    return holder
  }

  /** Does a command once per Idempotency-Key of this API key, and answers with what it came to. */
  async carryOut(
    { request, reply }: Visit,
    command: Command,
    { draw, status }: Pick<Route, 'draw' | 'status'>,
  ): Promise<FastifyReply> {
    const holder = this.holderOf(request)
    const own = parse(idempotencyKey, request.headers['idempotency-key'], 'the headers')
    if (mayStart.has(command.kind)) tell(reply, this.#starts.take(holder.keyId), 'run starts')
    const { result, isReplay } = await this.#product.ask(holder, command, `${holder.keyId} ${own ?? randomUUID()}`)
    const hasStarted = result.ok && result.value.kind === 'started' && !isReplay
    if (mayStart.has(command.kind) && !hasStarted) this.#starts.giveBack(holder.keyId)
    if (isReplay) reply.header('idempotent-replayed', 'true')
    return result.ok ? reply.code(status).send(draw(result.value)) : sendProblem(reply, problemOf(result.refusal))
  }

  /** Throws a Failure for whoever may not come in. */
  async #admit(request: FastifyRequest, reply: FastifyReply, scope: Scope): Promise<Holder> {
    const secret = /^Bearer (\S{1,200})$/i.exec(request.headers.authorization ?? '')?.[1]
    const holder = secret === undefined ? null : await this.#product.identify(secret)
    if (holder === null) throw refuseStranger(this.#failures.take(request.ip))
    tell(reply, this.#requests.take(holder.keyId), 'requests')
    if (scope === 'read' || holder.scopes.includes(scope)) return holder
    const detail = `This key has the scope ${holder.scopes.join(', ')}; this needs ${scope}.`
    await this.#product.deny(holder, detail)
    throw new Failure({ status: 403, code: 'not_allowed', detail, next: `Make a key with --scope ${scope}.` })
  }
}

/** What begins a run of its own; a retry may go on with the same run instead. */
const mayStart: ReadonlySet<string> = new Set(['run', 'retry', 'undo'])

type Visit = { readonly request: FastifyRequest; readonly reply: FastifyReply }

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
