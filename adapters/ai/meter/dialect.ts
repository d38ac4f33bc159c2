import { z } from 'zod'
import type { ModelInterface } from '../../../core/workshop.ts'
import type { Usage } from '../price.ts'

/** A request body as it came: every field but those that are checked goes on as it is. */
export type Body = Readonly<Record<string, unknown>>

/** What the meter does to a body, in the words of one interface. */
export type Dialect = {
  /** The part of the path behind the version, for a request of this interface; null when it is another. */
  readonly pathOf: (path: string, model: string) => string | null
  /** The body with our model and cap, and without what would reach outside; a sentence when it cannot go on at all. */
  readonly tamed: (
    body: Body,
    asked: { readonly model: string; readonly cap: number; readonly isOpenAi: boolean },
  ) => Body | string
  /** A tamed body at this temperature; null: without any. */
  readonly tempered: (body: Body, temperature: number | null) => Body
  /** The output cap of a tamed body. */
  readonly capOf: (body: Body) => number
  /** Adds what an event of the answer says of its use. Null fields are not known yet. */
  readonly hear: (event: Body, heard: Heard) => Heard
}

/** What is known of a call's use. `isWhole`: no more is to come. */
export type Heard = Usage & { readonly written: number; readonly isWhole: boolean }

export const nothingHeard: Heard = { input: 0, cached: 0, written: 0, output: 0, isWhole: false }

const record = z.record(z.string(), z.unknown())
const asRecord = (value: unknown): Body => record.safeParse(value).data ?? {}
const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
const asCount = (value: unknown): number => (typeof value === 'number' && value > 0 ? Math.floor(value) : 0)
const capped = (asked: unknown, cap: number): number => Math.min(asCount(asked) || cap, cap)

/** Kinds of tools that the agent runs itself; all else would run at the provider, and could reach anything from there. */
const own: Readonly<Record<'responses' | 'chat' | 'anthropic', RegExp>> = {
  responses: /^(?:function|custom|local_shell|apply_patch)$/,
  chat: /^(?:function|custom)$/,
  anthropic: /^(?:custom|bash_\d+|text_editor_\d+|str_replace_based_edit_tool)$/,
}

const ownTools = (tools: unknown, pattern: RegExp, usual: string): readonly unknown[] =>
  asList(tools).filter((tool) => {
    const { type = usual } = asRecord(tool)
    return typeof type === 'string' && pattern.test(type)
  })

const without = (body: Body, names: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(body).filter(([name]) => !names.includes(name)))

/** Only where a body has tools at all: some interfaces refuse an empty list. */
const withTools = (body: Record<string, unknown>, tools: readonly unknown[]): Record<string, unknown> =>
  tools.length === 0 ? without(body, ['tools', 'tool_choice']) : { ...body, tools }

const tempered = (body: Body, temperature: number | null): Body =>
  temperature === null ? without(body, ['temperature']) : { ...body, temperature }

/** Asks for more pay for the same tokens than the price table knows; the operator's own settings at the provider decide then. */
const dearer = ['service_tier', 'speed', 'inference_geo']

const responses: Dialect = {
  pathOf: (path) => (/^\/v1\/responses$/.test(path) ? '/responses' : null),
  tamed: (body, { model, cap }) => {
    if (body['background'] === true) return 'background responses are not served: they would go on unmetered'
    if (body['previous_response_id']) return 'stored responses are not served: send the whole conversation'
    const kept = without(body, ['conversation', 'prompt', 'background', ...dearer])
    const tools = ownTools(body['tools'], own.responses, '')
    return withTools({ ...kept, model, store: false, max_output_tokens: capped(body['max_output_tokens'], cap) }, tools)
  },
  tempered,
  capOf: (body) => asCount(body['max_output_tokens']),
  hear: (event, heard) => {
    const answer = 'response' in event ? asRecord(event['response']) : event
    const usage = asRecord(answer['usage'])
    if (usage['input_tokens'] === undefined) return heard
    const cached = asCount(asRecord(usage['input_tokens_details'])['cached_tokens'])
    const counted = { input: asCount(usage['input_tokens']), cached, output: asCount(usage['output_tokens']) }
    return { ...heard, ...counted, isWhole: true }
  },
}

