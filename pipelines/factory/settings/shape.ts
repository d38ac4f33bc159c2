import { z } from 'zod'
import type { Role } from '../../../core/model/plan.ts'
import { decidingRoles } from '../../../core/model/plan.ts'
import {
  days,
  dollars,
  duration,
  gateName,
  listed,
  path,
  retries,
  runSeconds,
  stepSeconds,
  tokens,
  yesNo,
  zone,
} from './values.ts'

/** The shape of quantapilot.yml. Messages complete the sentence "<key> …"; descriptions are what editors show. */

const block = 'must be a block of keys'

const pseudonym = 'must be a pseudonym as /whoami shows it, such as actor-1a2b3c4d'

const outputCap = tokens(1).optional().describe('Most tokens one answer may have. Default: the step’s own limit.')

const model = z.strictObject(
  {
    model: z
      .string('must be the name of a model')
      .min(1, 'must be the name of a model')
      .optional()
      .describe('Name of the model. Default: the server’s first.'),
    temperature: z
      .number('must be a number from 0 to 1')
      .min(0, 'must be a number from 0 to 1')
      .max(1, 'must be a number from 0 to 1')
      .optional()
      .describe('0 for the most likely answer, 1 for the most varied one. Default: the model’s own.'),
    max_output_tokens: outputCap,
  },
  block,
)

const gate = z
  .strictObject(
    {
      roles: z
        .array(z.enum(decidingRoles, `must be one of ${decidingRoles.join(', ')}`), 'must be a list of roles')
        .min(1, 'must name at least one role, because an empty list means nobody')
        .optional()
        .describe('Who may decide: people with any one of these roles. Default: approver, admin.'),
      quorum: z
        .int('must be a whole number from 1 to 20')
        .min(1, 'must be a whole number from 1 to 20')
        .max(20, 'must be a whole number from 1 to 20')
        .optional()
        .describe('How many people must approve. Default: 1.'),
      self_approval: yesNo.optional().describe('Whether the person who started the run may decide. Default: true.'),
      expires_after: duration
        .optional()
        .describe('After this the gate closes, not approved: 90m, 24h, 7d. Default: it stays open.'),
      remind_every: duration.optional().describe('How often people are reminded: 90m, 24h, 7d. Default: never.'),
      people: z
        .array(z.string(pseudonym).regex(/^actor-[0-9a-f]{8}$/, pseudonym), 'must be a list of pseudonyms')
        .min(1, 'must name at least one person, because an empty list means nobody')
        .max(50, 'must name at most 50 people')
        .optional()
        .describe(
          'Only these people may decide, if they have one of the roles. Default: whoever has one of the roles.',
        ),
      escalate_after: duration
        .optional()
        .describe(
          'After this without a decision the roles of escalate_to are told and may decide too. Default: never.',
        ),
      escalate_to: z
        .array(z.enum(decidingRoles, `must be one of ${decidingRoles.join(', ')}`), 'must be a list of roles')
        .min(1, 'must name at least one role, because an empty list means nobody')
        .optional()
        .describe('Who is told, and may decide too, after escalate_after. Default: admin.'),
    },
    block,
  )
  .transform((policy) => ({
    roles: policy.roles,
    people: policy.people,
    quorum: policy.quorum,
    selfApproval: policy.self_approval,
    expiresAfterMs: policy.expires_after,
    remindEveryMs: policy.remind_every,
    escalateAfterMs: policy.escalate_after,
    escalateTo: policy.escalate_to ?? (policy.escalate_after === undefined ? undefined : (['admin'] satisfies Role[])),
  }))

export const stepNames = ['plan', 'impl', 'test', 'doc', 'pr'] as const

export type StepName = (typeof stepNames)[number]

const step = z.strictObject(
  {
    name: z.enum(stepNames, `must be one of ${stepNames.join(', ')}`).describe('Which step.'),
    timeout_s: stepSeconds.optional().describe('Seconds one try may take. Default: the step’s own limit.'),
    retries: retries.optional().describe('Tries after the first. Default: the step’s own limit.'),
    tokens_budget: tokens(1).optional().describe('Most tokens the step may use. Default: what the run has left.'),
  },
  block,
)

const steps = listed(step, 'steps').superRefine((entries, ctx) => {
  entries.forEach(({ name }, index) => {
    if (entries.findIndex((entry) => entry.name === name) < index)
      ctx.addIssue({ code: 'custom', path: [index, 'name'], message: 'must be a step that has no entry yet' })
  })
})

