import { resume } from './intervene.ts'
import { raisePolicy } from './money-request.ts'
import { describe, expect, test } from 'vitest'
import { currentItem, failedRun, gateExpired, parkAsInvariant, postponed, settle } from './settle.ts'
import { aContext, aRun, aSubject, gated, steps } from './test-run.ts'

const done = { kind: 'done', output: { ok: true } } as const
const fault = {
  kind: 'fault',
  code: 'TRANSIENT_NETWORK',
  message: 'no answer',
  retryable: true,
  retryAfterMs: null,
} as const
const cleanUp = { type: 'step', id: 'clean-up', kind: 'clean', title: 'cleaning up' } as const

describe('a step that is done', () => {
  test('hands the run to its next step on the same worker', () => {
    const { now, goesOn, attempt } = settle(aRun(), done, aContext)
    expect(now).toMatchObject({ state: 'running', position: 1, attempt: 1 })
    expect(goesOn).toBe(true)
    expect(attempt).toMatchObject({ stepId: 'a', attempt: 1, outcome: 'done', output: { ok: true } })
  })

  test('ends the run when it was the last one', () => {
    const { now, events } = settle(aRun({ position: 2, lockKey: 'k', lockState: 'held' }), done, aContext)
    expect(now).toMatchObject({ state: 'succeeded', position: 3, lockState: null })
    expect(events.map((event) => event.kind)).toEqual(['step_finished', 'run_completed'])
  })

  test('opens the gate behind it and parks in the same transition', () => {
    const { now, openGate, goesOn } = settle(aRun({ plan: gated }), { ...done, subject: aSubject }, aContext)
    expect(now).toMatchObject({
      state: 'waiting',
      waitingFor: 'gate',
      waitingName: 'make',
      position: 1,
      dueInMs: 60_000,
    })
    expect(openGate).toMatchObject({ stepId: 'make-gate', artifact: aSubject.artifact })
    expect(goesOn).toBe(false)
  })

  test('is a defect when it presents nothing to the gate behind it', () => {
    expect(() => settle(aRun({ plan: gated }), done, aContext)).toThrow('presented nothing')
  })

  test('skips what its verdict rules out, a gate together with the step it judges', () => {
    const plan = [
      ...steps('a'),
      { ...steps('b')[0], when: { step: 'a', verdict: 'yes' } },
      { ...gated[1], id: 'b-gate', judges: 'b' },
      ...steps('c'),
    ] as typeof gated
    expect(settle(aRun({ plan }), { ...done, verdict: 'no' }, aContext).now.position).toBe(3)
    expect(settle(aRun({ plan }), { ...done, verdict: 'yes' }, aContext).now.position).toBe(1)
  })

  test('may put more steps right behind itself, as a new version of the plan', () => {
    const { now, plan } = settle(aRun(), { ...done, extend: steps('x') }, aContext)
    expect(plan?.map((item) => item.id)).toEqual(['a', 'x', 'b', 'c'])
    expect(now).toMatchObject({ planVersion: 2, position: 1 })
  })

  test('forgives deaths and failures, since the run made progress', () => {
    const { now } = settle(aRun({ deaths: 2, deathsAlone: 1, alone: true, failures: 3 }), done, aContext)
    expect(now).toMatchObject({ deaths: 0, deathsAlone: 0, alone: false, failures: 0 })
  })
})

describe('a pause that came meanwhile', () => {
  const interrupted = { interrupt: 'pause', reasonCode: 'operator', reason: 'Paused by an operator.' } as const

  test('takes effect after the step, and the result is kept', () => {
    const { now, attempt } = settle(aRun(interrupted), done, aContext)
    expect(now).toMatchObject({
      state: 'paused',
      pausedFrom: 'queued',
      position: 1,
      interrupt: null,
      reasonCode: 'operator',
    })
    expect(attempt?.outcome).toBe('done')
  })

  test('keeps what a run waits for, to go back to it', () => {
    const { now, openGate } = settle(aRun({ ...interrupted, plan: gated }), { ...done, subject: aSubject }, aContext)
    expect(now).toMatchObject({ state: 'paused', pausedFrom: 'waiting', waitingFor: 'gate' })
    expect(openGate).not.toBeNull()
  })

  test('counts no try for a step that was aborted for it', () => {
    const { now, attempt } = settle(aRun(interrupted), { kind: 'aborted' }, aContext)
    expect(now).toMatchObject({ state: 'paused', pausedFrom: 'queued', position: 0, attempt: 1 })
    expect(attempt).toBeNull()
  })
})

