import { describe, expect, test } from 'vitest'
import { cancel, freeze, parkAsDeadLetter, pause, resume, retry, signal } from './intervene.ts'
import type { Run } from './run.ts'
import { aRun, gated } from './test-run.ts'

const waiting = (): Run => aRun({ state: 'waiting', waitingFor: 'gate', waitingName: 'make', plan: gated, position: 1 })
const why = { code: 'operator', text: 'Paused by an operator.' }
const cleanUp = { type: 'step', id: 'clean-up', kind: 'clean', title: 'cleaning up' } as const

const nowOf = (result: ReturnType<typeof pause>) => (result.ok ? result.value.now : result.refusal)

describe('pause and resume', () => {
  test('a running run is asked, everything else stops at once', () => {
    expect(nowOf(pause(aRun(), why))).toMatchObject({ state: 'running', interrupt: 'pause' })
    expect(nowOf(pause(aRun({ state: 'queued' }), why))).toMatchObject({ state: 'paused', pausedFrom: 'queued' })
  })

  test('a run paused at a gate goes back to its gate', () => {
    const paused = pause(waiting(), why)
    expect(nowOf(paused)).toMatchObject({ state: 'paused', pausedFrom: 'waiting', waitingFor: 'gate' })
    const now = paused.ok ? paused.value.now : aRun()
    expect(nowOf(resume(now))).toMatchObject({ state: 'waiting', waitingFor: 'gate', reason: null })
  })

  test('a pause nobody has acted on yet can be taken back', () => {
    expect(nowOf(resume(aRun({ interrupt: 'pause' })))).toMatchObject({ state: 'running', interrupt: null })
  })

  test('a pause whose worker died can be taken back as well', () => {
    const requeued = aRun({ state: 'queued', interrupt: 'pause' })
    expect(nowOf(resume(requeued))).toMatchObject({ state: 'queued', interrupt: null })
  })

  test('a pause does not undo a cancel that no worker has acted on yet', () => {
    expect(nowOf(pause(aRun({ interrupt: 'cancel' }), why))).toMatchObject({ code: 'wrong_state' })
  })

  test.each(['succeeded', 'failed', 'rejected', 'cancelled'] as const)(
    'a run that %s can neither pause nor resume',
    (state) => {
      expect(pause(aRun({ state }), why).ok).toBe(false)
      expect(resume(aRun({ state })).ok).toBe(false)
    },
  )
})

describe('freeze', () => {
  const toldBy = (result: ReturnType<typeof freeze>) => (result.ok ? result.value.events : result.refusal)
  const paused = { kind: 'run_paused', payload: { reason: 'freeze' } }

  test.each<[string, Run, readonly unknown[]]>([
    ['a run that waits', waiting(), [paused]],
    ['a run that is paused already', aRun({ state: 'paused', pausedFrom: 'queued', reasonCode: 'operator' }), [paused]],
    ['a run that is frozen already', aRun({ state: 'paused', pausedFrom: 'queued', reasonCode: 'freeze' }), []],
  ])('%s is held, and told of when that is news', (_, run, events) => {
    expect(nowOf(freeze(run))).toMatchObject({ state: 'paused', reasonCode: 'freeze' })
    expect(toldBy(freeze(run))).toEqual(events)
  })
})

describe('cancel', () => {
  test('a run that has not begun ends at once, without a clean-up', () => {
    expect(nowOf(cancel(aRun({ state: 'queued', fence: 0 }), cleanUp))).toMatchObject({ state: 'cancelled' })
  })

  test('a run whose worker died in its first step is cleaned up', () => {
    const requeued = aRun({ state: 'queued', fence: 2, deaths: 1 })
    expect(nowOf(cancel(requeued, cleanUp))).toMatchObject({ state: 'queued', ending: 'cancelled' })
  })

  test('a gate whose time is up, and which no worker has closed yet, is withdrawn too', () => {
    const overdue = aRun({ state: 'queued', plan: gated, position: 1 })
    const result = cancel(overdue, null)
    expect(result.ok && result.value.closeGate).toBe('withdrawn')
  })

  test('a run at a gate withdraws the gate and cleans up', () => {
    const result = cancel(waiting(), cleanUp)
    expect(result.ok && result.value.closeGate).toBe('withdrawn')
    expect(nowOf(result)).toMatchObject({ state: 'queued', ending: 'cancelled' })
  })

  test('a second cancel is told that the first is under way', () => {
    expect(cancel(aRun({ state: 'queued', ending: 'cancelled', position: 1 }), cleanUp)).toMatchObject({
      ok: false,
      refusal: { code: 'wrong_state' },
    })
  })
})

test('what was asked of a run stands in the queue, whatever it is told there', () => {
  const requeued = aRun({ state: 'queued', interrupt: 'cancel' })
  const told = signal(requeued, { id: 's1', name: 'go', payload: null })
  expect(nowOf(told)).toMatchObject({ interrupt: 'cancel', signalsPending: 1 })
})

describe('retry', () => {
  test('gives a failed run one more try, behind its lock again', () => {
    expect(nowOf(retry(aRun({ state: 'failed', lockKey: 'k' })))).toMatchObject({
      state: 'queued',
      lockState: 'behind',
    })
  })

  test('does not wait out a pause between tries', () => {
    expect(nowOf(retry(aRun({ state: 'waiting', waitingFor: 'time', dueInMs: 60_000 })))).toMatchObject({
      state: 'queued',
      dueInMs: null,
    })
  })

  test('is refused for a run that is well', () => {
    expect(retry(aRun()).ok).toBe(false)
  })

  test('lets a dead letter run alone again', () => {
    const dead = parkAsDeadLetter(aRun({ alone: true, deathsAlone: 2 })).now
    expect(dead).toMatchObject({ state: 'paused', reasonCode: 'dead_letter' })
    expect(nowOf(retry(dead))).toMatchObject({ state: 'queued', alone: true, deathsAlone: 0 })
  })
})

describe('signals', () => {
  const sent = { id: 's', name: 'go', payload: null }

  test('wake the run that waits for just this', () => {
    const run = aRun({ state: 'waiting', waitingFor: 'signal', waitingName: 'go' })
    expect(nowOf(signal(run, sent))).toMatchObject({ state: 'queued', resume: { kind: 'signal', name: 'go' } })
  })

  test('are kept when nobody waits for them yet', () => {
    expect(nowOf(signal(aRun(), sent))).toMatchObject({ state: 'running', signalsPending: 1 })
  })

  test('leave a paused run paused, ready to go on when resumed', () => {
    const run = aRun({ state: 'paused', pausedFrom: 'waiting', waitingFor: 'signal', waitingName: 'go' })
    expect(nowOf(signal(run, sent))).toMatchObject({ state: 'paused', pausedFrom: 'queued' })
  })
})
