import { probeModel, type Probed } from '../adapters/ai/probe.ts'
import type { Config } from '../config.ts'
import type { Check } from '../core/commands/doctor.ts'
import { surveyAgent } from './workshop.ts'

const patienceMs = 10_000

/** Whether the providers of all models take our keys and have the models. */
export async function checkModels({ models, cursor }: Config): Promise<Check> {
  const signal = AbortSignal.timeout(patienceMs)
  const probed = await Promise.all([
    ...models.map((source) => probeModel(source, signal)),
    ...(cursor === null ? [] : [probeCursor(cursor, signal)]),
  ])
  if (probed.length === 0)
    return { status: 'pass', message: 'none: the built-in author writes the documents (docs/models.md)' }
  const worst = (['fail', 'warn', 'pass'] as const).find((status) => probed.some((each) => each.status === status))
  const messages = probed.filter(({ status }) => worst === 'pass' || status !== 'pass').map(({ message }) => message)
  return { status: worst ?? 'pass', message: messages.join('; ') }
}

async function probeCursor(settings: NonNullable<Config['cursor']>, signal: AbortSignal): Promise<Probed> {
  const { probeCursor: probe } = await import('../adapters/cursor/session.ts')
  return await probe(settings, signal)
}

/** Whether whoever writes code is there, and has a model to ask. */
export async function checkAgent(config: Config): Promise<Check> {
  const { agent } = config
  if (agent === null) return { status: 'pass', message: 'none: runs end after the documents (docs/agents.md)' }
  const { missing, models } = await surveyAgent(agent, config)
  if (missing !== null) return { status: 'fail', message: missing }
  if (models.length === 0)
    return {
      status: 'fail',
      message: `${agent.name} cannot speak to the provider of any model in QP_MODEL: name another one (docs/agents.md)`,
    }
  return { status: 'pass', message: `${agent.name} is installed, and works with ${models.join(', then ')}` }
}
