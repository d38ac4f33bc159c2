import { isModelNamed, sayNoSuchModel } from '../../core/model/chosen-model.ts'
import type { EarlierRun, StepKind } from '../../core/pipeline.ts'
import type { AuthorRequest } from '../../core/ports.ts'
import { gatePolicy, pinnedPolicy } from './policy.ts'
import type { FactoryPorts } from './ports.ts'
import { type Models, readOutput } from './shapes.ts'
import { refuse } from './text.ts'
import type { Settings } from './settings/settings.ts'

/** The gate's name. */
const modelChange = 'model-change'

const roles = ['arch', 'dev', 'qa'] as const

/** Which models a run will ask: the project's choice, else the server's first. */
export function modelsOf(
  { models }: Settings,
  { author, workshop }: Pick<FactoryPorts, 'author' | 'workshop'>,
): Models {
  return {
    arch: models?.arch?.model ?? author.name,
    dev: workshop && (models?.dev?.model ?? workshop.agent.model),
    qa: models?.qa?.model ?? author.name,
  }
}

/** What the project asks of the model that writes documents, or of the one that reviews. */
export function tuningOf({ models, policies }: Settings, role: 'arch' | 'qa'): AuthorRequest['tuning'] {
  const { model = null, temperature = null, max_output_tokens: maxOutputTokens = null } = models?.[role] ?? {}
  return { model, temperature, maxOutputTokens, mayChange: policies.model_change_requires_gate !== true }
}

/** A project chooses among the server's models; one that is not there is refused before anything is written or paid. */
export function checkModels(
  { models }: Settings,
  { models: server, workshop }: Pick<FactoryPorts, 'models' | 'workshop'>,
): void {
  const agents = workshop?.agent.model ?? null
  for (const role of roles) {
    // An agent may have a model that nobody else can ask.
    const known = role === 'dev' && agents !== null ? [...new Set([...server, agents])] : server
    const wanted = models?.[role]?.model
    if (wanted === undefined || known.length === 0 || known.some((name) => isModelNamed(name, wanted))) continue
    throw refuse(`${sayNoSuchModel(wanted, known, `models.${role}.model`)} Then commit it and /retry.`)
  }
}

/** A sentence for each wish that the agent here cannot be held to. */
export function unkeptTerms({ models }: Settings, workshop: FactoryPorts['workshop']): readonly string[] {
  if (workshop === null || workshop.agent.keepsTerms) return []
  const { name } = workshop.agent
  return (['max_output_tokens', 'temperature'] as const)
    .filter((key) => models?.dev?.[key] !== undefined)
    .map((key) => `models.dev.${key}: nothing holds ${name} to it, because only its own servers can read its calls.`)
}

/** The models of the last run that succeeded, where these are others and the project wants people to decide about that. */
export function modelsBefore({ policies }: Settings, now: Models, earlier: readonly EarlierRun[]): Models | null {
  if (!policies.model_change_requires_gate) return null
  for (const { output } of earlier) {
    const before = readOutput.safeParse(output).data?.models
    if (before) return JSON.stringify(before) === JSON.stringify(now) ? null : before
  }
  return null
}

/** Shows which models are others than last time, to the gate behind. */
export const presentModels: StepKind = {
  timeoutMs: 60_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const read = await ctx.outputOf('read', readOutput)
    const changes = changesOf(read.modelsBefore, read.models)
    const text = `# Models of run ${ctx.handle}\n\n${changes.map((line) => `- ${line}`).join('\n')}\n`
    const artifact = await ctx.save('models.md', new TextEncoder().encode(text), 'text/markdown')
    return {
      kind: 'done',
      output: null,
      artifacts: [artifact],
      subject: {
        artifact,
        what: `Other models than in the last run of ${read.snapshot.name}`,
        risks: ['What the models before wrote and passed says nothing about these.'],
        questions: [],
        changes,
        facts: ['policies.model_change_requires_gate wants a decision about that'],
      },
      policy: gatePolicy(await pinnedPolicy(ctx, read), modelChange),
    }
  },
}

/** `arch: openai/gpt-5.5 → openai/gpt-6`, for each role whose model is another. */
const changesOf = (before: Models | null, now: Models | null): readonly string[] =>
  roles
    .filter((role) => before?.[role] !== now?.[role])
    .map((role) => `${role}: ${before?.[role] ?? 'nobody'} → ${now?.[role] ?? 'nobody'}`)
