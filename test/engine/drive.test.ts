import { expect, onTestFinished, test } from 'vitest'
import type { Action } from './model.ts'
import { openStage, Real } from './real.ts'
import type { Seen } from './view.ts'

/** Orders that are rare by chance, one by one: what the first run looks like after the given actions. */
async function after(...actions: readonly Action[]): Promise<Seen | undefined> {
  const real = new Real(await openStage())
  onTestFinished(async () => expect(await real.close()).toEqual([]))
  for (const action of actions) await real.perform(action)
  return (await real.look()).runs[0]
}

const aboard = (recipe: 'plain' | 'gated'): readonly Action[] => [
  { kind: 'hire' },
  { kind: 'start', recipe, locked: false, priority: 0 },
  { kind: 'claim', worker: 0, room: 1 },
  { kind: 'drive', ride: 0, meanwhile: null },
]

const done: Action = { kind: 'finish', ride: 0, outcome: { kind: 'done', verdict: 'good' }, meanwhile: null }
const sleeps: Action = { kind: 'finish', ride: 0, outcome: { kind: 'sleep', ms: 1_000 }, meanwhile: null }

test.each(['pause', 'cancel', 'signal'] as const)(
  'a gate whose time is up closes although somebody asks for a %s between claim and commit',
  async (kind) => {
    const run = await after(
      ...aboard('gated'),
      done,
      { kind: 'expire', ms: 60_000 },
      { kind: 'claim', worker: 0, room: 1 },
      { kind: 'drive', ride: 1, meanwhile: { kind, run: 0 } },
    )
    expect(run).toMatchObject({ ending: 'rejected', reason: 'gate_expired', gates: [{ verdict: 'expired' }] })
  },
)

test('a signal that comes between a wait and its commit is heard, and may say nothing', async () => {
  const run = await after(...aboard('plain'), {
    kind: 'finish',
    ride: 0,
    outcome: { kind: 'listen', timeoutMs: null },
    meanwhile: { kind: 'signal', run: 0 },
  })
  expect(run).toMatchObject({ state: 'running', resume: 'signal', signals: 0 })
})

test('a run that is cancelled after its deadline is cleaned up', async () => {
  const run = await after(
    ...aboard('gated'),
    sleeps,
    { kind: 'clock', ms: 300_000 },
    { kind: 'cancel', run: 0 },
    { kind: 'claim', worker: 0, room: 1 },
    { kind: 'drive', ride: 1, meanwhile: null },
    { kind: 'finish', ride: 1, outcome: { kind: 'done', verdict: 'good' }, meanwhile: null },
  )
  expect(run).toMatchObject({ state: 'cancelled', plan: ['draft', 'tidy'] })
})

test('a cancel outlives the worker of its run, whatever comes between', async () => {
  const run = await after(
    ...aboard('plain'),
    { kind: 'cancel', run: 0 },
    { kind: 'crash', worker: 0 },
    { kind: 'signal', run: 0 },
    { kind: 'pause', run: 0 },
    { kind: 'hire' },
    { kind: 'claim', worker: 1, room: 1 },
    { kind: 'drive', ride: 1, meanwhile: null },
  )
  expect(run).toMatchObject({ state: 'cancelled' })
})
