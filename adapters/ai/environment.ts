import { z } from 'zod'
import { accepted, type Result, refused } from '../../core/model/problem.ts'
import { address, key } from '../network/settings.ts'

/** Who serves a model, and how it is reached. */
export type Provider = 'openai' | 'anthropic' | 'google' | 'compatible'

/** A model as the operator named it: `openai/gpt-5.5`. */
export type ModelSource = {
  readonly name: string
  readonly provider: Provider
  /** As the provider calls it: `gpt-5.5`. */
  readonly model: string
  /** Null: the endpoint asks for none. */
  readonly apiKey: string | null
  /** Null: the provider's own. */
  readonly baseUrl: string | null
  /** The operator's own price, in US dollars for a million tokens; left out: the table's. */
  readonly price?: { readonly input: number; readonly output: number }
}

/** The variables, each by itself. `…_FILE` is resolved before. */
export const modelVariables = {
  QP_MODEL: z
    .string()
    .regex(
      /^\s*(?:openai|anthropic|google|compatible)\/[^\s,]+(?:\s*,\s*(?:openai|anthropic|google|compatible)\/[^\s,]+)*\s*$/,
      'QP_MODEL must name models with commas between, each as openai/…, anthropic/…, google/… or compatible/…, such as openai/gpt-5.5.',
    )
    .optional(),
  QP_MODEL_PRICES: z
    .string()
    .regex(
      /^\s*[^\s,=]+=\d+(?:\.\d+)?\/\d+(?:\.\d+)?(?:\s*,\s*[^\s,=]+=\d+(?:\.\d+)?\/\d+(?:\.\d+)?)*\s*$/,
      'QP_MODEL_PRICES must give dollars for a million tokens of input and output, such as compatible/llama3=0.20/0.60, with commas between.',
    )
    .optional(),
  OPENAI_API_KEY: key('OPENAI_API_KEY'),
  OPENAI_BASE_URL: address('OPENAI_BASE_URL'),
  ANTHROPIC_API_KEY: key('ANTHROPIC_API_KEY'),
  ANTHROPIC_BASE_URL: address('ANTHROPIC_BASE_URL'),
  GOOGLE_GENERATIVE_AI_API_KEY: key('GOOGLE_GENERATIVE_AI_API_KEY'),
  GOOGLE_BASE_URL: address('GOOGLE_BASE_URL'),
  QP_MODEL_API_KEY: key('QP_MODEL_API_KEY'),
  QP_MODEL_BASE_URL: address('QP_MODEL_BASE_URL'),
}

type Values = { readonly [Name in keyof typeof modelVariables]?: string | undefined }

const variables = {
  openai: { apiKey: 'OPENAI_API_KEY', baseUrl: 'OPENAI_BASE_URL' },
  anthropic: { apiKey: 'ANTHROPIC_API_KEY', baseUrl: 'ANTHROPIC_BASE_URL' },
  google: { apiKey: 'GOOGLE_GENERATIVE_AI_API_KEY', baseUrl: 'GOOGLE_BASE_URL' },
  compatible: { apiKey: 'QP_MODEL_API_KEY', baseUrl: 'QP_MODEL_BASE_URL' },
} as const

/** Which variable holds a provider's key, for whoever has to correct it. */
export const keyNameOf = (provider: Provider): string => variables[provider].apiKey

/** The models to ask, the first one first; empty where none is named. Half a configuration is refused in a sentence. */
export function readModels(values: Values): Result<readonly ModelSource[]> {
  const models: ModelSource[] = []
  const prices = pricesIn(values.QP_MODEL_PRICES ?? '')
  for (const name of (values.QP_MODEL ?? '').split(',').flatMap((part) => part.trim() || [])) {
    const provider = name.slice(0, name.indexOf('/')) as Provider
    const { apiKey, baseUrl } = variables[provider]
    const price = prices.get(name)
    prices.delete(name)
    const source: ModelSource = {
      ...(price ? { price } : {}),
      name,
      provider,
      model: name.slice(provider.length + 1),
      apiKey: values[apiKey] ?? null,
      baseUrl: values[baseUrl] ?? null,
    }
    if (provider === 'compatible' ? source.baseUrl === null : source.apiKey === null)
      return refused(
        'invalid_input',
        `QP_MODEL names ${name}, and ${provider === 'compatible' ? baseUrl : apiKey} is not set: set it, or name another model (docs/models.md).`,
      )
    models.push(source)
  }
  const [stray] = prices.keys()
  if (stray !== undefined)
    return refused(
      'invalid_input',
      `QP_MODEL_PRICES has a price for ${stray}, which QP_MODEL does not name: correct one of them.`,
    )
  return accepted(models)
}

/** `compatible/llama3=0.20/0.60, …` by model. */
const pricesIn = (text: string): Map<string, NonNullable<ModelSource['price']>> =>
  new Map(
    text.split(',').flatMap((part) => {
      const [, name, input, output] = /^\s*([^\s=]+)=([\d.]+)\/([\d.]+)\s*$/.exec(part) ?? []
      return name === undefined ? [] : [[name, { input: Number(input), output: Number(output) }]]
    }),
  )
