import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { parsePinned, parseSettings } from './settings.ts'
import { schemaKeys, valueKeys } from './keys.fixtures.ts'
import { settingsJsonSchema } from './shape.ts'

const findings = (text: string) => {
  const parsed = parseSettings(text, 'quantapilot.yml')
  return parsed.ok ? [] : parsed.findings.map(({ line, message, fix }) => `${line} ${message} ${fix}`)
}

const settingsOf = (text: string) => {
  const parsed = parseSettings(text, 'quantapilot.yml')
  return parsed.ok ? parsed.settings : parsed.findings
}

test.each(['', '\n', '# nothing yet\n', '---\n', '\uFEFF', '{}'])('%j is all defaults', (text) => {
  expect(settingsOf(text)).toEqual({ policies: { gates: {} } })
})

test('a gate policy is read with durations in milliseconds', () => {
  const anchor = '{ roles: [approver], quorum: 2, self_approval: false, expires_after: 7d, remind_every: 90m }'
  expect(settingsOf(`policies:\n  gates:\n    anchor: ${anchor}\n`)).toEqual({
    policies: {
      gates: {
        anchor: {
          roles: ['approver'],
          quorum: 2,
          selfApproval: false,
          expiresAfterMs: 604_800_000,
          remindEveryMs: 5_400_000,
        },
      },
    },
  })
})

test('a gate that escalates tells admins where the file names nobody else', () => {
  expect(settingsOf('policies: { gates: { anchor: { escalate_after: 24h } } }')).toMatchObject({
    policies: { gates: { anchor: { escalateAfterMs: 86_400_000, escalateTo: ['admin'] } } },
  })
})

test('an alias repeats what is written once', () => {
  const text = 'policies:\n  gates:\n    anchor: { roles: &who [admin] }\n    start: { roles: *who }\n'
  expect(settingsOf(text)).toMatchObject({ policies: { gates: { start: { roles: ['admin'] } } } })
})

test('the stack is free', () => {
  expect(settingsOf('stack: { language: Go, since: 2020-01-01, cgo: false, tools: [make, 7] }')).toMatchObject({
    stack: { language: 'Go', since: '2020-01-01', cgo: false, tools: ['make', 7] },
  })
})

