import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseSettings } from './settings.ts'
import { settingsJsonSchema } from './shape.ts'

const findings = (text: string) => {
  const parsed = parseSettings(text, 'quantapilot.yml')
  return parsed.ok ? [] : parsed.findings.map((finding) => `${finding.line} ${finding.message} ${finding.fix}`)
}

test('an empty file is all defaults', () => {
  expect(parseSettings('', 'quantapilot.yml')).toEqual({ ok: true, settings: { policies: { gates: {} } } })
  expect(parseSettings('# nothing yet\n', 'quantapilot.yml').ok).toBe(true)
})

test('a gate policy is read with durations in milliseconds', () => {
  const parsed = parseSettings(
    'policies:\n  gates:\n    anchor: { roles: [approver], quorum: 2, self_approval: false, expires_after: 7d }\n',
    'q',
  )
  expect(parsed).toMatchObject({
    ok: true,
    settings: {
      policies: {
        gates: { anchor: { roles: ['approver'], quorum: 2, selfApproval: false, expiresAfterMs: 604_800_000 } },
      },
    },
  })
})

describe('what is wrong is said with its line and what to do', () => {
  test.each([
    ['polices:\n  merge: squash\n', ['1 Unknown key `polices`. Did you mean `policies`?']],
    ['policies:\n  merge: fast\n', ['2 policies.merge must be squash, merge or rebase. It says "fast".']],
    ['budgets:\n  usd: ten\n', ['2 budgets.usd must be a number, 0 or more. It says "ten".']],
    [
      'models:\n  dev:\n    temprature: 1\n    model: x\n',
      ['3 Unknown key `temprature` under models.dev. Did you mean `temperature`?'],
    ],
    [
      'policies:\n  gates:\n    anchor:\n      roles: []\n',
      ['4 policies.gates.anchor.roles must name at least one role: an empty list would mean nobody. It says [].'],
    ],
    [
      'policies:\n  gates:\n    anchor:\n      expires_after: soon\n',
      ['4 policies.gates.anchor.expires_after must be a duration such as 90m, 24h or 7d. It says "soon".'],
    ],
    [
      'policies:\n  allow_paths: ["../etc"]\n',
      ['2 policies.allow_paths.0 must stay inside the repository and out of .git. It says "../etc".'],
    ],
    [
      'env_refs:\n  key: OPENAI_API_KEY\n',
      ['2 env_refs.key must name a variable that starts with QP_PROJECT_. It says "OPENAI_API_KEY".'],
    ],
    ['- a\n', ['1 the file must be a block of keys. It says ["a"].']],
    ['xyzzyplugh: 1\n', ['1 Unknown key `xyzzyplugh`. Remove it.']],
  ])('%j', (text, expected) => {
    expect(findings(text)).toEqual(expected)
  })

  test('all problems in one go', () => {
    expect(findings('polices: 1\nbudgets:\n  usd: -1\nsteps: 3\n')).toHaveLength(3)
  })

  test.each(['a: [', 'a:\n\tb: 1\n', 'a: 1\na: 2\n'])('syntax error in %j', (text) => {
    expect(findings(text)[0]).toMatch(/^\d+ Not YAML at column \d+: /)
  })
})

test('a file that explodes by aliases is refused', () => {
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...Array.from('bcdefg').map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdef'[i]}`).join(',')}]`),
  ].join('\n')
  expect(findings(bomb)[0]).toContain('cannot be expanded')
})

test('no text makes it throw', () => {
  fc.assert(fc.property(fc.string(), (text) => typeof parseSettings(text, 'q').ok === 'boolean'))
})

test('the published JSON Schema is up to date', async () => {
  await expect(settingsJsonSchema()).toMatchFileSnapshot('quantapilot.schema.json')
})

test('the example in the reference page is valid', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/quantapilot-yml.md'), 'utf8')
  const example = /```yaml\n([\s\S]+?)```/.exec(page)?.[1] ?? ''
  expect(findings(example)).toEqual([])
  expect(example.length).toBeGreaterThan(100)
})
