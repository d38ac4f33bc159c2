import type { LanguageModel as VendorModel } from 'ai'
import { assert } from '../../core/model/problem.ts'
import type { LanguageModel, ModelAnswer, ModelRequest } from '../../core/ports.ts'
import type { ModelSource } from './environment.ts'
import type { Usage } from './price.ts'
import { costOf, loadPrices, mostOf } from './price.ts'
import { fetchInTurns, nextTurn } from './turns.ts'

/** How long a call may take in all, and without a word; milliseconds. */
export type Patience = { readonly totalMs: number; readonly idleMs: number }

const usualPatience: Patience = { totalMs: 240_000, idleMs: 60_000 }

/** A model over its provider's API. The packages of providers load here, and only that of this one. */
export async function createLanguageModel(source: ModelSource, patience = usualPatience): Promise<LanguageModel> {
  const [vendor] = await Promise.all([vendorModelOf(source), loadPrices()])
  return {
    name: source.name,
    worstCase: (request) => costOf(source, mostOf(request)),
    ask: (request, signal, onText) => ask({ source, vendor, patience }, request, { signal, onText }),
  }
}

async function vendorModelOf({ provider, model, apiKey, baseUrl }: ModelSource): Promise<VendorModel> {
  const settings = { apiKey: apiKey ?? 'none', fetch: fetchInTurns, ...(baseUrl === null ? {} : { baseURL: baseUrl }) }
  switch (provider) {
    case 'openai':
      return (await import('@ai-sdk/openai')).createOpenAI(settings)(model)
    case 'anthropic':
      return (await import('@ai-sdk/anthropic')).createAnthropic(settings)(model)
    case 'google':
      return (await import('@ai-sdk/google')).createGoogle(settings)(model)
    case 'compatible': {
      assert(baseUrl !== null, 'a compatible endpoint has an address')
      const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible')
      const known = { name: 'compatible', baseURL: baseUrl, includeUsage: true, fetch: fetchInTurns }
      const named = { ...known, ...(apiKey === null ? {} : { apiKey }) }
      return createOpenAICompatible(named)(model)
    }
  }
}

type Called = { readonly source: ModelSource; readonly vendor: VendorModel; readonly patience: Patience }
type Hearing = { readonly signal: AbortSignal; readonly onText: ((characters: number) => void) | undefined }

async function ask(called: Called, request: ModelRequest, { signal, onText }: Hearing): Promise<ModelAnswer> {
  await nextTurn()
  signal.throwIfAborted()
  const { faultOf, tooSlow } = await import('./fault.ts')
  const began = performance.now()
  const stop = new AbortController()
  const total = setTimeout(() => stop.abort(), called.patience.totalMs)
  let idle = setTimeout(() => stop.abort(), called.patience.idleMs)
  const onWord = (characters: number): void => {
    clearTimeout(idle)
    idle = setTimeout(() => stop.abort(), called.patience.idleMs)
    onText?.(characters)
  }
  try {
    const answer = await listen(called, request, { signal: AbortSignal.any([signal, stop.signal]), onWord })
    return { ...answer, durationMs: Math.round(performance.now() - began) }
  } catch (error) {
    signal.throwIfAborted()
    throw stop.signal.aborted ? tooSlow(called.source) : faultOf(called.source, error)
  } finally {
    clearTimeout(total)
    clearTimeout(idle)
  }
}

type Listening = { readonly signal: AbortSignal; readonly onWord: (characters: number) => void }

async function listen({ source, vendor }: Called, request: ModelRequest, { signal, onWord }: Listening) {
  const { jsonSchema, Output, streamText } = await import('ai')
  // What a model does not take (a temperature, say) is left out without a word on stderr.
  Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false })
  const { system, prompt, maxOutputTokens, temperature, answer } = request
  const { fullStream } = streamText({
    model: vendor,
    instructions: system,
    prompt,
    maxOutputTokens,
    ...(temperature === null ? {} : { temperature }),
    ...(answer === null ? {} : { output: Output.object({ schema: jsonSchema(answer) }) }),
    // The engine repeats what failed, and has reserved for one call.
    maxRetries: 0,
    abortSignal: signal,
    // What fails arrives in the stream.
    onError: () => undefined,
  })
  let text = ''
  let requestId: string | null = null
  for await (const part of fullStream) {
    if (part.type === 'error') throw part.error
    if (part.type === 'abort') break
    if (part.type === 'finish-step') requestId = part.response.id
    if (part.type === 'text-delta') onWord((text += part.text).length)
    if (part.type === 'finish')
      return { text, ...bill(source, request, part.totalUsage), requestId, isCut: part.finishReason === 'length' }
  }
  signal.throwIfAborted()
  throw new Error('the stream ended before the answer')
}

type Counted = {
  readonly inputTokens: number | undefined
  readonly inputTokenDetails: { readonly cacheReadTokens: number | undefined }
  readonly outputTokens: number | undefined
}

/** By the provider's count; where it gave none, the most that the call can have used. */
function bill(source: ModelSource, request: ModelRequest, counted: Counted) {
  const most = mostOf(request)
  const isCounted = (counted.inputTokens ?? 0) > 0
  const usage: Usage = isCounted
    ? {
        input: counted.inputTokens ?? most.input,
        cached: counted.inputTokenDetails.cacheReadTokens ?? 0,
        output: counted.outputTokens ?? most.output,
      }
    : most
  const { input, cached, output } = usage
  return { used: costOf(source, usage), inputTokens: input, cachedTokens: cached, outputTokens: output }
}