describe('what is wrong is said with its place and what to do', () => {
  test.each([
    [
      'polices:\n  merge: squash\n',
      '1 Unknown key `polices` (column 1). Did you mean `policies`? Rename it, or remove it.',
    ],
    [
      'models:\n  dev:\n    temprature: 1\n    model: x\n',
      '3 Unknown key `temprature` under `models.dev` (column 5). Did you mean `temperature`? Rename it, or remove it.',
    ],
    [
      'steps:\n  - { name: plan }\n  - { name: impl, retrys: 1 }\n',
      '3 Unknown key `retrys` under `steps[1]` (column 19). Did you mean `retries`? Rename it, or remove it.',
    ],
    [
      'policies:\n  gates:\n    anchor: { quorom: 1 }\n',
      '3 Unknown key `quorom` under `policies.gates.anchor` (column 15). Did you mean `quorum`? Rename it, or remove it.',
    ],
    ['budgets: { eur: 1 }\n', '1 Unknown key `eur` under `budgets` (column 12). Remove it; the keys are tokens, usd.'],
    [
      'xyzzyplugh: 1\n',
      '1 Unknown key `xyzzyplugh` (column 1). Remove it; the keys are stack, models, budgets, steps, gates, limits, policies.',
    ],
    [
      'budgets:\n  usd: ten\n',
      '2 budgets.usd must be a number from 0 to 1,000,000; it is "ten" (column 3). Correct it, or remove the key.',
    ],
    [
      'budgets:\n  usd: -1\n',
      '2 budgets.usd must be a number from 0 to 1,000,000; it is -1 (column 3). Correct it, or remove the key.',
    ],
    [
      'budgets: { usd: .inf }',
      '1 budgets.usd must be a number from 0 to 1,000,000; it is Infinity (column 12). Correct it, or remove the key.',
    ],
    [
      'limits:\n  max_retries: 1.5\n',
      '2 limits.max_retries must be a whole number from 0 to 100; it is 1.5 (column 3). Correct it, or remove the key.',
    ],
    [
      'budgets: { usd: 1e30 }',
      '1 budgets.usd must be a number from 0 to 1,000,000; it is 1e+30 (column 12). Correct it, or remove the key.',
    ],
    [
      'steps: [{ name: plan, timeout_s: 2592000 }]',
      '1 steps[0].timeout_s must be a whole number from 1 to 604,800; it is 2592000 (column 23). Correct it, or remove the key.',
    ],
    [
      'limits: { timeout_seconds: 9007199254740991 }',
      '1 limits.timeout_seconds must be a whole number from 0 to 31,536,000; it is 9007199254740991 (column 11). Correct it, or remove the key.',
    ],
    [
      'policies: { data_retention_days: 9007199254740991 }',
      '1 policies.data_retention_days must be a whole number from 0 to 36,500; it is 9007199254740991 (column 13). Correct it, or remove the key.',
    ],
    [
      'policies:\n  merge: fast\n',
      '2 policies.merge must be squash, merge or rebase; it is "fast" (column 3). Correct it, or remove the key.',
    ],
    [
      'policies:\n  merge: Squash\n',
      '2 policies.merge must be squash, merge or rebase; it is "Squash" (column 3). Write squash.',
    ],
    [
      'policies:\n  gates:\n    anchor:\n      roles: [aprover]\n',
      '4 policies.gates.anchor.roles[0] must be one of operator, approver, admin; it is "aprover" (column 15). Write approver.',
    ],
    [
      'policies:\n  gates:\n    anchor:\n      roles: []\n',
      '4 policies.gates.anchor.roles must name at least one role, because an empty list means nobody; it is an empty list (column 7). Correct it, or remove the key.',
    ],
    [
      'policies:\n  gates:\n    Anchor: { quorum: 1 }\n',
      '3 The key policies.gates.Anchor must be a name such as anchor or first-merge: small letters, digits and hyphens (column 5). Rename it.',
    ],
    [
      'policies:\n  gates:\n    anchor: { people: [Ann] }\n',
      '3 policies.gates.anchor.people[0] must be a pseudonym as /whoami shows it, such as actor-1a2b3c4d; it is "Ann" (column 24). Correct it, or remove the entry.',
    ],
    [
      'policies:\n  gates:\n    anchor: { people: [] }\n',
      '3 policies.gates.anchor.people must name at least one person, because an empty list means nobody; it is an empty list (column 15). Correct it, or remove the key.',
    ],
    [
      'env_refs:\n  key: QP_PROJECT_URL\n',
      '1 The key `env_refs` is not taken: nothing that an agent wrote may see a variable of the server (column 1). Remove it; what is no secret belongs under `stack` or into the code.',
    ],
    [
      'models: { qa: { model: "" } }',
      '1 models.qa.model must be the name of a model; it is "" (column 17). Correct it, or remove the key.',
    ],
    [
      'steps: [{ name: pr }, { name: pr }]',
      '1 steps[1].name must be a step that has no entry yet; it is "pr" (column 25). Correct it, or remove the key.',
    ],
    [
      'budgets:\n# usd: 5\n',
      '1 budgets has no value: it must be a block of keys (column 1). Write one, or remove the key.',
    ],
    [
      '- a\n',
      '1 The file must be a block of keys; it is a list (column 1). Write keys such as budgets: at the start of a line.',
    ],
    [
      'hello',
      '1 The file must be a block of keys; it is "hello" (column 1). Write keys such as budgets: at the start of a line.',
    ],
    [
      'budgets: { usd: 1 }\nbudgets: { usd: 2 }\n',
      '2 The key `budgets` stands here a second time (column 1). Merge the two, or remove one.',
    ],
    ['stack:\n  __proto__: { a: 1 }\n', '2 The key `__proto__` is not allowed (column 3). Rename or remove it.'],
    ['stack: { a: !!binary aGVsbG8= }', '1 The tag !!binary has no meaning here (column 22). Remove the tag.'],
    ['stack:\n  ? [a, b]\n  : 1\n', '2 This key is not a word (column 5). Write a plain word before the colon.'],
    ['stack: &a\n  x: *a\n', '2 The alias *a refers to the block it stands in (column 6). Write the value out.'],
    [
      'stack: {}\n---\nstack: {}\n',
      '2 A second YAML document starts here (column 1). Keep one document: remove the line with ---.',
    ],
    [
      'stack:\n\ta: 1\n',
      '2 A tab indents this line, and YAML takes spaces only (column 1). Replace the tab by spaces.',
    ],
  ])('%j', (text, expected) => {
    expect(findings(text)).toEqual([expected])
  })

  test.each(['stack: [', 'a: "b', 'a: b: c', '%', 'stack: *nowhere'])('%j is not YAML', (text) => {
    expect(findings(text).join('\n')).toMatch(/^\d+ (?:This is not YAML: .+|The aliases .+) \(column \d+\)\. .+\.$/)
  })

  test('all problems in one go, in the order of the file', () => {
    const text = 'steps: 3\nbudgets:\n  usd: -1\n  usd: -2\npolices: 1\npolicies:\n  allow_paths: [/etc, ..]\n'
    expect(findings(text).map((finding) => finding[0])).toEqual(['1', '3', '4', '5', '7', '7'])
  })

  test('no more problems than anybody mends at a time', () => {
    const many = Array.from({ length: 9_000 }, (_, index) => `k${index}:`).join('\n')
    const all = findings(many)
    expect(all).toHaveLength(51)
    expect(all.at(-1)).toBe('50 The file has 8950 more problems. Mend these first.')
  })
})