const chat: Dialect = {
  pathOf: (path) => (/^\/v1\/chat\/completions$/.test(path) ? '/chat/completions' : null),
  tamed: (body, { model, cap, isOpenAi }) => {
    if (asCount(body['n']) > 1) return 'only one answer is served at a time: leave n out'
    const kept = without(body, [
      'web_search_options',
      'store',
      'max_tokens',
      'max_completion_tokens',
      'modalities',
      'audio',
      // One answer is what is usual; some servers read a number in quotes as one.
      'n',
      'best_of',
      ...dearer,
    ])
    const most = capped(body['max_completion_tokens'] ?? body['max_tokens'], cap)
    const limit = isOpenAi ? { max_completion_tokens: most } : { max_tokens: most }
    // Without this a stream does not say what it used.
    const counted = body['stream'] === true ? { stream_options: { include_usage: true } } : {}
    return withTools({ ...kept, ...limit, ...counted, model }, ownTools(body['tools'], own.chat, 'function'))
  },
  tempered,
  capOf: (body) => asCount(body['max_completion_tokens'] ?? body['max_tokens']),
  hear: (event, heard) => {
    const usage = asRecord(event['usage'])
    if (usage['prompt_tokens'] === undefined) return heard
    const cached = asCount(asRecord(usage['prompt_tokens_details'])['cached_tokens'])
    const counted = { input: asCount(usage['prompt_tokens']), cached, output: asCount(usage['completion_tokens']) }
    return { ...heard, ...counted, isWhole: true }
  },
}

/** What is kept for an hour costs more to write than the price table knows; what is usual is kept for five minutes. */
function inUsualCache(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inUsualCache)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      name === 'cache_control' && inner !== null ? without(asRecord(inner), ['ttl']) : inUsualCache(inner),
    ]),
  )
}

/** Thinking is a part of the answer and has to be shorter; this is the least that there can be of it. */
const leastThinking = 1_024

/** Thinking that leaves half of a short answer for words; where that is too little there is none. */
function withThinking(body: Body, cap: number): Body {
  const thinking = asRecord(body['thinking'])
  if (asCount(thinking['budget_tokens']) < cap) return body
  const room = Math.floor(cap / 2)
  // How thinking is kept in a conversation may only be said where there is some.
  if (room < leastThinking) return without(body, ['thinking', 'context_management'])
  return { ...body, thinking: { ...thinking, budget_tokens: room } }
}

const anthropic: Dialect = {
  pathOf: (path) => (/^\/v1\/messages$/.test(path) ? '/messages' : null),
  tamed: (body, { model, cap }) => {
    const kept = asRecord(inUsualCache(without(body, ['mcp_servers', 'container', ...dearer])))
    const max_tokens = capped(body['max_tokens'], cap)
    return withTools(
      { ...withThinking(kept, max_tokens), model, max_tokens },
      ownTools(kept['tools'], own.anthropic, 'custom'),
    )
  },
  // A model that thinks takes none but its own.
  tempered: (body, temperature) => {
    const { type = 'disabled' } = asRecord(body['thinking'])
    return tempered(body, type === 'disabled' ? temperature : null)
  },
  capOf: (body) => asCount(body['max_tokens']),
  hear: (event, heard) => {
    const message = asRecord(event['message'])
    const usage = asRecord(event['usage'] ?? message['usage'])
    const read = asCount(usage['cache_read_input_tokens'])
    const written = asCount(usage['cache_creation_input_tokens'])
    const input = asCount(usage['input_tokens']) + read + written
    // The last word on output comes with `message_delta`; what stands in `message_start` is a beginning.
    const isWhole = event['type'] === 'message_delta' || event['type'] === 'message'
    return {
      input: Math.max(heard.input, input),
      cached: Math.max(heard.cached, read),
      written: Math.max(heard.written, written),
      output: Math.max(heard.output, asCount(usage['output_tokens'])),
      isWhole: heard.isWhole || (isWhole && usage['output_tokens'] !== undefined),
    }
  },
}

