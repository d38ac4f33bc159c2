import { describe, expect, test } from 'vitest'
import type { Gate, Poll, Voter } from './decide.ts'
import { decide, mayDecide, verdictOf } from './decide.ts'
import type { GatePolicy, Role } from './plan.ts'
import { aPolicy, aRun, aSubject, gated } from './test-run.ts'

const gate: Gate = {
  id: 'g',
  runId: 'r',
  stepId: 'make-gate',
  kind: 'plan',
  name: 'make',
  artifactSha256: aSubject.artifact.sha256,
  policy: aPolicy,
  requestedBy: null,
  escalatedAt: null,
  verdict: null,
}

const parked = aRun({
  plan: gated,
  position: 1,
  state: 'waiting',
  waitingFor: 'gate',
  waitingName: 'make',
  dueInMs: 1_000,
})

const somebody = (actorId: string, roles: readonly Role[], lent: Voter['lent'] = []): Voter => ({
  actorId,
  pseudonym: `actor-${actorId}`,
  roles: [...roles, ...lent.map(({ role }) => role)],
  lent,
})

const startedBy = (starter: string, votes: Poll['votes'] = []): Poll => ({ starter, votes })

const yes = (actorId: string, inPlaceOf: string | null = null) => ({ actorId, inPlaceOf, choice: 'approved' }) as const

describe('who may decide', () => {
  test('someone with a role the gate names', () => {
    expect(mayDecide(gate, startedBy('starter'), somebody('x', ['approver']))).toEqual({
      ok: true,
      value: { role: 'approver', inPlaceOf: null, isByEscalation: false },
    })
    expect(mayDecide(gate, startedBy('starter'), somebody('x', ['operator']))).toMatchObject({ ok: false })
  })

  test('nobody, when the list of roles is empty', () => {
    const closed = { ...gate, policy: { ...aPolicy, roles: [] } }
    expect(mayDecide(closed, startedBy('s'), somebody('x', ['admin', 'approver']))).toMatchObject({ ok: false })
  })

  test('not whoever started the run or asked, where four eyes are wanted', () => {
    const strict = { ...gate, policy: { ...aPolicy, selfApproval: false } }
    expect(mayDecide(strict, startedBy('me'), somebody('me', ['approver']))).toMatchObject({ ok: false })
    expect(mayDecide({ ...strict, requestedBy: 'me' }, startedBy('s'), somebody('me', ['approver']))).toMatchObject({
      ok: false,
    })
    expect(mayDecide(strict, startedBy('s'), somebody('me', ['approver']))).toMatchObject({ ok: true })
  })
})

describe('named people and escalation', () => {
  const people = ['actor-ann', 'actor-ben']
  const escalation = { afterMs: 1_000, roles: ['admin'] } as const
  const by = (role: Role, isByEscalation = false) => ({ role, inPlaceOf: null, isByEscalation })
  const early = null
  const late = new Date(0)

  test.each<[string, Partial<GatePolicy>, Date | null, Voter, ReturnType<typeof by> | null]>([
    ['somebody named, with a role', { people }, early, somebody('ann', ['approver']), by('approver')],
    ['somebody named, without a role', { people }, early, somebody('ann', ['viewer']), null],
    ['somebody else with the role', { people }, early, somebody('eve', ['approver', 'admin']), null],
    ['anybody, where nobody is named', { people: [] }, early, somebody('ann', ['approver']), null],
    ['an admin before it is escalated', { escalation }, early, somebody('eve', ['admin']), null],
    ['an admin once it is escalated', { escalation }, late, somebody('eve', ['admin']), by('admin', true)],
    ['others once it is escalated', { escalation }, late, somebody('eve', ['viewer', 'operator']), null],
    ['who could decide before', { escalation }, late, somebody('eve', ['approver', 'admin']), by('approver')],
    ['an admin who is not named', { people, escalation }, late, somebody('eve', ['admin']), by('admin', true)],
    ['an approver who is not named', { people, escalation }, late, somebody('eve', ['approver']), null],
    ['an admin, where nothing is escalated to', {}, late, somebody('eve', ['admin']), null],
    ['the starter, by escalation', { escalation, selfApproval: false }, late, somebody('me', ['admin']), null],
  ])('%s', (_, policy, escalatedAt, voter, authority) => {
    const may = mayDecide({ ...gate, escalatedAt, policy: { ...aPolicy, ...policy } }, startedBy('me'), voter)
    expect(may.ok ? may.value : null).toEqual(authority)
  })

  test('who may not hears who may', () => {
    const strict = { ...gate, escalatedAt: late, policy: { ...aPolicy, people, escalation } }
    expect(mayDecide(strict, startedBy('me'), somebody('eve', []))).toMatchObject({
      refusal: {
        message: 'Gate make is decided by: actor-ann, actor-ben (approver), and since it was escalated admin.',
      },
    })
  })
})

