import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseCeiling, parseSettings } from './settings.ts'
import type { Ceiling, Settings } from './shape.ts'
import { tightenedBy } from './tighten.ts'

const read = (text: string): Settings => {
  const parsed = parseSettings(text, 'quantapilot.yml')
  if (!parsed.ok) throw new Error(parsed.findings.map(({ message }) => message).join('\n'))
  return parsed.settings
}

const readCeiling = (text: string): Ceiling => {
  const parsed = parseCeiling(text, 'policy.yml')
  if (!parsed.ok) throw new Error(parsed.findings.map(({ message }) => message).join('\n'))
  return parsed.ceiling
}

const tightened = (ceiling: string, file: string) => tightenedBy(readCeiling(ceiling), read(file))

describe('the file can only tighten what the server allows', () => {
  test.each([
    [
      'budgets: { usd: 10 }',
      'budgets: { usd: 50 }',
      'budgets.usd: the file asks for 50 and the server allows 10, so 10 holds.',
    ],
    [
      'limits: { timeout_seconds: 3600 }',
      'limits: { timeout_seconds: 0 }',
      'limits.timeout_seconds: the file asks for no limit and the server allows 3600, so 3600 holds.',
    ],
    [
      'steps: [{ name: impl, retries: 2 }]',
      'steps: [{ name: impl, retries: 9 }]',
      'steps impl.retries: the file asks for 9 and the server allows 2, so 2 holds.',
    ],
    [
      'limits: { max_retries: 2 }',
      'steps: [{ name: impl, retries: 9 }]',
      'steps impl.retries: the file asks for 9 and the server allows 2, so 2 holds.',
    ],
    [
      'gates: { docs_lint: true }',
      'gates: { docs_lint: false }',
      'gates.docs_lint: the file says false and the server demands it, so true holds.',
    ],
    [
      'policies: { gates: { anchor: { quorum: 2 } } }',
      'policies: { gates: { anchor: { quorum: 1 } } }',
      'policies.gates.anchor.quorum: the file asks for 1 and the server for 2, so 2 holds.',
    ],
    [
      'policies: { gates: { anchor: { self_approval: false } } }',
      'policies: { gates: { anchor: { self_approval: true } } }',
      'policies.gates.anchor.self_approval: the file says true and the server forbids it, so false holds.',
    ],
    [
      'policies: { gates: { anchor: { roles: [admin] } } }',
      'policies: { gates: { anchor: { roles: [operator, admin] } } }',
      'policies.gates.anchor.roles: the server does not let operator decide, so admin may.',
    ],
    [
      'policies: { gates: { anchor: { expires_after: 1h } } }',
      'policies: { gates: { anchor: { expires_after: 1d } } }',
      'policies.gates.anchor.expires_after in minutes: the file asks for 1440 and the server allows 60, so 60 holds.',
    ],
    [
      'policies: { gates: { anchor: { people: [actor-00000001] } } }',
      'policies: { gates: { anchor: { people: [actor-00000001, actor-00000002] } } }',
      'policies.gates.anchor.people: the server does not let actor-00000002 decide, so actor-00000001 may.',
    ],
    [
      'policies: { gates: { anchor: { people: [actor-00000001] } } }',
      'policies: { gates: { anchor: { people: [actor-00000002] } } }',
      'policies.gates.anchor.people: the server does not let actor-00000002 decide, so actor-00000001 may.',
    ],
    [
      'policies: { gates: { anchor: { escalate_after: 2h } } }',
      'policies: { gates: { anchor: { escalate_after: 1m } } }',
      'policies.gates.anchor.escalate_after in minutes: the file asks for 1 and the server for 120, so 120 holds.',
    ],
    [
      'policies: { gates: { anchor: { escalate_to: [admin] } } }',
      'policies: { gates: { anchor: { escalate_to: [admin, operator] } } }',
      'policies.gates.anchor.escalate_to: the server does not let operator decide, so admin may.',
    ],
    [
      'policies: { gates: { anchor: { roles: [approver] } } }',
      'policies: { gates: { anchor: { escalate_to: [admin] } } }',
      'policies.gates.anchor.escalate_to: the server does not let admin decide, so nobody may.',
    ],
    [
      'policies: { gates: { anchor: { roles: [admin], people: [actor-00000001] } } }',
      'policies: { gates: { anchor: { escalate_to: [admin] } } }',
      'policies.gates.anchor.escalate_to: the server does not let admin decide, so nobody may.',
    ],
    [
      'policies: { allow_paths: ["src/**"] }',
      'policies: { allow_paths: ["src/**", "ops/**"] }',
      'policies.allow_paths: the server does not allow ops/**, so they are left out.',
    ],
  ])('%s against %s', (ceiling, file, sentence) => {
    const { settings, clamped } = tightened(ceiling, file)
    expect(clamped).toEqual([sentence])
    const { steps = [], ...rest } = tightened(ceiling, '').settings
    // A step that only the file names has what the server says for every step.
    const named = { name: 'impl', timeout_s: undefined, retries: 2, tokens_budget: undefined }
    expect(settings).toEqual({ ...rest, steps: file.includes('impl') ? [named] : steps })
  })
})

