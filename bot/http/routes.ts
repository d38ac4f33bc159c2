import { z } from 'zod'
import type { Command, Reply, Scope } from '../../core/commands/command.ts'
import { scopes } from '../../core/commands/command.ts'
import { numberOf } from '../../core/model/handle.ts'
import { Failure } from './problem.ts'

/** What came with a request, not yet looked at. */
export type Given = { readonly params: unknown; readonly query: unknown; readonly body: unknown }

/** A request that is a command, from its schemas to its answer. */
export type Route = {
  readonly method: 'GET' | 'POST'
  /** As fastify writes it: `/api/v1/runs/:run`. */
  readonly path: string
  readonly summary: string
  readonly scope: Scope
  readonly status: number
  readonly params: z.ZodType
  readonly query: z.ZodType
  readonly body: z.ZodType
  readonly answer: z.ZodType
  /** Throws a Failure that says what is wrong. */
  command(given: Given): Command
  draw(reply: Reply): unknown
}

const nothing = z.object({})

type Draft<P, Q, B> = Pick<Route, 'method' | 'path' | 'summary' | 'scope'> & {
  readonly status?: number
  readonly params?: z.ZodType<P>
  readonly query?: z.ZodType<Q>
  readonly body?: z.ZodType<B>
  readonly answer: z.ZodType
  readonly command: (given: { readonly params: P; readonly query: Q; readonly body: B }) => Command
  readonly draw?: (reply: Reply) => unknown
}

function route<P = unknown, Q = unknown, B = unknown>(draft: Draft<P, Q, B>): Route {
  const { command, params, query, body } = draft
  type Schemas = { readonly params: z.ZodType; readonly query: z.ZodType; readonly body: z.ZodType }
  const schemas: Schemas = { params: params ?? nothing, query: query ?? nothing, body: body ?? nothing }
  return {
    status: 200,
    draw: (reply) => reply,
    ...draft,
    ...schemas,
    command: (given) =>
      command({
        params: parse(schemas.params, given.params, 'the path') as P,
        query: parse(schemas.query, given.query, 'the query') as Q,
        body: parse(schemas.body, given.body ?? {}, 'the body') as B,
      }),
  }
}

/** The value in its shape. Throws a Failure that names each field at fault. */
export function parse<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const detail = parsed.error.issues
    .slice(0, 5)
    .map(({ path, message }) => `${path.length > 0 ? path.join('.') : where}: ${message}`)
    .join('; ')
  throw new Failure({ status: 400, code: 'VALIDATION_ERROR', detail, next: 'See /openapi.json for the shape.' })
}

const handle = z
  .string()
  .max(12)
  .refine((text) => numberOf(text) !== null, 'must be a run, such as r7k2')
  .transform((text) => text.toLowerCase())

export const ofRun = z.object({ run: handle })
export const ofGate = z.object({ id: z.uuid() })
export const paged = z.object({ page: z.coerce.number().int().min(1).max(100_000).default(1) })

/** A program elsewhere has no business in this machine's folders. */
const target = z
  .string()
  .max(2_000)
  .regex(/^([a-z][a-z0-9+.-]*:\/\/|[^\s/@]+@[^\s/]+:)\S+$/i, 'must be the URL of a repository')
const branch = z.string().min(1).max(250)
const sha256 = z.string().regex(/^[0-9a-f]{8,64}$/, 'must be the digest a gate shows, 8 digits at least')
const reason = z.string().trim().min(1).max(10_000)

/** The caller's own id for the run, in its events and logs. */
const correlation = z.uuid().optional()

const start = z.object({
  target,
  branch: branch.optional(),
  pipeline: z.string().min(1).max(80).default('factory'),
  dry_run: z.boolean().default(false),
  confirm: z.boolean().default(false),
  correlation_id: correlation,
})

/** The originals' spelling. */
const legacyStart = z.object({
  repo_url: target,
  branch: branch.optional(),
  quantapilot_yaml_path: z.literal('quantapilot.yml', 'only quantapilot.yml is read').optional(),
  correlation_id: correlation,
})

