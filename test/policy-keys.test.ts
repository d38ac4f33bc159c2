import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createBuiltinAuthor } from '../adapters/builtin-author/author.ts'
import { withinOf } from '../pipelines/factory/desk.ts'
import { limitsFor } from '../pipelines/factory/limits.ts'
import { installScript, testScript } from '../pipelines/factory/milestones/commands.ts'
import { refusalOf } from '../pipelines/factory/milestones/paths.ts'
import { modelsOf, tuningOf } from '../pipelines/factory/models.ts'
import { gatePolicy, limitsOf } from '../pipelines/factory/policy.ts'
import { valueKeys } from '../pipelines/factory/settings/keys.fixtures.ts'
import { parseCeiling, parseSettings, type Settings } from '../pipelines/factory/settings/settings.ts'
import { tightenedBy } from '../pipelines/factory/settings/tighten.ts'

/** A file with the key, what a run makes of it, and what comes of that; or the journey that shows it, by the name of its test. */
type Shown =
  | { readonly file: string; readonly made: (settings: Settings) => unknown; readonly is: unknown }
  | { readonly shownBy: readonly [path: string, test: string] }

const journey = 'test/journeys/policy.test.ts'
const ofRoles = [journey, 'what a project says of models, commands and merges reaches whoever works for it'] as const

const author = createBuiltinAuthor()

const sources = { file: null, server: null }
const policy = (settings: Settings) => ({ settings, clamped: [], sources })
const gate = (settings: Settings) => gatePolicy(policy(settings), 'anchor')
const within = (settings: Settings) => withinOf(policy(settings), { step: 'doc', milestone: null })
const ofStep = (settings: Settings) => limitsFor({ timeoutMs: 60_000 }, { step: 'doc' }, settings)
const refused = ({ policies }: Settings) => refusalOf('src/a.ts', policies) !== null
const anchor = (rule: string): string => `policies: { gates: { anchor: { ${rule} } } }`

