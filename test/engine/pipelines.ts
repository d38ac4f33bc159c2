import { z } from 'zod'
import type { GatePolicy, PlanItem, StepItem } from '../../core/model/plan.ts'
import type { RetryClass } from '../../core/model/retry.ts'
import type { Pipeline, StepContext, StepKind } from '../../core/pipeline.ts'
import type { Outcome } from '../../core/model/outcome.ts'
import type { GateOf, Item, Recipe, StepOf } from './recipes.ts'
import { recipes } from './recipes.ts'

const classes: Readonly<Record<StepOf['tries'], RetryClass>> = { 5: 'io', 3: 'generation', 1: 'never' }

/** The recipes as pipelines of the product; every step does what `body` does. */
export function pipelinesOf(body: (ctx: StepContext) => Promise<Outcome>): Readonly<Record<string, Pipeline>> {
  return Object.fromEntries(Object.entries(recipes).map(([name, recipe]) => [name, pipelineOf(name, recipe, body)]))
}

function pipelineOf(name: string, recipe: Recipe, body: (ctx: StepContext) => Promise<Outcome>): Pipeline {
  const kinds = [...recipe.items, ...(recipe.cleanUp ? [recipe.cleanUp] : [])].filter((item) => item.type === 'step')
  return {
    name,
    version: 1,
    says: '',
    input: z.json(),
    plan: () => recipe.items.map((item, at) => planItem(item, recipe.items[at - 1])),
    lockKey: (input) => (typeof input === 'string' ? input : null),
    whenLocked: 'queue',
    project: () => null,
    deadlineMs: recipe.deadlineMs,
    cap: { micros: 1_000, tokens: 1_000 },
    steps: Object.fromEntries(kinds.map((step) => [step.id, kindOf(step, body)])),
    cleanUp: recipe.cleanUp ? stepItem(recipe.cleanUp) : null,
  }
}

const kindOf = (step: StepOf, run: StepKind['run']): StepKind => ({
  timeoutMs: 600_000,
  retry: classes[step.tries],
  onPause: step.onPause,
  run,
})

const planItem = (item: Item, before: Item | undefined): PlanItem =>
  item.type === 'step' ? stepItem(item) : gateItem(item, before?.id ?? '')

const stepItem = ({ id, when }: StepOf): StepItem => ({
  type: 'step',
  id,
  kind: id,
  title: id,
  ...(when ? { when } : {}),
})

const gateItem = (gate: GateOf, judges: string): PlanItem => ({
  type: 'gate',
  id: gate.id,
  name: gate.id,
  title: gate.id,
  judges,
  policy: policyOf(gate),
  ...(gate.when ? { when: gate.when } : {}),
})

const policyOf = ({ quorum, selfApproval, expiresAfterMs }: GateOf): GatePolicy => ({
  roles: ['approver'],
  quorum,
  selfApproval,
  expiresAfterMs,
  remindEveryMs: null,
})
