import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { Outcome } from '../core/model/outcome.ts'
import type { Plan, StepItem } from '../core/model/plan.ts'
import { systemActor } from '../core/model/actor.ts'
import type { Pipeline, StepContext } from '../core/pipeline.ts'
import { draftOf } from '../core/store/draft-run.ts'
import type { StartDraft } from '../core/store/start.ts'
import { uuidv7 } from '../core/store/uuid.ts'

export type OnStep = (ctx: StepContext) => void

const step = (id: string): StepItem => ({ type: 'step', id, kind: 'work', title: id })

/** `count` steps that do nothing; `onStep` hears when each body begins. */
export const trivial = (count: number, onStep: OnStep = () => undefined): Pipeline =>
  recipe(
    'trivial',
    Array.from({ length: count }, (_, n) => step(`s${n}`)),
    async (ctx) => {
      onStep(ctx)
      return { kind: 'done', output: { ok: true } }
    },
  )

const judged: Plan = [
  step('before'),
  {
    type: 'gate',
    id: 'gate',
    name: 'gate',
    title: 'gate',
    judges: 'before',
    policy: { roles: ['operator'], quorum: 1, selfApproval: true, expiresAfterMs: null, remindEveryMs: null },
  },
  step('after'),
]

/** A step, a gate on what it made, and a step. */
export const gated = (onStep: OnStep): Pipeline =>
  recipe('gated', judged, async (ctx) => {
    onStep(ctx)
    if (ctx.stepId !== 'before') return { kind: 'done', output: null }
    const artifact = await ctx.save('page', Buffer.from(`page of ${ctx.runId}`), 'text/plain')
    const subject = { artifact, what: 'a page', risks: [], questions: [], changes: [], facts: [] }
    return { kind: 'done', output: null, artifacts: [artifact], subject }
  })

/** Five steps of about a second; each writes one line to `file`, which is the outside world. */
export const ledger = (file: string, onStep: OnStep): Pipeline =>
  recipe(
    'ledger',
    Array.from({ length: 5 }, (_, n) => step(`s${n}`)),
    async (ctx) => {
      onStep(ctx)
      await delay(300 + Math.random() * 500, undefined, { signal: ctx.signal })
      await ctx.effect({
        name: 'line',
        kind: 'ledger.line',
        target: { file },
        undo: 'remove the line',
        reversal: 'undo',
        find: async (key) => (existsSync(file) && readFileSync(file, 'utf8').includes(key) ? key : null),
        make: async (key) => {
          appendFileSync(file, `${key}\n`)
          return key
        },
        result: z.string(),
      })
      await delay(Math.random() * 300, undefined, { signal: ctx.signal })
      return { kind: 'done', output: null }
    },
  )

function recipe(name: string, plan: Plan, run: (ctx: StepContext) => Promise<Outcome>): Pipeline {
  return {
    name,
    version: 1,
    says: 'measures the engine',
    input: z.json(),
    plan: () => plan,
    lockKey: () => null,
    whenLocked: 'queue',
    project: () => null,
    deadlineMs: null,
    cap: { micros: 0, tokens: 0 },
    steps: { work: { timeoutMs: 60_000, retry: 'io', onPause: 'finish', run } },
    cleanUp: null,
  }
}

/** A run of the recipe, ready to be inserted. */
export const draft = (pipeline: Pipeline): StartDraft =>
  draftOf(pipeline, null, {
    startedBy: systemActor,
    correlationId: uuidv7(),
    projectId: null,
    priority: 0,
    retryOf: null,
  })