describe('a cancel that came meanwhile', () => {
  test('ends the run when there is nothing to clean up', () => {
    expect(settle(aRun({ interrupt: 'cancel' }), { kind: 'aborted' }, aContext).now.state).toBe('cancelled')
  })

  test('runs the clean-up first, and ends as cancelled after it', () => {
    const { now, plan, goesOn } = settle(aRun({ interrupt: 'cancel' }), done, { ...aContext, cleanUp })
    expect(plan?.map((item) => item.id)).toEqual(['a', 'clean-up'])
    expect(now).toMatchObject({ state: 'running', position: 1, ending: 'cancelled', interrupt: null })
    expect(goesOn).toBe(true)
    expect(settle({ ...now, eventSeq: 5 }, done, aContext).now.state).toBe('cancelled')
  })
})

describe('a step that waits', () => {
  test('runs again when its time has come, as its next try', () => {
    const { now } = settle(aRun(), { kind: 'wait', wait: { kind: 'time', delayMs: 500 } }, aContext)
    expect(now).toMatchObject({
      state: 'waiting',
      waitingFor: 'time',
      dueInMs: 500,
      attempt: 2,
      position: 0,
      resume: { kind: 'time' },
    })
  })

  test('takes a signal that came early at once', () => {
    const signals = [{ id: 's1', name: 'go', payload: 7 }]
    const wait = { kind: 'wait', wait: { kind: 'signal', name: 'go', timeoutMs: null } } as const
    const { now, consumedSignal } = settle(aRun({ signalsPending: 1 }), wait, { ...aContext, signals })
    expect(now).toMatchObject({ state: 'running', signalsPending: 0, resume: { kind: 'signal', payload: 7 } })
    expect(consumedSignal).toBe('s1')
  })

  test('goes on at once when it wants no children', () => {
    const { now } = settle(aRun(), { kind: 'wait', wait: { kind: 'children', children: [] } }, aContext)
    expect(now).toMatchObject({ state: 'running', resume: { kind: 'children', results: [] } })
  })
})

describe('a step that failed', () => {
  test('is tried again later, up to what its class allows', () => {
    const first = settle(aRun(), fault, aContext)
    expect(first.now).toMatchObject({ state: 'waiting', waitingFor: 'time', dueInMs: 2_000, attempt: 2, failures: 1 })
    const last = settle(aRun({ attempt: 5, failures: 4 }), fault, aContext)
    expect(last.now).toMatchObject({ state: 'failed', reasonCode: 'TRANSIENT_NETWORK', reason: 'no answer' })
  })

  test('waits as long as it was told to, however often, and says why', () => {
    const limited = { ...fault, code: 'RATE_LIMIT', message: 'slow down', retryAfterMs: 9_000 } as const
    const { now, attempt } = settle(aRun({ attempt: 50, failures: 4 }), limited, { ...aContext, random: 0 })
    expect(now).toMatchObject({ state: 'waiting', waitingFor: 'time', dueInMs: 9_000, attempt: 51, failures: 4 })
    expect(now).toMatchObject({ reasonCode: 'RATE_LIMIT', reason: 'slow down' })
    expect(attempt).toMatchObject({ outcome: 'retry', errorCode: 'RATE_LIMIT' })
    const pausing = aRun({ interrupt: 'pause', reasonCode: 'operator', reason: 'by hand' })
    expect(settle(pausing, limited, aContext).now).toMatchObject({ state: 'paused', reason: 'by hand' })
  })

  test('is never tried again after a validation error', () => {
    const invalid = { ...fault, code: 'VALIDATION_ERROR', retryable: false } as const
    expect(settle(aRun(), invalid, aContext).now.state).toBe('failed')
  })

  test('pauses the run when the budget does not hold, without counting a failure', () => {
    const broke = { ...fault, code: 'BUDGET_EXCEEDED', retryable: false } as const
    expect(settle(aRun(), broke, aContext).now).toMatchObject({ state: 'paused', reasonCode: 'budget', failures: 0 })
  })

  test('parks the run with the evidence when the state is impossible', () => {
    const { now, attempt } = settle(aRun(), { kind: 'defect', message: 'boom' }, aContext)
    expect(now).toMatchObject({ state: 'paused', reasonCode: 'invariant', reason: 'boom', attempt: 2 })
    expect(attempt).toMatchObject({ outcome: 'failed', errorCode: 'INVARIANT' })
  })
})