describe('durations', () => {
  const expiry = (text: string) => findings(`policies: { gates: { anchor: { expires_after: ${text} } } }`)

  test.each(['1m', '90m', '24h', '7d', '365d', '525600m'])('%s is one', (text) => {
    expect(expiry(text)).toEqual([])
  })

  test.each(['soon', '"0m"', '7', '1.5h', '-1d', '7 d', '366d', '999999d', '1w', '7D'])('%s is none', (text) => {
    expect(expiry(text)).toEqual([expect.stringContaining('must be a duration such as 90m, 24h or 7d, a year at most')])
  })
})

describe('paths', () => {
  const allow = (path: string) => findings(`policies: { allow_paths: [${JSON.stringify(path)}] }`)

  test.each(['src/**', '*.md', 'docs', 'app/[id]/(group)/page.tsx', '.github/**', '.gitignore', 'a/..b/c...d', '**'])(
    '%j is one',
    (path) => {
      expect(allow(path)).toEqual([])
    },
  )

  test.each([
    '../etc',
    'a/../../b',
    'a/..',
    '/etc',
    '//x',
    '~/.ssh',
    'C:/x',
    'c:x',
    'a\\b',
    '..\\x',
    '',
    '!src/**',
    'src/{a,../b}',
    '.git/config',
    '.git',
    'a/.GIT/x',
    '.git./x',
    '.git /x',
    '.git::$INDEX_ALLOCATION/x',
    'GIT~1/x',
    'a\u0000b',
    'a\nb',
  ])('%j is none', (path) => {
    expect(allow(path)).toEqual([
      expect.stringMatching(/^1 policies\.allow_paths\[0\] must be a path .+ Correct it, or remove the entry\.$/),
    ])
  })
})

test('a secret in a place where no value belongs is not repeated', () => {
  expect(findings('env_refs: { key: sk-very-secret }\n').join()).not.toContain('sk-very')
})

test('a run that began while a key was still taken goes on without it', () => {
  const text = 'env_refs: { key: QP_PROJECT_URL }\nbudgets: { usd: 5 }\n'
  expect(parsePinned(text, 'quantapilot.yml')).toEqual({
    ok: true,
    settings: { budgets: { usd: 5 }, policies: { gates: {} } },
  })
  expect(parsePinned('budgets: { eur: 5 }', 'quantapilot.yml')).toMatchObject({ ok: false })
})

