import { describe, expect, test } from 'vitest'
import type { GatePolicy } from './plan.ts'
import { effectsToUndo, type KnownEffect, policyOfUndo } from './undo.ts'

const effect = (key: string, more: Partial<KnownEffect> = {}): KnownEffect => ({
  key,
  kind: 'branch',
  target: {},
  undo: 'remove it',
  reversal: 'undo',
  result: { commit: 'a'.repeat(40) },
  state: 'done',
  ...more,
})

const merge = (key: string, commit: string | null, more: Partial<KnownEffect> = {}): KnownEffect =>
  effect(key, { kind: 'merge', reversal: 'compensate', result: { commit }, ...more })

const keysOf = (made: readonly KnownEffect[], commit: string | null = null) => {
  const found = effectsToUndo('r7k2', made, commit)
  return found.ok ? found.value.map(({ key }) => key) : found.refusal.message
}

const check = effect('check', { reversal: 'irreversible', result: null })

describe('what an undo is about', () => {
  test.each([
    ['all that was done, newest first', [effect('1'), merge('2', 'b1'), effect('3')], null, ['3', '2', '1']],
    ['what cannot be undone too, so that it is said', [effect('1'), check], null, ['check', '1']],
    ['not a merge that found its base moved', [merge('1', null), merge('2', 'b1')], null, ['2']],
    ['not what was never confirmed', [effect('1'), effect('2', { state: 'planned', result: null })], null, ['1']],
    ['what an earlier undo has left', [effect('1'), effect('2', { state: 'undone' })], null, ['1']],
    ['just the merge that was named', [effect('1'), merge('2', 'b1'), merge('3', 'b2')], 'b1', ['2']],
    ['nothing', [], null, 'Run r7k2 has done nothing outside that could be undone.'],
    ['nothing that can be', [check], null, 'Run r7k2 has done nothing outside that could be undone.'],
    ['nothing any more', [check, effect('1', { state: 'undone' })], null, 'Run r7k2 was undone already.'],
    ['a merge no more', [merge('1', 'b1', { state: 'undone' })], 'b1', 'That merge was undone already.'],
    ['no merge of another', [merge('1', 'b1')], 'c', 'Run r7k2 merged no commit that begins with c.'],
    ['no branch by its commit', [effect('1')], 'aaaaaaa', 'Run r7k2 merged no commit that begins with aaaaaaa.'],
  ] as const)('%s', (_, made, commit, expected) => {
    expect(keysOf(made, commit)).toEqual(expected)
  })

  test.each([
    ['nothing', [], 'What it made is in /artifacts r7k2.'],
    ['nothing any more', [effect('1', { state: 'undone' })], 'The run that did it is among /runs.'],
  ] as const)('%s is refused with the next step', (_, made, next) => {
    expect(effectsToUndo('r7k2', made, null)).toMatchObject({ refusal: { next } })
  })
})

const policy = (more: Partial<GatePolicy> = {}): GatePolicy => ({
  roles: ['approver', 'admin'],
  quorum: 1,
  selfApproval: true,
  expiresAfterMs: null,
  remindEveryMs: null,
  ...more,
})

describe('who decides about an undo', () => {
  test.each([
    ['an approver or admin where nobody decided before', [], policy()],
    ['whoever did before', [policy({ roles: ['admin'] })], policy({ roles: ['admin'] })],
    ['as many as the strictest gate asked for', [policy({ quorum: 2 }), policy()], policy({ quorum: 2 })],
    [
      'only who could at every gate',
      [policy({ roles: ['operator', 'admin'] }), policy({ roles: ['approver', 'admin'] })],
      policy({ roles: ['admin'] }),
    ],
    [
      'an admin where no role could at every gate',
      [policy({ roles: ['operator'] }), policy({ roles: ['approver'] })],
      policy({ roles: ['admin'] }),
    ],
    [
      'not whoever asks for it, where one gate wanted that',
      [policy({ selfApproval: false }), policy()],
      policy({ selfApproval: false }),
    ],
    ['the people who were named', [policy({ people: ['actor-1'] }), policy()], policy({ people: ['actor-1'] })],
    [
      'nobody more after a while, where one gate let nobody more',
      [policy(), policy({ escalation: { afterMs: 1, roles: ['operator'] } })],
      policy(),
    ],
    [
      'within the time of the last gate',
      [policy({ expiresAfterMs: 1 }), policy({ expiresAfterMs: 2 })],
      policy({ expiresAfterMs: 2 }),
    ],
  ] as const)('%s', (_, passed, expected) => {
    expect(policyOfUndo(passed)).toEqual(expected)
  })
})