test('what a project says for every step tightens what the server says for one', () => {
  const { settings, clamped } = tightened('steps: [{ name: doc, retries: 3 }]', 'limits: { max_retries: 1 }')
  expect(settings).toMatchObject({ steps: [{ name: 'doc', retries: 1 }], limits: { max_retries: 1 } })
  expect(clamped).toEqual([])
})

test.each([
  ['budgets: { usd: 10, tokens: 100 }', 'budgets: { usd: 5 }', { budgets: { usd: 5, tokens: 100 } }],
  ['limits: { timeout_seconds: 0 }', 'limits: { timeout_seconds: 60 }', { limits: { timeout_seconds: 60 } }],
  ['', 'limits: { timeout_seconds: 0 }', { limits: { timeout_seconds: 0 } }],
  ['gates: { docs_lint: false }', 'gates: { docs_lint: true }', { gates: { docs_lint: true } }],
  [
    'policies: { gates: { anchor: { roles: [admin, approver] } } }',
    'policies: { gates: { anchor: { roles: [approver], quorum: 2 } } }',
    { policies: { gates: { anchor: { roles: ['approver'], quorum: 2 } } } },
  ],
  [
    'policies: { protected_paths: [a], allow_paths: ["src/**", "*.md"] }',
    'policies: { protected_paths: [b], allow_paths: ["src/app/**", "*.md"] }',
    { policies: { protected_paths: ['a', 'b'], allow_paths: ['src/app/**', '*.md'] } },
  ],
  ['policies: { merge: squash }', 'policies: { merge: rebase }', { policies: { merge: 'rebase' } }],
  ['', 'stack: { b: 2 }', { stack: { b: 2 } }],
])('%s lets %s hold', (ceiling, file, expected) => {
  const { settings, clamped } = tightened(ceiling, file)
  expect(clamped).toEqual([])
  expect(settings).toMatchObject(expected)
})

test('an answer of the project’s model is no longer than the server allows', () => {
  const { settings, clamped } = tightened(
    'models: { dev: { max_output_tokens: 4000 } }',
    'models: { dev: { model: a, max_output_tokens: 9000 } }',
  )
  expect(settings.models?.dev).toEqual({ model: 'a', max_output_tokens: 4000 })
  expect(clamped).toEqual([
    'models.dev.max_output_tokens: the file asks for 9000 and the server allows 4000, so 4000 holds.',
  ])
})

test('the server’s length of an answer and a project’s own time zone hold where the other file says nothing', () => {
  const { settings } = tightened('models: { arch: { max_output_tokens: 900 } }', 'limits: { time_zone: Europe/Berlin }')
  expect(settings.models).toEqual({ arch: { max_output_tokens: 900 } })
  expect(settings.limits?.time_zone).toBe('Europe/Berlin')
})

test.each([
  ['stack: {}', 'Unknown key `stack` (column 1).'],
  ['models: { dev: { model: a } }', 'Unknown key `model` under `models.dev` (column 18).'],
  ['policies: { gates: { anchor: { people: [] } } }', 'an empty list means nobody'],
])('the server’s own file holds nothing but limits: %s', (text, sentence) => {
  expect(() => readCeiling(text)).toThrow(sentence)
})

test('a file that names only people the server does not let decide does not leave nobody', () => {
  const { settings } = tightened(
    'policies: { gates: { anchor: { roles: [admin] } } }',
    'policies: { gates: { anchor: { roles: [operator] } } }',
  )
  expect(settings.policies.gates['anchor']?.roles).toEqual(['admin'])
})

test('a file whose paths are all refused allows none', () => {
  expect(
    tightened('policies: { allow_paths: ["src/**"] }', 'policies: { allow_paths: ["**"] }').settings.policies
      .allow_paths,
  ).toEqual([])
})

test('whatever the file asks for, no limit rises, and tightening twice changes nothing', () => {
  const limits = fc.record(
    { tokens_per_run: fc.nat(9), tokens_per_day: fc.nat(9), timeout_seconds: fc.nat(9), max_retries: fc.nat(9) },
    { requiredKeys: [] },
  )
  const endless = (seconds: number | undefined) => seconds || Number.POSITIVE_INFINITY
  fc.assert(
    fc.property(limits, limits, (ceiling, asked) => {
      const [most, file] = [ceiling, asked].map((value) => ({ limits: value, policies: { gates: {} } }))
      if (!most || !file) return
      const { settings } = tightenedBy(most, file)
      for (const key of ['tokens_per_run', 'tokens_per_day', 'max_retries'] as const)
        expect(settings.limits?.[key] ?? 0).toBeLessThanOrEqual(ceiling[key] ?? 9)
      expect(endless(settings.limits?.timeout_seconds)).toBeLessThanOrEqual(endless(ceiling.timeout_seconds))
      expect(tightenedBy(most, settings)).toEqual({ settings, clamped: [] })
    }),
  )
})
