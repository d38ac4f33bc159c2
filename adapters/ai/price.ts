import type { Amount } from '../../core/model/amount.ts'
import { assert } from '../../core/model/problem.ts'
import type { ModelRequest } from '../../core/ports.ts'
import type { ModelSource } from './environment.ts'

/** What a call used, by the provider's own count; what was read from a cache, and `written` to one, is part of `input`. */
export type Usage = {
  readonly input: number
  readonly cached: number
  readonly written?: number
  readonly output: number
}

type Calculate = typeof import('@pydantic/genai-prices').calcPrice

let calculate: Calculate | null = null

/** Reads the price table, once: it is large, and who calls no model needs none. */
export async function loadPrices(): Promise<void> {
  calculate ??= (await import('@pydantic/genai-prices')).calcPrice
}

/**
 * What that much costs at the operator's own price, or at the table's for the tier it falls in, rounded up; no micros where the table does not know
 * the model, so that tokens alone are capped. `loadPrices` comes before.
 */
export function costOf(source: ModelSource, { input, cached, written = 0, output }: Usage): Amount {
  assert(calculate, 'prices are loaded before they are asked for')
  const { provider, model, price: own } = source
  const tokens = input + output
  // A dollar for a million tokens is a millionth of a dollar for each. What a cache would save is not known here.
  if (own) return { micros: Math.ceil(input * own.input + output * own.output), tokens }
  if (provider === 'compatible') return { micros: 0, tokens }
  const used = {
    input_tokens: input,
    cache_read_tokens: cached,
    cache_write_tokens: written,
    output_tokens: output,
  }
  const price = calculate(used, model, { providerId: provider })
  return { micros: Math.ceil((price?.total_price ?? 0) * 1_000_000), tokens }
}

/** Tokens that a provider puts around a question, at most: roles, separators, what says that JSON is wanted. */
const aroundTokens = 256

/**
 * The most a question may use. A token stands for one byte of text or more in every tokenizer these providers have, so
 * that the bytes are counted: about four times too many for English, and never too few.
 */
export function mostOf({ system, prompt, answer, maxOutputTokens }: ModelRequest): Usage {
  return mostOfText(`${system}${prompt}${answer === null ? '' : JSON.stringify(answer)}`, maxOutputTokens)
}

/** The same of a request's whole text. */
export const mostOfText = (text: string, maxOutputTokens: number): Usage => ({
  input: Buffer.byteLength(text) + aroundTokens,
  cached: 0,
  output: maxOutputTokens,
})
