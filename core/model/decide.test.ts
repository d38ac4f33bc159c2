import { describe, expect, test } from 'vitest'
import type { Gate } from './decide.ts'
import { decide, mayDecide, verdictOf } from './decide.ts'
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

describe('who may decide', () => {
  test('someone with a role the gate names', () => {
    expect(mayDecide(gate, 'starter', { actorId: 'x', roles: ['approver'] })).toEqual({ ok: true, value: 'approver' })
    expect(mayDecide(gate, 'starter', { actorId: 'x', roles: ['operator'] })).toMatchObject({ ok: false })
  })

  test('nobody, when the list of roles is empty', () => {
    const closed = { ...gate, policy: { ...aPolicy, roles: [] } }
    expect(mayDecide(closed, 's', { actorId: 'x', roles: ['admin', 'approver'] })).toMatchObject({ ok: false })
  })

  test('not whoever started the run or asked, where four eyes are wanted', () => {
    const strict = { ...gate, policy: { ...aPolicy, selfApproval: false } }
    expect(mayDecide(strict, 'me', { actorId: 'me', roles: ['approver'] })).toMatchObject({ ok: false })
    expect(mayDecide({ ...strict, requestedBy: 'me' }, 's', { actorId: 'me', roles: ['approver'] })).toMatchObject({
      ok: false,
    })
    expect(mayDecide(strict, 's', { actorId: 'me', roles: ['approver'] })).toMatchObject({ ok: true })
  })
})

describe('what votes amount to', () => {
  test('a yes needs the quorum', () => {
    const two = { ...aPolicy, quorum: 2 }
    expect(verdictOf(two, [{ actorId: 'a', choice: 'approved' }])).toBeNull()
    expect(
      verdictOf(two, [
        { actorId: 'a', choice: 'approved' },
        { actorId: 'b', choice: 'approved' },
      ]),
    ).toBe('approved')
  })

  test('one no decides, whatever the quorum', () => {
    const votes = [
      { actorId: 'a', choice: 'approved' },
      { actorId: 'b', choice: 'rejected' },
    ] as const
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