/** Google takes names with capitals and with underscores: what is looked at and what goes on has the first spelling alone. */
const spelled = (body: Body): Body =>
  Object.fromEntries(
    Object.entries(body).map(([name, value]) => [
      name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  )

const google: Dialect = {
  pathOf: (path, model) => {
    const [, verb] = /^\/v1beta\/models\/[^/:]+:(generateContent|streamGenerateContent)$/.exec(path) ?? []
    if (verb === undefined) return null
    return `/models/${encodeURIComponent(model)}:${verb}${verb.startsWith('stream') ? '?alt=sse' : ''}`
  },
  tamed: (given, { cap }) => {
    const body = spelled(given)
    const config = spelled(asRecord(body['generationConfig']))
    if (Number(config['candidateCount'] ?? 1) !== 1)
      return 'only one answer is served at a time: leave candidateCount out'
    const tools = asList(body['tools']).flatMap((tool) => {
      const { functionDeclarations } = spelled(asRecord(tool))
      return functionDeclarations === undefined ? [] : [{ functionDeclarations }]
    })
    const generationConfig = { ...config, maxOutputTokens: capped(config['maxOutputTokens'], cap) }
    const kept = without(body, ['cachedContent', 'model', 'serviceTier'])
    return tools.length === 0
      ? { ...without(kept, ['tools', 'toolConfig']), generationConfig }
      : { ...kept, tools, generationConfig }
  },
  tempered: (body, temperature) => ({
    ...body,
    generationConfig: tempered(asRecord(body['generationConfig']), temperature),
  }),
  capOf: (body) => asCount(asRecord(body['generationConfig'])['maxOutputTokens']),
  hear: (event, heard) => {
    const usage = asRecord(event['usageMetadata'])
    if (usage['promptTokenCount'] === undefined) return heard
    const [candidate] = asList(event['candidates'])
    // A question that is refused has no answer to finish.
    const isRefused = asRecord(event['promptFeedback'])['blockReason'] !== undefined
    return {
      ...heard,
      input: asCount(usage['promptTokenCount']),
      cached: asCount(usage['cachedContentTokenCount']),
      output: asCount(usage['candidatesTokenCount']) + asCount(usage['thoughtsTokenCount']),
      isWhole: heard.isWhole || isRefused || asRecord(candidate)['finishReason'] !== undefined,
    }
  },
}

/** The interfaces that this meter reads; Cursor’s has a meter of its own. */
export type HttpInterface = Exclude<ModelInterface, 'cursor'>

export const dialects: Readonly<Record<HttpInterface, Dialect>> = {
  'openai-responses': responses,
  'openai-chat': chat,
  'anthropic-messages': anthropic,
  'google-generate': google,
}

/** Fields that hold data of the agent's own tools, where an address means nothing. */
const ownData: ReadonlySet<string> = new Set(['arguments', 'args', 'parameters', 'input_schema', 'schema', 'response'])

/** Fields by which a provider fetches what they name. */
const fetched: ReadonlySet<string> = new Set(['image_url', 'file_url', 'fileUri', 'file_uri', 'url', 'server_url'])

/**
 * Where a body asks the provider to fetch an address: a way out that no wall of ours would see. Null: nowhere. The body itself
 * is no tool's, whatever type it says it has.
 */
export function addressIn(value: unknown, depth = 0): string | null {
  if (depth > 40 || value === null || typeof value !== 'object') return null
  for (const [name, inner] of Object.entries(value)) {
    if (ownData.has(name) || (name === 'input' && depth > 0 && asRecord(value)['type'] === 'tool_use')) continue
    if (fetched.has(name) && typeof inner === 'string' && !inner.startsWith('data:')) return name
    const deeper = addressIn(inner, depth + 1)
    if (deeper !== null) return deeper
  }
  return null
}