const effects: Readonly<Record<string, Shown>> = {
  stack: {
    file: 'stack: { install: get it, test: try it }',
    made: (settings) => [installScript(settings).split('\n').at(-1), testScript(settings, true).split('\n').at(-1)],
    is: ['get it', 'try it'],
  },
  'models.arch.model': {
    file: 'models: { arch: { model: m/one } }',
    made: (settings) => [tuningOf(settings, 'arch').model, modelsOf(settings, { author, workshop: null }).arch],
    is: ['m/one', 'm/one'],
  },
  'models.arch.temperature': {
    file: 'models: { arch: { temperature: 0.1 } }',
    made: (settings) => tuningOf(settings, 'arch').temperature,
    is: 0.1,
  },
  'models.arch.max_output_tokens': {
    file: 'models: { arch: { max_output_tokens: 9 } }',
    made: (settings) => tuningOf(settings, 'arch').maxOutputTokens,
    is: 9,
  },
  'models.dev.model': { shownBy: ofRoles },
  'models.dev.temperature': {
    shownBy: [journey, 'what %s says of answers holds every call of a coding agent'],
  },
  'models.dev.max_output_tokens': {
    shownBy: [journey, 'what %s says of answers holds every call of a coding agent'],
  },
  'models.qa.model': {
    file: 'models: { qa: { model: m/one } }',
    made: (settings) => [tuningOf(settings, 'qa').model, modelsOf(settings, { author, workshop: null }).qa],
    is: ['m/one', 'm/one'],
  },
  'models.qa.temperature': {
    file: 'models: { qa: { temperature: 0.1 } }',
    made: (settings) => tuningOf(settings, 'qa').temperature,
    is: 0.1,
  },
  'models.qa.max_output_tokens': {
    file: 'models: { qa: { max_output_tokens: 9 } }',
    made: (settings) => tuningOf(settings, 'qa').maxOutputTokens,
    is: 9,
  },
  'budgets.tokens': { file: 'budgets: { tokens: 9 }', made: (settings) => limitsOf(settings).capTokens, is: 9 },
  'budgets.usd': { file: 'budgets: { usd: 9 }', made: (settings) => limitsOf(settings).capMicros, is: 9_000_000 },
  'limits.tokens_per_run': {
    file: 'limits: { tokens_per_run: 9 }\nbudgets: { tokens: 99 }',
    made: (settings) => limitsOf(settings).capTokens,
    is: 9,
  },
  'limits.timeout_seconds': {
    file: 'limits: { timeout_seconds: 9 }',
    made: (settings) => limitsOf(settings).deadlineMs,
    is: 9_000,
  },
  'limits.tokens_per_day': {
    file: 'limits: { tokens_per_day: 9 }',
    made: (settings) => within(settings).caps.projectDay?.capTokens,
    is: 9,
  },
  'limits.time_zone': {
    file: 'limits: { time_zone: Europe/Berlin }',
    made: (settings) => within(settings).zone,
    is: 'Europe/Berlin',
  },
  'limits.costly_prompt_usd': {
    file: 'limits: { costly_prompt_usd: 0.5 }',
    made: (settings) => within(settings).costly?.micros,
    is: 500_000,
  },
  'limits.max_retries': {
    file: 'limits: { max_retries: 1 }',
    made: (settings) => ofStep(settings).retries,
    is: 1,
  },
  'steps[].name': {
    file: 'steps: [{ name: doc, retries: 1 }, { name: pr, retries: 2 }]',
    made: (settings) => [ofStep(settings).retries, limitsFor({ timeoutMs: 1 }, { step: 'pr' }, settings).retries],
    is: [1, 2],
  },
  'steps[].timeout_s': {
    file: 'steps: [{ name: doc, timeout_s: 9 }]',
    made: (settings) => ofStep(settings).timeoutMs,
    is: 9_000,
  },
  'steps[].retries': {
    file: 'steps: [{ name: doc, retries: 1 }]\nlimits: { max_retries: 2 }',
    made: (settings) => ofStep(settings).retries,
    is: 1,
  },
  'steps[].tokens_budget': {
    file: 'steps: [{ name: doc, tokens_budget: 9 }]',
    made: (settings) => within(settings).caps.step?.capTokens,
    is: 9,
  },
  'gates.docs_lint': {
    shownBy: [journey, 'where documents need not pass the lint, those that do not go to people, who are told'],
  },
  'gates.tests_required': {
    shownBy: [
      journey,
      'where tests need not pass, a change that fails them goes to people at once, who are told, and nobody merges it unasked',
    ],
  },
  'policies.merge': { shownBy: ofRoles },
  'policies.gates.<name>.roles': {
    file: anchor('roles: [operator]'),
    made: (settings) => gate(settings).roles,
    is: ['operator'],
  },
  'policies.gates.<name>.quorum': { file: anchor('quorum: 2'), made: (settings) => gate(settings).quorum, is: 2 },
  'policies.gates.<name>.self_approval': {
    file: anchor('self_approval: false'),
    made: (settings) => gate(settings).selfApproval,
    is: false,
  },
  'policies.gates.<name>.expires_after': {
    file: anchor('expires_after: 1m'),
    made: (settings) => gate(settings).expiresAfterMs,
    is: 60_000,
  },
  'policies.gates.<name>.remind_every': {
    file: anchor('remind_every: 1m'),
    made: (settings) => gate(settings).remindEveryMs,
    is: 60_000,
  },
  'policies.gates.<name>.people': {
    file: anchor('people: [actor-1a2b3c4d]'),
    made: (settings) => gate(settings).people,
    is: ['actor-1a2b3c4d'],
  },
  'policies.gates.<name>.escalate_after': {
    file: anchor('escalate_after: 1m'),
    made: (settings) => gate(settings).escalation,
    is: { afterMs: 60_000, roles: ['admin'] },
  },
  'policies.gates.<name>.escalate_to': {
    file: anchor('escalate_after: 1m, escalate_to: [operator]'),
    made: (settings) => gate(settings).escalation?.roles,
    is: ['operator'],
  },
  'policies.data_retention_days': {
    shownBy: [
      'test/schedules/retention.test.ts',
      'a whole factory run under its own quantapilot.yml goes in its time, and another on the same bytes does not',
    ],
  },
  'policies.model_change_requires_gate': {
    file: 'policies: { model_change_requires_gate: true }',
    made: (settings) => tuningOf(settings, 'arch').mayChange,
    is: false,
  },
  'policies.allow_paths': { file: 'policies: { allow_paths: ["docs/**"] }', made: refused, is: true },
  'policies.protected_paths': { file: 'policies: { protected_paths: ["src/**"] }', made: refused, is: true },
}

function read(text: string): Settings {
  const parsed = parseSettings(text, 'quantapilot.yml')
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.findings))
  return parsed.settings
}

test('every key of quantapilot.yml has an effect that is shown here, and none is shown that there is not', () => {
  expect(Object.keys(effects).toSorted()).toEqual(valueKeys.map(({ path }) => path).toSorted())
})

const made = Object.entries(effects).flatMap(([key, shown]) => ('made' in shown ? [[key, shown] as const] : []))

test.each(made)('%s has its effect, which is not there without it', (_, shown) => {
  expect(shown.made(read(shown.file))).toEqual(shown.is)
  expect(shown.made(read(''))).not.toEqual(shown.is)
})

const underServer = made.flatMap(([key, { file, ...shown }]) => {
  const parsed = parseCeiling(file, 'policy.yml')
  return parsed.ok ? [[key, { ...shown, ceiling: parsed.ceiling }] as const] : []
})

test.each(underServer)('%s has it from the server’s own policy too', (_, { ceiling, ...shown }) => {
  expect(shown.made(tightenedBy(ceiling, read('')).settings)).toEqual(shown.is)
})

const journeys = Object.entries(effects).flatMap(([key, shown]) =>
  'shownBy' in shown ? [[key, ...shown.shownBy] as const] : [],
)

test.each(journeys)('%s has its effect in %s: %s', (_, path, name) => {
  expect(readFileSync(join(import.meta.dirname, '..', path), 'utf8')).toContain(`'${name}'`)
})