describe('standing in', () => {
  const strict = { ...gate, policy: { ...aPolicy, selfApproval: false } }
  const from = (...holders: readonly string[]) => holders.map((inPlaceOf) => ({ role: 'approver', inPlaceOf }) as const)
  const bob = (...holders: readonly string[]) => somebody('bob', [], from(...holders))
  const asked = (requestedBy: string): Gate => ({ ...strict, requestedBy })

  test.each<[string, Gate, Poll, Voter, string | null]>([
    ['for somebody else', strict, startedBy('s'), bob('ann'), 'ann'],
    ['on a role of their own, which counts first', strict, startedBy('ann'), somebody('bob', ['approver']), null],
    ['for the first who did not start it', strict, startedBy('ann'), bob('ann', 'cyd', 'dan'), 'cyd'],
    ['for the first who did not ask', asked('ann'), startedBy('s'), bob('ann', 'cyd'), 'cyd'],
    ['for the first who has not voted', gate, startedBy('s', [yes('ann')]), bob('ann', 'cyd'), 'cyd'],
    ['for the first for whom nobody has', gate, startedBy('s', [yes('eve', 'ann')]), bob('ann', 'cyd'), 'cyd'],
    ['for the starter, where they may decide themselves', gate, startedBy('ann'), bob('ann'), 'ann'],
  ])('%s', (_, open, poll, voter, inPlaceOf) => {
    expect(mayDecide(open, poll, voter)).toMatchObject({ ok: true, value: { role: 'approver', inPlaceOf } })
  })

  test.each<[string, Gate, Poll, Voter, string]>([
    ['for the starter', strict, startedBy('ann'), bob('ann'), 'Four eyes: actor-ann asked for this'],
    ['for who asked', asked('ann'), startedBy('s'), bob('ann'), 'Four eyes: actor-ann asked for this'],
    ['for themselves, having started it', strict, startedBy('bob'), bob('ann'), 'Four eyes: who asked'],
    ['for who has voted', gate, startedBy('s', [yes('ann')]), bob('ann'), 'The vote of actor-ann'],
    ['for whom somebody has', gate, startedBy('s', [yes('eve', 'ann')]), bob('ann'), 'The vote of actor-ann'],
    ['twice, for two', gate, startedBy('s', [yes('bob', 'ann')]), bob('ann', 'cyd'), 'You voted'],
    ['after their own vote', gate, startedBy('s', [yes('bob')]), bob('ann'), 'You voted'],
    ['with a role that the gate does not name', gate, startedBy('s'), somebody('bob', ['operator']), 'is decided by'],
  ])('not %s', (_, open, poll, voter, message) => {
    expect(mayDecide(open, poll, voter)).toMatchObject({ refusal: { message: expect.stringContaining(message) } })
  })

  test('whoever somebody has voted for does not vote again, on no role of others either', () => {
    const ann = somebody('ann', ['approver'], [{ role: 'operator', inPlaceOf: 'cyd' }])
    expect(mayDecide(gate, startedBy('s', [yes('bob', 'ann')]), ann)).toMatchObject({
      refusal: {
        code: 'already_decided',
        message: 'actor-bob voted on gate make in your place already.',
        about: 'bob',
      },
    })
  })
})

describe('what votes amount to', () => {
  test('a yes needs the quorum', () => {
    const two = { ...aPolicy, quorum: 2 }
    expect(verdictOf(two, [yes('a')])).toBeNull()
    expect(verdictOf(two, [yes('a'), yes('b')])).toBe('approved')
  })

  test('one no decides, whatever the quorum', () => {
    const votes = [yes('a'), { actorId: 'b', inPlaceOf: null, choice: 'rejected' }] as const
    expect(verdictOf({ ...aPolicy, quorum: 3 }, votes)).toBe('rejected')
  })
})

describe('what a verdict does', () => {
  test('approved: the run is ready for the item behind the gate', () => {
    expect(decide(parked, gate, { verdict: 'approved', cleanUp: null }).now).toMatchObject({
      state: 'queued',
      position: 2,
      waitingFor: null,
      dueInMs: null,
      verdicts: { 'make-gate': 'approved' },
    })
  })

  test('approved while paused: it stays paused and is ready afterwards', () => {
    const paused = { ...parked, state: 'paused', pausedFrom: 'waiting' } as const
    expect(decide(paused, gate, { verdict: 'approved', cleanUp: null }).now).toMatchObject({
      state: 'paused',
      pausedFrom: 'queued',
      position: 2,
    })
  })

  test('approved while paused, with nothing behind the gate: the run is over, and nothing holds it up any more', () => {
    const operator = { reasonCode: 'operator', reason: 'Paused by an operator.' }
    const paused = { ...parked, ...operator, plan: gated.slice(0, 2), state: 'paused', pausedFrom: 'waiting' } as const
    expect(decide(paused, gate, { verdict: 'approved', cleanUp: null }).now).toMatchObject({
      state: 'succeeded',
      reasonCode: null,
      reason: null,
    })
  })

  test('changes requested: a new round of the maker and a new gate, under fresh ids', () => {
    const { now, plan } = decide(parked, gate, { verdict: 'changes_requested', cleanUp: null })
    expect(plan?.map((item) => item.id)).toEqual(['make', 'make-gate', 'make#2', 'make-gate#2', 'after'])
    expect(now).toMatchObject({ state: 'queued', position: 2, planVersion: 2 })
  })

  test('rejected: the run ends, and says at which gate', () => {
    expect(decide(parked, gate, { verdict: 'rejected', cleanUp: null }).now).toMatchObject({
      state: 'rejected',
      reason: 'Rejected at gate make.',
    })
  })
})
