import { createHash, randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Command, Reply } from '../../core/commands/command.ts'
import type { Door } from './door.ts'
import type { Product } from './house.ts'
import { Failure, problemOf, sendProblem } from './problem.ts'
import { decisions, drawChange, ofGate, ofRun, paged, parse, routes } from './routes.ts'

/** The routes that need a key: each is a command, asked as the key's owner, within the key's scopes. */
export function addApi(app: FastifyInstance, product: Product, door: Door): void {
  for (const route of routes) {
    app.route({
      method: route.method,
      url: route.path,
      ...door.guard(route.scope),
      handler: (request, reply) => door.carryOut({ request, reply }, route.command(request), route),
    })
  }
  addDecisions(app, product, door)
  addReadings(app, product, door)
}

/** A gate is named alone: its run is looked up, and the rest is the command that everybody else gives. */
function addDecisions(app: FastifyInstance, product: Product, door: Door): void {
  for (const [kind, body] of Object.entries(decisions)) {
    app.post(`/api/v1/gates/:id/${kind}`, door.guard('decide'), async (request, reply) => {
      const { id } = parse(ofGate, request.params, 'the path')
      const said: Said = parse(body, request.body ?? {}, 'the body')
      const run = await product.runOfGate(id)
      if (run === null) throw noGate
      const about = { run, gate: id, sha256: said.sha256 }
      const command: Command =
        kind === 'approve'
          ? { kind: 'approve', ...about, ...(said.option ? { option: said.option } : {}) }
          : { kind: kind === 'reject' ? 'reject' : 'changes', ...about, reason: said.reason ?? '' }
      return door.carryOut({ request, reply }, command, { draw: drawChange, status: 200 })
    })
  }
}

type Said = { readonly sha256: string; readonly reason?: string; readonly option?: string | undefined }

const noGate = new Failure({
  status: 404,
  code: 'not_found',
  detail: 'There is no such gate.',
  next: 'See /api/v1/gates.',
})

/** What is read and is no command of its own. */
function addReadings(app: FastifyInstance, product: Product, door: Door): void {
  app.get('/api/v1/projects', door.guard('read'), async (request, reply) => {
    const { page } = parse(paged, request.query, 'the query')
    const result = await product.projects(door.holderOf(request), page)
    return result.ok
      ? reply.send({ kind: 'projects', page, projects: result.value })
      : sendProblem(reply, problemOf(result.refusal))
  })
  app.get('/api/v1/runs/:run/artifacts/*', door.guard('read'), async (request, reply) => {
    const { run, '*': name } = parse(ofArtifact, request.params, 'the path')
    const command: Command = { kind: 'artifacts', run, name: null }
    const { result } = await product.ask(door.holderOf(request), command, randomUUID())
    if (!result.ok) return sendProblem(reply, problemOf(result.refusal))
    return sendBytes(request, reply, { product, name, found: findArtifact(result.value, name) })
  })
}

const ofArtifact = ofRun.extend({ '*': z.string().min(1).max(300) })

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
