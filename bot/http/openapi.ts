import { z } from 'zod'
import { problemBody } from './problem.ts'
import { decisions, ofGate, ofRun, paged, routes, votedAnswer } from './routes.ts'

type Operation = {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly summary: string
  readonly scope: string | null
  readonly status: number
  readonly params?: z.ZodType
  readonly query?: z.ZodType
  readonly body?: z.ZodType
  readonly answer?: z.ZodType
}

const any = z.looseObject({})

const decide: readonly Operation[] = Object.entries(decisions).map(([kind, body]) => ({
  method: 'POST',
  path: `/api/v1/gates/:id/${kind}`,
  summary: `${kind}: decide the exact bytes that a gate shows`,
  scope: 'decide',
  status: 200,
  params: ofGate,
  body,
  answer: votedAnswer,
}))

const hook = (path: string): Operation => ({
  method: 'POST',
  path,
  summary: 'where a network sends its events, signed',
  scope: null,
  status: path.endsWith('github') ? 202 : 200,
  body: any,
})

const others: readonly Operation[] = [
  {
    method: 'GET',
    path: '/api/v1/projects',
    summary: 'repositories that runs were started on',
    scope: 'read',
    status: 200,
    query: paged,
    answer: any,
  },
  {
    method: 'GET',
    path: '/api/v1/runs/:run/artifacts/*',
    summary: 'the bytes of an artifact; the ETag is their sha256',
    scope: 'read',
    status: 200,
    params: ofRun.extend({ '*': z.string() }),
  },
  { method: 'GET', path: '/health', summary: 'how the product is', scope: null, status: 200, answer: any },
  { method: 'GET', path: '/openapi.json', summary: 'this description', scope: null, status: 200, answer: any },
  ...['github', 'telegram', 'slack/events', 'slack/commands', 'slack/interactions'].map((name) =>
    hook(`/webhooks/${name}`),
  ),
]

/** The description of every route, from the schemas that requests are checked with: OpenAPI 3.1. */
export function describeApi(version: string): unknown {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const operation of [...routes, ...decide, ...others]) {
    const path = operation.path.replaceAll(/:(\w+)/g, '{$1}').replace('*', '{name}')
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: describe(operation) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'QuantaPilot', version, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/' }],
    paths,
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer', bearerFormat: 'qpk_…' } },
      schemas: { Problem: shapeOf(problemBody, 'output') },
    },
  }
}

const shapeOf = (schema: z.ZodType, io: 'input' | 'output'): unknown => {
  const { $schema: _, ...shape } = z.toJSONSchema(schema, { unrepresentable: 'any', io })
  return shape
}

function describe({ method, path, summary, scope, status, params, query, body, answer }: Operation): unknown {
  const isApi = scope !== null
  const problem = { description: 'a problem', content: { 'application/problem+json': { schema: problemRef } } }
  const content = answer
    ? { 'application/json': { schema: shapeOf(answer, 'output') } }
    : { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } }
  return {
    operationId: `${method.toLowerCase()}${path.replaceAll(/[^a-z0-9]+(\w)/gi, (_, letter: string) => letter.toUpperCase()).replaceAll(/\W/g, '')}`,
    summary: isApi ? `${summary} (scope ${scope})` : summary,
    security: isApi ? [{ key: [] }] : [],
    parameters: [
      ...parametersOf(params, 'path'),
      ...parametersOf(query, 'query'),
      ...(method === 'POST' && isApi ? [idempotency] : []),
    ],
    ...(method === 'POST' && body && hasFields(body)
      ? { requestBody: { required: true, content: { 'application/json': { schema: shapeOf(body, 'input') } } } }
      : {}),
    responses: { [status]: { description: 'done', content }, default: problem },
  }
}

const problemRef = { $ref: '#/components/schemas/Problem' }

const idempotency = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'The same key with the same request is done once and answered the same; with another request it is refused.',
  schema: { type: 'string', maxLength: 255 },
}

const fields = z.object({
  properties: z.record(z.string(), z.unknown()).default({}),
  required: z.array(z.string()).default([]),
})

const hasFields = (schema: z.ZodType): boolean =>
  schema === any || Object.keys(fields.parse(shapeOf(schema, 'input')).properties).length > 0

function parametersOf(schema: z.ZodType | undefined, where: 'path' | 'query'): unknown[] {
  if (!schema) return []
  const { properties, required } = fields.parse(shapeOf(schema, 'input'))
  return Object.entries(properties).map(([name, shape]) => ({
    name: name === '*' ? 'name' : name,
    in: where,
    required: where === 'path' || required.includes(name),
    schema: shape,
  }))
}