const startedAnswer = z.object({
  kind: z.literal('started'),
  run_id: z.string(),
  uuid: z.string(),
  correlation_id: z.string(),
  href: z.string(),
})
const changedAnswer = z.object({ kind: z.literal('changed'), change: z.string(), run_id: z.string() })
export const votedAnswer = z.object({
  kind: z.literal('voted'),
  run_id: z.string(),
  gate: z.string(),
  verdict: z.string().nullable(),
  sha256: z.string().nullable(),
  votes: z.int(),
  quorum: z.int(),
})
const askedAnswer = z.object({ kind: z.literal('budget_asked'), run_id: z.string(), gate_id: z.string().nullable() })
const replyOf = (kind: Reply['kind']) => z.looseObject({ kind: z.literal(kind) })

/**
 * What a change answers: nothing in it moves on with the run, so that the same request hears the same bytes for as long
 * as its key is kept.
 */
export function drawChange(reply: Reply): unknown {
  switch (reply.kind) {
    case 'started': {
      const { handle: run, runId, correlationId } = reply.card
      return { kind: 'started', run_id: run, uuid: runId, correlation_id: correlationId, href: `/api/v1/runs/${run}` }
    }
    case 'changed':
      return { kind: 'changed', change: reply.change, run_id: reply.card.handle }
    case 'voted': {
      const { gate, verdict, votes, quorum } = reply
      return { kind: 'voted', run_id: reply.card.handle, gate, verdict, sha256: reply.sha256, votes, quorum }
    }
    case 'budget':
      return { kind: 'budget_asked', run_id: reply.handle, gate_id: reply.asked?.gateId ?? null }
    default:
      return reply
  }
}

const changes = (['pause', 'resume', 'retry', 'cancel'] as const).map((kind) =>
  route({
    method: 'POST',
    path: `/api/v1/runs/:run/${kind}`,
    summary: `${kind} a run`,
    scope: 'operate',
    params: ofRun,
    answer: changedAnswer,
    command: ({ params }) => ({ kind, run: params.run }),
    draw: drawChange,
  }),
)

const commit = z.string().regex(/^[0-9a-f]{7,40}$/, 'must be 7 to 40 digits of a commit')

/**
 * What a decision says. The digest names the bytes that were looked at; another version refuses it. `option` grants money for
 * the phase under way only.
 */
export const decisions = {
  approve: z.object({ sha256, option: z.enum(['phase']).optional() }),
  reject: z.object({ sha256, reason }),
  changes: z.object({ sha256, reason }),
} as const

