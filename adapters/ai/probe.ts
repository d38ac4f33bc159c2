import { z } from 'zod'
import { keyNameOf, type ModelSource } from './environment.ts'
import { baseOf, keyOf } from './provider.ts'

export type Probed = { readonly status: 'pass' | 'warn' | 'fail'; readonly message: string }

const listed = z.object({ data: z.array(z.object({ id: z.string() })) })

/** Asks a model's provider whether it takes the key and has the model: a question that costs nothing. Never throws. */
export async function probeModel(source: ModelSource, signal: AbortSignal): Promise<Probed> {
  const { name, provider, model } = source
  const isOwn = provider !== 'compatible'
  const answer = await fetch(`${baseOf(source)}/models${isOwn ? `/${encodeURIComponent(model)}` : ''}`, {
    headers: { ...keyOf(source), ...(provider === 'anthropic' ? { 'anthropic-version': '2023-06-01' } : {}) },
    signal,
    redirect: 'error',
  }).catch(() => null)
  if (answer === null) return { status: 'warn', message: `${name} cannot be reached now` }
  const { status } = answer
  const ids = isOwn || !answer.ok ? null : await idsIn(answer)
  if (ids === null) await answer.body?.cancel().catch(() => undefined)
  // Google says of a wrong key that the request is.
  if (status === 401 || status === 403 || (provider === 'google' && status === 400))
    return { status: 'fail', message: `${name} does not accept its key: correct ${keyNameOf(provider)}` }
  if (status === 404 && isOwn)
    return { status: 'fail', message: `its provider knows no model ${model}: correct QP_MODEL` }
  if (!answer.ok && (isOwn || status !== 404))
    return { status: 'warn', message: `${name} cannot be asked now (HTTP ${status})` }
  if (!isOwn && !ids?.some((id) => id === model || id === `${model}:latest`))
    return { status: 'warn', message: `${name} answers, and does not list the model: its first call will tell` }
  return { status: 'pass', message: `${name} is there` }
}

async function idsIn(answer: Response): Promise<readonly string[]> {
  const { data } = listed.safeParse(await answer.json().catch(() => null))
  return data?.data.map(({ id }) => id) ?? []
}