test('a gate nobody decides in time closes, and the run ends as rejected', () => {
  const run = aRun({ plan: gated, position: 1 })
  expect(gateExpired(run, null)).toMatchObject({
    closeGate: 'expired',
    now: { state: 'rejected', reasonCode: 'gate_expired' },
  })
})

test('a recipe nobody here knows puts the run off, with the reason in its status', () => {
  expect(postponed(aRun(), 'unknown version', 30_000).now).toMatchObject({
    state: 'waiting',
    waitingFor: 'time',
    dueInMs: 30_000,
    reason: 'unknown version',
  })
})

test('a run that failed says why and gives its lock key back', () => {
  const run = aRun({ lockKey: 'k', lockState: 'held' })
  expect(failedRun(run, run, { code: 'FATAL', message: 'no' }).now).toMatchObject({
    state: 'failed',
    lockState: null,
    reason: 'no',
  })
})

test('a run behind the end of its plan is a defect, not a guess', () => {
  expect(() => currentItem(aRun({ position: 9 }))).toThrow('stands at 9 of a plan of 3')
  expect(parkAsInvariant(aRun({ position: 9 }), 'x', null).now.state).toBe('paused')
})

test('a step that asks pauses its run with its sentence, uses up no try, and knows afterwards that a person said go on', () => {
  const asked = settle(aRun({ failures: 1 }), { kind: 'ask', code: 'conflict', message: 'main has moved.' }, aContext)
  expect(asked.now).toMatchObject({ state: 'paused', reasonCode: 'conflict', reason: 'main has moved.', failures: 0 })
  const log = { name: 'install.txt', sha256: 'a'.repeat(64), sizeBytes: 1 }
  const shown = settle(aRun(), { kind: 'ask', code: 'install', message: 'It ended.', artifacts: [log] }, aContext)
  expect(shown.artifacts).toEqual([{ ...log, stepId: currentItem(aRun()).id }])
  const resumed = resume(asked.now)
  expect(resumed).toMatchObject({ ok: true, value: { now: { state: 'queued', resume: { kind: 'resumed' } } } })
})

describe('a run that is held to its phase', () => {
  const held = aRun({ interrupt: 'hold' })

  test('stops behind the step under way, with the reason', () => {
    const { now } = settle(held, done, aContext)
    expect(now).toMatchObject({ state: 'paused', pausedFrom: 'queued', position: 1, reasonCode: 'phase_done' })
    expect(now.interrupt).toBeNull()
  })

  test('is still held after tries that failed, and after its worker died', () => {
    const waits = settle(held, fault, aContext).now
    expect(waits).toMatchObject({ state: 'waiting', waitingFor: 'time', interrupt: 'hold' })
    expect(settle({ ...waits, state: 'running' }, done, aContext).now.state).toBe('paused')
    expect(settle(held, { kind: 'aborted' }, aContext).now).toMatchObject({ state: 'queued', interrupt: 'hold' })
  })

  test('is held no more where people are asked anyway, and where it ends', () => {
    const atGate = settle({ ...held, plan: gated }, { ...done, subject: aSubject }, aContext).now
    expect(atGate).toMatchObject({ state: 'waiting', waitingFor: 'gate', interrupt: null })
    expect(settle({ ...held, position: 2 }, done, aContext).now).toMatchObject({ state: 'succeeded', reasonCode: null })
  })

  test('may be let go on, paused at once, or stopped', () => {
    expect(resume(held)).toMatchObject({ ok: true, value: { now: { state: 'running', interrupt: null } } })
  })
})

test('a refused call opens the request for what it needs in the same transition that pauses the run', () => {
  const request = { kind: 'raise', micros: 500_000, tokens: 0, capMicros: 1, capTokens: 2, because: null } as const
  const broke = {
    ...fault,
    code: 'BUDGET_EXCEEDED',
    retryable: false,
    request: { ...request, policy: raisePolicy },
  } as const
  const { now, openGate, events } = settle(aRun(), broke, aContext)
  expect(now).toMatchObject({ state: 'paused', reasonCode: 'budget' })
  expect(openGate).toMatchObject({ kind: 'budget', name: 'budget', stepId: null, subject: { micros: 500_000 } })
  expect(events.map(({ kind }) => kind)).toEqual(['gate_requested', 'run_paused'])
})