const policies = z.strictObject(
  {
    merge: z
      .enum(['squash', 'merge', 'rebase'], 'must be squash, merge or rebase')
      .optional()
      .describe('How pull requests are merged. Default: squash.'),
    gates: z
      .record(gateName, gate, block)
      .default({})
      .describe('Who decides at a gate, by the name of the gate. A gate called start makes every run ask first.'),
    data_retention_days: days.optional().describe('Days after which a finished run is purged. Default: 90.'),
    model_change_requires_gate: yesNo
      .optional()
      .describe('Whether another model needs a decision first. Default: false.'),
    allow_paths: listed(path, 'paths')
      .optional()
      .describe('The only paths that agents may change, as globs from the root. Default: all that are not protected.'),
    protected_paths: listed(path, 'paths')
      .optional()
      .describe('Paths that agents may never change, as globs from the root. Default: none.'),
  },
  block,
)

const budgets = z.strictObject(
  {
    tokens: tokens(1).optional().describe('Tokens that a run may use. Default: 2000000.'),
    usd: dollars.optional().describe('US dollars that a run may spend. Default: 10.'),
  },
  block,
)

const gates = z.strictObject(
  {
    docs_lint: yesNo.optional().describe('Whether the documents must pass the lint. Default: true.'),
    tests_required: yesNo.optional().describe('Whether the tests must pass before a gate opens. Default: true.'),
  },
  block,
)

const limits = z.strictObject(
  {
    tokens_per_run: tokens(0)
      .optional()
      .describe('Tokens that a run may use; the lower of this and budgets.tokens holds. Default: no limit.'),
    tokens_per_day: tokens(0)
      .optional()
      .describe('Tokens that all runs of the project may use in a day. Default: no limit.'),
    time_zone: zone.optional().describe('Where the project’s days begin: Europe/Berlin. Default: the server’s.'),
    costly_prompt_usd: dollars
      .optional()
      .describe(
        'US dollars; a call of a model that may cost more needs the yes of a person first, at gate costly-prompt. Default: none does.',
      ),
    timeout_seconds: runSeconds.optional().describe('Seconds a whole run may take; 0 for no limit. Default: 0.'),
    max_retries: retries.optional().describe('Tries after the first, for every step. Default: the step’s own limit.'),
  },
  block,
)

export const settingsShape = z.strictObject(
  {
    stack: z
      .record(z.string(), z.unknown(), block)
      .optional()
      .describe(
        'What the project is built with. Free keys, for the author to read; install, build, lint and test are commands that are run on what an agent wrote.',
      ),
    models: z
      .strictObject(
        {
          arch: model.optional().describe('The model that plans and writes documents.'),
          dev: model.optional().describe('The model that writes code.'),
          qa: model.optional().describe('The model that judges changes by their criteria.'),
        },
        block,
      )
      .optional()
      .describe('The model of each role.'),
    budgets: budgets.optional().describe('What a run may cost. The server’s own limits hold as well.'),
    steps: steps.optional().describe('Limits of single steps, each step once.'),
    gates: gates.optional().describe('What must be green before a gate opens.'),
    limits: limits.optional().describe('Limits of a whole run. The server’s own limits hold as well.'),
    policies: policies.default({ gates: {} }).describe('Merging, gates, paths, retention.'),
  },
  block,
)

/** A repository's quantapilot.yml, complete: what the file leaves out has its default. Durations of gates are in ms. */
export type Settings = z.output<typeof settingsShape>

const modelCap = z.strictObject({ max_output_tokens: outputCap }, block).optional()

/** The operator's own policy file: those parts of a quantapilot.yml that can be limits. */
export const ceilingShape = settingsShape
  .pick({ budgets: true, steps: true, gates: true, limits: true, policies: true })
  .extend({ models: z.strictObject({ arch: modelCap, dev: modelCap, qa: modelCap }, block).optional() })

/** What no project's quantapilot.yml can loosen. */
export type Ceiling = z.output<typeof ceilingShape>

export type Shape = typeof settingsShape | typeof ceilingShape

type Node = {
  readonly properties?: Readonly<Record<string, Node>>
  readonly additionalProperties?: Node | boolean
  readonly items?: Node
}

const jsonSchema = (shape: Shape) => ({
  title: 'quantapilot.yml',
  description: 'How QuantaPilot works on this repository. Every key is optional.',
  ...z.toJSONSchema(shape, { io: 'input' }),
})

/** The JSON Schema that editors use, as text with a line end. */
export const settingsJsonSchema = (): string => `${JSON.stringify(jsonSchema(settingsShape), null, 2)}\n`

/** Answers which keys are known at a place of a file of that shape. Making it costs some ms, so make it once for many questions. */
export function knownKeys(shape: Shape): (path: readonly PropertyKey[]) => readonly string[] {
  const root = jsonSchema(shape) as Node
  return (path) => {
    let node: Node | undefined = root
    for (const part of path) node = child(node, part)
    return Object.keys(node?.properties ?? {})
  }
}

function child(node: Node | undefined, part: PropertyKey): Node | undefined {
  if (typeof part === 'number') return node?.items
  const rest = typeof node?.additionalProperties === 'object' ? node.additionalProperties : undefined
  return node?.properties?.[String(part)] ?? rest
}