describe('whatever the text', () => {
  const words = [
    'policies:',
    'gates:',
    'anchor:',
    'budgets: ',
    'usd',
    ': ',
    '- ',
    '[',
    ']',
    '{',
    '}',
    '&a ',
    '*a',
    '!t ',
    '\n',
    '\n  ',
    '? ',
  ]
  const piece = fc.constantFrom(
    ...words,
    ', ',
    '"',
    "'",
    '|',
    '>',
    '#',
    '%',
    '---\n',
    '\t',
    '\r',
    '\0',
    '__proto__',
    'null',
    '1e400',
    '<<: ',
  )
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece, { maxLength: 60 }).map((all) => all.join('')),
  )

  test('it never throws, and says what is wrong on a line of the file', () => {
    fc.assert(
      fc.property(text, (whole) => {
        const parsed = parseSettings(whole, 'q')
        const last = whole.split(/\r\n|\r|\n/).length
        for (const { line, message, fix } of parsed.ok ? [] : parsed.findings) {
          expect(line).toBeGreaterThanOrEqual(1)
          expect(line).toBeLessThanOrEqual(last)
          expect(`${message}${fix}`).not.toMatch(/undefined|\[object|\n|Invalid input/)
        }
      }),
      { numRuns: 500 },
    )
  })

  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...Array.from('bcdefg', (name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdef'[index]}`).join(',')}]`),
  ].join('\n')

  test.each([
    ['aliases of aliases', bomb, 'The aliases (*name) in the YAML refer to too much'],
    ['deep lists', '['.repeat(60_000), 'The YAML nests too deeply'],
    ['deep lists in block form', `stack: ${'- '.repeat(30_000)}`, ''],
    ['deep blocks', Array.from({ length: 300 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'), 'nests too deeply'],
    ['deep keys', '? '.repeat(30_000), ''],
    ['repeated keys', 'a:\n'.repeat(20_000), 'stands here a second time'],
    ['unknown keys', Array.from({ length: 9_000 }, (_, index) => `k${index}:`).join('\n'), 'Unknown key'],
    ['wrong entries', `steps: [${'1,'.repeat(30_000)}]`, 'must have 100 entries at most'],
    ['a long key', `${'x'.repeat(60_000)}: 1`, 'not YAML'],
    ['a file above 64 kB', '# é'.repeat(20_000), 'The file has 80000 bytes, so it was not read'],
  ])('%s are refused in a moment', (_, hostile, sentence) => {
    const before = process.threadCpuUsage()
    const [first] = findings(hostile)
    expect(process.threadCpuUsage(before).user / 1_000).toBeLessThan(5_000)
    expect(first).toContain(sentence)
  })
})

test('the published JSON Schema is up to date', async () => {
  await expect(settingsJsonSchema()).toMatchFileSnapshot('quantapilot.schema.json')
})

test('every key tells an editor what it means', () => {
  expect(schemaKeys.length).toBeGreaterThan(35)
  expect(schemaKeys.filter(({ node }) => !/^[A-Z0-9].+\.$/.test(node.description ?? ''))).toEqual([])
})

describe('the reference page', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/quantapilot-yml.md'), 'utf8')
  const example = /```yaml\n([\s\S]+?)```/.exec(page)?.[1] ?? ''

  test('has an example that is valid', () => {
    expect(findings(example)).toEqual([])
  })

  test('has every key in its example', () => {
    const named = JSON.stringify(parse(example))
    expect(schemaKeys.filter(({ path }) => !named.includes(`"${path.split('.').at(-1)}"`))).toEqual([])
  })

  test('explains every key that has a value in a row of a table, in the words of the JSON Schema', () => {
    const text = page.replaceAll('`', '')
    const missing = valueKeys.filter(({ path, node }) => {
      const says = (node.description ?? '').split(' Default: ')[0] ?? ''
      return !page.includes(`| \`${path}\` |`) || !text.includes(says.replace(/\.$/, ''))
    })
    expect(missing.map(({ path }) => path)).toEqual([])
  })
})

test('the bundled example is valid', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../examples/parcel-desk/quantapilot.yml'), 'utf8')
  expect(findings(text)).toEqual([])
})
