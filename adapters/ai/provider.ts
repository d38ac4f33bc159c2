import type { ModelInterface } from '../../core/workshop.ts'
import type { ModelSource, Provider } from './environment.ts'

/** The interfaces that each provider's models can be reached by, the preferred one first. */
export const interfacesOf: Readonly<Record<Provider, readonly ModelInterface[]>> = {
  openai: ['openai-responses', 'openai-chat'],
  compatible: ['openai-chat', 'openai-responses'],
  anthropic: ['anthropic-messages'],
  google: ['google-generate'],
}

const usualBase: Readonly<Record<Provider, string>> = {
  openai: 'https://api.openai.com/v1',
  anthropic: 'https://api.anthropic.com/v1',
  google: 'https://generativelanguage.googleapis.com/v1beta',
  compatible: '',
}

/** Where a model's interface is, without a slash at its end. */
export const baseOf = ({ provider, baseUrl }: ModelSource): string =>
  (baseUrl ?? usualBase[provider]).replace(/\/$/, '')

/** The header that its key goes in; none where the endpoint asks for none. */
export function keyOf({ provider, apiKey }: ModelSource): Readonly<Record<string, string>> {
  if (apiKey === null) return {}
  if (provider === 'anthropic') return { 'x-api-key': apiKey }
  if (provider === 'google') return { 'x-goog-api-key': apiKey }
  return { authorization: `Bearer ${apiKey}` }
}