/** Every route that is one command and needs nothing else. */
export const routes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/api/v1/runs',
    summary: 'start a run',
    scope: 'operate',
    status: 202,
    body: start,
    answer: startedAnswer,
    command: ({ body }) => ({
      kind: 'run',
      target: body.target,
      branch: body.branch ?? null,
      pipeline: body.pipeline,
      dryRun: body.dry_run,
      confirm: body.confirm,
      ...(body.correlation_id && { correlationId: body.correlation_id }),
    }),
    draw: drawChange,
  }),
  route({
    method: 'POST',
    path: '/run',
    summary: 'start a run, as the originals spelled it',
    scope: 'operate',
    status: 202,
    body: legacyStart,
    answer: startedAnswer,
    command: ({ body }) => ({
      kind: 'run',
      target: body.repo_url,
      branch: body.branch ?? null,
      pipeline: 'factory',
      dryRun: false,
      confirm: false,
      ...(body.correlation_id && { correlationId: body.correlation_id }),
    }),
    draw: drawChange,
  }),
  route({
    method: 'GET',
    path: '/api/v1/runs',
    summary: 'the latest runs, a page at a time',
    scope: 'read',
    query: paged,
    answer: replyOf('runs'),
    command: ({ query }) => ({ kind: 'runs', page: query.page }),
  }),
  route({
    method: 'GET',
    path: '/api/v1/runs/:run',
    summary: 'one run',
    scope: 'read',
    params: ofRun,
    answer: replyOf('card'),
    command: ({ params }) => ({ kind: 'status', run: params.run, page: 1 }),
  }),
  route({
    method: 'GET',
    path: '/api/v1/runs/:run/gates',
    summary: 'the gates of a run, decided ones included',
    scope: 'read',
    params: ofRun,
    answer: replyOf('gates'),
    command: ({ params }) => ({ kind: 'status', run: params.run, page: 1 }),
    draw: (reply) => ({ kind: 'gates', gates: reply.kind === 'card' ? reply.card.gates : [] }),
  }),
  ...changes,
  route({
    method: 'POST',
    path: '/api/v1/runs/:run/undo',
    summary: 'take back what a run did outside, or one merge of it; starts a run that waits at a gate',
    scope: 'operate',
    status: 202,
    params: ofRun,
    body: z.object({ commit: commit.optional() }),
    answer: startedAnswer,
    command: ({ params, body }) => ({ kind: 'undo', run: params.run, commit: body.commit ?? null }),
    draw: drawChange,
  }),
  route({
    method: 'GET',
    path: '/api/v1/gates',
    summary: 'everything that waits for a decision, oldest first, a page at a time',
    scope: 'read',
    query: paged,
    answer: replyOf('gates'),
    command: ({ query }) => ({ kind: 'gates', page: query.page }),
  }),
  route({
    method: 'GET',
    path: '/api/v1/runs/:run/budget',
    summary: 'what a run has spent, and of how much',
    scope: 'read',
    params: ofRun,
    answer: z.looseObject({ kind: z.literal('budget') }),
    command: ({ params }) => ({ kind: 'status', run: params.run, page: 1 }),
    draw: (reply) =>
      reply.kind === 'card' ? { kind: 'budget', run_id: reply.card.handle, money: reply.card.money } : reply,
  }),
  route({
    method: 'POST',
    path: '/api/v1/runs/:run/budget',
    summary: 'ask for more money; a gate opens that somebody decides',
    scope: 'operate',
    params: ofRun,
    body: z.object({ raise_micros: z.int().min(1).max(1_000_000_000_000) }),
    answer: askedAnswer,
    command: ({ params, body }) => ({ kind: 'budget', run: params.run, raiseMicros: body.raise_micros }),
    draw: drawChange,
  }),
  route({
    method: 'GET',
    path: '/api/v1/runs/:run/logs',
    summary: 'what happened, line by line, a page at a time',
    scope: 'read',
    params: ofRun,
    query: paged,
    answer: replyOf('logs'),
    command: ({ params, query }) => ({ kind: 'logs', run: params.run, page: query.page }),
  }),
  route({
    method: 'GET',
    path: '/api/v1/runs/:run/calls',
    summary: 'calls of models, newest first, a page at a time',
    scope: 'read',
    params: ofRun,
    query: paged,
    answer: replyOf('calls'),
    command: ({ params, query }) => ({ kind: 'calls', run: params.run, page: query.page }),
  }),
  route({
    method: 'GET',
    path: '/api/v1/runs/:run/artifacts',
    summary: 'what a run made',
    scope: 'read',
    params: ofRun,
    answer: replyOf('artifacts'),
    command: ({ params }) => ({ kind: 'artifacts', run: params.run, name: null }),
  }),
  route({
    method: 'GET',
    path: '/api/v1/runs/:run/diff',
    summary: 'what a gate shows against the version before',
    scope: 'read',
    params: ofRun,
    answer: replyOf('diff'),
    command: ({ params }) => ({ kind: 'diff', run: params.run }),
  }),
  route({
    method: 'GET',
    path: '/api/v1/whoami',
    summary: 'whom this key acts for, and what they may do',
    scope: 'read',
    answer: replyOf('whoami'),
    command: () => ({ kind: 'whoami' }),
  }),
  route({
    method: 'GET',
    path: '/api/v1/keys',
    summary: 'every key; needs the role admin',
    scope: 'read',
    answer: replyOf('keys'),
    command: () => ({ kind: 'key', verb: 'list', name: '', scopes: [] }),
  }),
  route({
    method: 'POST',
    path: '/api/v1/keys/:id/revoke',
    summary: 'end a key; needs the role admin',
    scope: 'operate',
    params: ofGate,
    answer: replyOf('key_revoked'),
    command: ({ params }) => ({ kind: 'key', verb: 'revoke', name: params.id, scopes: [...scopes] }),
  }),
]
