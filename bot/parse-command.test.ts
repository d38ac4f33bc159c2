import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseCommand, wordsOf } from './parse-command.ts'

const parse = (line: string) => parseCommand(wordsOf(line))
const valueOf = (line: string) => {
  const parsed = parse(line)
  return parsed.ok ? parsed.value : parsed.refusal
}

describe('commands as people type them', () => {
  test.each([
    ['/run ../shop', { kind: 'run', target: '../shop', branch: null, dryRun: false }],
    ['run ../shop dev --dry-run', { kind: 'run', target: '../shop', branch: 'dev', dryRun: true }],
    ['run --repo https://host/a/b.git --branch dev', { kind: 'run', target: 'https://host/a/b.git', branch: 'dev' }],
    ['/status', { kind: 'status', run: null }],
    ['/status R7K2', { kind: 'status', run: 'r7k2' }],
    ['abort r7k2', { kind: 'cancel', run: 'r7k2' }],
    ['approve r7k2 anchor --sha 9f2c', { kind: 'approve', run: 'r7k2', gate: 'anchor', sha256: '9f2c' }],
    ['reject r7k2 not this one', { kind: 'reject', run: 'r7k2', reason: 'not this one' }],
    ['changes r7k2 "Q1: only admins"', { kind: 'changes', reason: 'Q1: only admins' }],
    ['budget r7k2 +5', { kind: 'budget', raiseMicros: 5_000_000 }],
    ['budget r7k2', { kind: 'budget', raiseMicros: null }],
    [
      'budget r7k2 A9160113 0.123456',
      { kind: 'budget', raiseMicros: null, booked: { call: 'a9160113', micros: 123_456 } },
    ],
    ['budget r7k2 a9160113 $0', { kind: 'budget', raiseMicros: null, booked: { call: 'a9160113', micros: 0 } }],
    ['runs 2', { kind: 'runs', page: 2 }],
    ['calls R7K2', { kind: 'calls', run: 'r7k2', page: 1 }],
    ['calls r7k2 3', { kind: 'calls', run: 'r7k2', page: 3 }],
    ['logs r7k2 2', { kind: 'logs', run: 'r7k2', page: 2 }],
    ['gates 2', { kind: 'gates', page: 2 }],
    ['key add ci', { kind: 'key', verb: 'add', name: 'ci', scopes: ['read'] }],
    ['key add ci --scope decide,operate', { kind: 'key', verb: 'add', scopes: ['operate', 'decide'] }],
    ['privacy export', { kind: 'privacy', verb: 'export', who: null, confirm: false }],
    [
      'privacy erase actor-1a2b3c4d --confirm',
      { kind: 'privacy', verb: 'erase', who: 'actor-1a2b3c4d', confirm: true },
    ],
    ['key list', { kind: 'key', verb: 'list' }],
    ['key revoke 0190', { kind: 'key', verb: 'revoke', name: '0190' }],
  ])('%s', (line, command) => {
    expect(valueOf(line)).toMatchObject(command)
  })
})

describe('mistakes get the nearest right thing', () => {
  test.each([
    ['/rnu ../shop', 'Did you mean run ../shop?'],
    ['aprove r7k2', 'Did you mean approve r7k2?'],
    ['run ../shop --dry-rnu', 'Did you mean --dry-run?'],
    ['reject r7k2', 'Usage: reject <run> <reason>'],
    ['pause', 'Usage: pause <run>'],
    ['pause shop', 'Usage: pause <run>'],
    ['budget r7k2 much', 'Write +5 for five dollars more.'],
    ['key add ci --scope root', 'Scopes are read, operate, decide.'],
    ['key add', 'Usage: key add <label> [--scope read,operate,decide] | key list | key revoke <id>'],
    ['xyzzyplugh', 'See help.'],
  ])('%s', (line, next) => {
    expect(valueOf(line)).toMatchObject({ code: 'usage', next })
  })
})

test.each(['__proto__', 'constructor', 'toString x'])('%s is no command', (line) => {
  expect(valueOf(line)).toMatchObject({ code: 'usage' })
})

test('no text makes it throw', () => {
  fc.assert(fc.property(fc.string(), (line) => typeof parse(line).ok === 'boolean'))
})

test.each([
  ['webhook', { act: 'list' }],
  ['webhook list', { act: 'list' }],
  ['webhook add https://ci.example.org/qp', { act: 'add', address: 'https://ci.example.org/qp', events: [] }],
  [
    'webhook add https://ci.example.org/qp --events run_failed,run_started',
    { act: 'add', address: 'https://ci.example.org/qp', events: ['run_started', 'run_failed'] },
  ],
  ['/webhook remove W3', { act: 'remove', webhook: 'w3' }],
  ['webhook test w3', { act: 'test', webhook: 'w3' }],
])('%s is about webhooks', (line, wanted) => {
  expect(parseCommand(wordsOf(line))).toEqual({ ok: true, value: { kind: 'webhook', ...wanted } })
})

test.each([
  ['webhook ad https://a.example', 'Did you mean webhook add?'],
  ['webhook add', 'Usage: webhook add'],
  ['webhook add https://a.example --events run_faild', 'Did you mean run_failed?'],
  ['webhook add https://a.example --events ,', 'There are run_started'],
  ['webhook remove 3', 'See /webhook list.'],
  ['webhook add https://a.example --events', 'Usage: webhook add'],
  ['run /repos/shop --branch', 'Usage: run <folder or URL>'],
  ['webhook list w1', 'Usage: webhook add'],
])('%s is refused with the next step', (line, next) => {
  const parsed = parseCommand(wordsOf(line))
  expect(parsed.ok ? '' : parsed.refusal.next).toContain(next)
})

test.each([
  ['undo r7k2', { run: 'r7k2', commit: null }],
  ['/undo R7K2 3F2A1BC', { run: 'r7k2', commit: '3f2a1bc' }],
])('%s takes back a run, or one merge of it', (line, wanted) => {
  expect(parseCommand(wordsOf(line))).toEqual({ ok: true, value: { kind: 'undo', ...wanted } })
})

test.each([
  ['undo', 'Usage: undo <run> [commit]'],
  ['und r7k2', 'Did you mean undo r7k2?'],
  ['undo r7k2 M-001', 'Write seven of its digits'],
  ['undo r7k2 3f2a1bc 3f2a1bd', 'Usage: undo'],
  ['approve r7k2 anchor phase more', 'Usage: approve'],
  ['actor role bob +king', 'Roles are viewer, '],
  ['actor role bob +admn', 'Did you mean admin?'],
])('%s is refused with what to write', (line, next) => {
  const parsed = parseCommand(wordsOf(line))
  expect(parsed.ok ? '' : parsed.refusal.next).toContain(next)
})

test.each([
  ['budget r7k2 five', 'Write +5'],
  ['budget r7k2 a9160113 much', 'Write what the call cost in dollars'],
  ['budget r7k2 a9160113 -1', 'Write what the call cost in dollars'],
  ['budget r7k2 call 0.12', 'Write its eight digits'],
  ['budget r7k2 a9160113 0.12 0.13', 'Usage: budget'],
])('%s is refused with what to write', (line, next) => {
  const parsed = parseCommand(wordsOf(line))
  expect(parsed.ok ? '' : parsed.refusal.next).toContain(next)
})
