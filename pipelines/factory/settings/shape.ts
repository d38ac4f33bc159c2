import { z } from 'zod'
import { roles } from '../../../core/model/plan.ts'

/** The shape of quantapilot.yml. Messages complete the sentence "<key> …". */

const wholeFrom = (least: number) =>
  z
    .number(`must be a whole number, ${least} or more`)
    .int(`must be a whole number, ${least} or more`)
    .min(least, `must be ${least} or more`)

const amount = z.number('must be a number, 0 or more').min(0, 'must be 0 or more')

const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

const durationText = 'must be a duration such as 90m, 24h or 7d'

/** `90m`, `24h`, `7d`, at most a year; milliseconds in the result. */
const duration = z
  .string(durationText)
  .regex(/^[1-9]\d{0,4}[mhd]$/, durationText)
  .transform((text) => Number(text.slice(0, -1)) * (unitMs[text.slice(-1)] ?? 0))
  .refine((ms) => ms <= 365 * 86_400_000, 'must be a year at most')

/** A glob inside the repository: relative, without `..` and without anything under `.git`. */
const pathGlob = z
  .string('must be a path')
  .max(200, 'must be 200 characters at most')
  .regex(/^[^/\\\0]/, 'must be relative to the repository')
  .refine(
    (path) => !path.split('/').some((part) => part === '..' || /^\.git(~\d+)?\.?$/i.test(part)),
    'must stay inside the repository and out of .git',
  )

const model = z.strictObject(
  {
    model: z.string('must be the name of a model').min(1, 'must be the name of a model').describe('Name of the model'),
    temperature: z
      .number('must be a number from 0 to 1')
      .min(0, 'must be 0 or more')
      .max(1, 'must be 1 or less')
      .optional()
      .describe('0 to 1'),
    max_output_tokens: wholeFrom(1).optional().describe('Most tokens one answer may have'),
  },
  'must name a model',
)

const gate = z
  .strictObject(
    {
      roles: z
        .array(
          z.enum(roles as unknown as [(typeof roles)[number]], `must be one of ${roles.join(', ')}`),
          'must be a list of roles',
        )
        .min(1, 'must name at least one role: an empty list would mean nobody')
        .optional()
        .describe('Who may decide; any one of these roles'),
      quorum: wholeFrom(1).max(20, 'must be 20 or less').optional().describe('How many people must approve'),
      self_approval: z
        .boolean('must be true or false')
        .optional()
        .describe('Whether the person who started the run may decide'),
      expires_after: duration.optional().describe('The gate closes unapproved after this'),
      remind_every: duration.optional().describe('How often people are reminded'),
    },
    'must be a block of keys',
  )
  .transform(
    ({
      roles: who,
      quorum,
      self_approval: selfApproval,
      expires_after: expiresAfterMs,
      remind_every: remindEveryMs,
    }) => ({
      roles: who,
      quorum,
      selfApproval,
      expiresAfterMs,
      remindEveryMs,
    }),
  )

const step = z.strictObject(
  {
    name: z.enum(['plan', 'impl', 'test', 'doc', 'pr'], 'must be plan, impl, test, doc or pr').describe('Which step'),
    timeout_s: wholeFrom(1).optional().describe('Seconds one try may take'),
    retries: wholeFrom(0).optional().describe('Tries after the first'),
    tokens_budget: wholeFrom(1).optional().describe('Most tokens the step may use'),
  },
  'must be a block with a name',
)

const block = 'must be a block of keys'

const policies = z.strictObject(
  {
    merge: z
      .enum(['squash', 'merge', 'rebase'], 'must be squash, merge or rebase')
      .optional()
      .describe('How pull requests are merged'),
    gates: z
      .record(z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, 'must be a gate name such as anchor'), gate, block)
      .default({})
      .describe('Policy of each gate, by its name'),
    data_retention_days: wholeFrom(0).optional().describe('Days after which a finished run is purged'),
    model_change_requires_gate: z
      .boolean('must be true or false')
      .optional()
      .describe('Whether another model needs a decision'),
    allow_paths: z
      .array(pathGlob, 'must be a list of paths')
      .max(100, 'must have 100 entries at most')
      .optional()
      .describe('The only paths agents may change'),
    protected_paths: z
      .array(pathGlob, 'must be a list of paths')
      .max(100, 'must have 100 entries at most')
      .optional()
      .describe('Paths agents may never change'),
  },
  block,
)

export const settingsShape = z.strictObject(
  {
    stack: z
      .record(z.string(), z.json(), block)
      .optional()
      .describe('What the project is built with; free text for the author'),
    models: z
      .strictObject({ arch: model.optional(), dev: model.optional(), qa: model.optional() }, block)
      .optional()
      .describe('The model of each role'),
    budgets: z
      .strictObject(
        {
          tokens: wholeFrom(1).optional().describe('Tokens a run may use'),
          usd: amount.optional().describe('US dollars a run may spend'),
        },
        block,
      )
      .optional()
      .describe('What a run may cost'),
    steps: z
      .array(step, 'must be a list of steps')
      .max(20, 'must have 20 entries at most')
      .optional()
      .describe('Limits of single steps'),
    gates: z
      .strictObject(
        {
          docs_lint: z.boolean('must be true or false').optional(),
          tests_required: z.boolean('must be true or false').optional(),
        },
        block,
      )
      .optional()
      .describe('What must be green before a gate opens'),
    limits: z
      .strictObject(
        {
          tokens_per_run: wholeFrom(0).optional(),
          tokens_per_day: wholeFrom(0).optional(),
          timeout_seconds: wholeFrom(0).optional().describe('Seconds the whole run may take; 0 for no limit'),
          max_retries: wholeFrom(0).optional(),
        },
        block,
      )
      .optional()
      .describe('Limits of the whole run'),
    policies: policies.default({ gates: {} }).describe('Merging, gates, paths, retention'),
    env_refs: z
      .record(
        z.string(),
        z
          .string('must be a name')
          .regex(/^QP_PROJECT_[A-Z0-9_]{1,60}$/, 'must name a variable that starts with QP_PROJECT_'),
        block,
      )
      .optional()
      .describe('Names of environment variables the project may use; only QP_PROJECT_… is ever read'),
  },
  'must be a block of keys',
)

/** Keys known at a place of the file, for the nearest right one. */
export function keysAt(path: readonly string[]): readonly string[] {
  let schema: unknown = z.toJSONSchema(settingsShape, { io: 'input' })
  for (const part of path) schema = child(schema, part)
  const properties = (schema as { readonly properties?: object } | null)?.properties
  return properties ? Object.keys(properties) : []
}

function child(schema: unknown, part: string): unknown {
  const node = schema as {
    readonly properties?: Record<string, unknown>
    readonly additionalProperties?: unknown
    readonly items?: unknown
  } | null
  return node?.properties?.[part] ?? (/^\d+$/.test(part) ? node?.items : node?.additionalProperties) ?? null
}

/** The JSON Schema that editors use, as text with a line end. */
export const settingsJsonSchema = (): string =>
  `${JSON.stringify({ title: 'quantapilot.yml', ...z.toJSONSchema(settingsShape, { io: 'input' }) }, null, 2)}\n`
