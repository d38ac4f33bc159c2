import { describe, expect, test } from 'vitest'
import type { GateCard, RunCard } from '../core/model/card.ts'
import type { MoneyRefusal } from '../core/model/refusal-of-money.ts'
import { sayRefusal } from '../core/model/refusal-of-money.ts'
import { card as waits, gate } from './card.fixtures.ts'
import { sayNext } from './say-next.ts'

const asked: GateCard = { ...gate, gateId: 'm', name: 'budget', kind: 'budget' }
const askedByStep: GateCard = { ...asked, subject: { ...asked.subject, options: ['phase'] } }

const card: RunCard = { ...waits, state: 'running', waitingFor: null, gates: [] }

const paused = (reasonCode: string, more: Partial<RunCard> = {}): Partial<RunCard> => ({
  state: 'paused',
  reasonCode,
  ...more,
})

const frozen = '/resume r7k2 by an admin once they have looked, or /cancel r7k2'

test.each<[string, Partial<RunCard>, string | null]>([
  ['runs', {}, null],
  [
    'waits at a gate',
    { state: 'waiting', waitingFor: 'gate', gates: [gate] },
    '/approve r7k2, /changes r7k2 <what>, or /reject r7k2 <reason>',
  ],
  [
    'waits at two gates',
    { state: 'waiting', waitingFor: 'gate', gates: [gate, asked] },
    '/approve r7k2 anchor or /approve r7k2 budget; to say no, /reject r7k2 --gate anchor <reason>',
  ],
  [
    'waits at one gate of two',
    { state: 'waiting', waitingFor: 'gate', gates: [{ ...gate, verdict: 'approved' }, asked] },
    '/approve r7k2, or /reject r7k2 <reason>',
  ],
  [
    'failed at its deadline',
    { state: 'failed', isPastDeadline: true },
    '/run once more, with more time where it needs it',
  ],
  ['is paused by a person', paused('operator', { gates: [gate] }), '/resume r7k2'],
  ['has ended its phase', paused('phase_done'), '/resume r7k2'],
  ['is frozen', paused('freeze'), frozen],
  ['is frozen at gates', paused('freeze', { gates: [gate, asked] }), frozen],
  ['is to be frozen after its step', { reasonCode: 'freeze', gates: [asked] }, frozen],
  ['was frozen and cancelled', { state: 'cancelled', reasonCode: 'freeze' }, null],
  ['asks for money', paused('budget', { gates: [askedByStep] }), '/approve r7k2 budget (or phase), or /cancel r7k2'],
  ['asks for money beside a gate', paused('budget', { gates: [gate, asked] }), '/approve r7k2 budget, or /cancel r7k2'],
  ['asks for something', paused('conflict'), '/resume r7k2 once that is done, or /cancel r7k2'],
  ['asks for what we do not know', paused('tide'), '/resume r7k2 once that is done, or /cancel r7k2'],
  ['killed its workers', paused('dead_letter'), '/logs r7k2, then /retry r7k2 or /cancel r7k2'],
  ['met the impossible', paused('invariant'), '/logs r7k2, then /retry r7k2 or /cancel r7k2'],
  ['failed', { state: 'failed' }, '/retry r7k2 once the cause is mended'],
  ['waits for another', { state: 'queued', behind: 'r4wb' }, '/status r4wb, which goes first, or /cancel r7k2'],
  ['is done', { state: 'succeeded' }, '/artifacts r7k2'],
])('a run that %s says what can be done', (_, state, next) => {
  expect(sayNext({ ...card, ...state })).toBe(next)
})

describe('a run that was refused money for which nobody can be asked', () => {
  const day = '/resume r7k2 once the day is over, or /cancel r7k2'
  const cap = '/resume r7k2 once that cap is raised, or /cancel r7k2'

  test.each<[MoneyRefusal['level'], boolean, string]>([
    ['run', true, '/budget r7k2 +5, or /cancel r7k2'],
    ['run', false, '/budget r7k2 +5, or /cancel r7k2'],
    ['step', true, '/cancel r7k2'],
    ['task', true, '/cancel r7k2'],
    ['project-day', true, day],
    ['actor-day', true, day],
    ['instance-day', true, day],
    ['instance-day', false, cap],
  ])('of %s, which would fit an empty budget: %s', (level, everFits, next) => {
    const refusal = { level, capMicros: 1, capTokens: null, leftMicros: 1, leftTokens: null }
    const reason = sayRefusal({ micros: 2, tokens: 0 }, refusal, everFits)
    expect(sayNext({ ...card, ...paused('budget', { reason }) })).toBe(next)
  })
})
