import type { Json } from '../model/json.ts'
import { checkPlan } from '../model/plan.ts'
import { assert } from '../model/problem.ts'
import type { Run } from '../model/run.ts'
import type { Pipeline, Recipes } from '../pipeline.ts'
import type { StartDraft } from './start.ts'
import { uuidv7 } from './uuid.ts'

/** Whoever starts a run. */
export type Starter = {
  readonly startedBy: string
  readonly correlationId: string
  readonly projectId: string | null
  readonly priority: number
  readonly retryOf: string | null
}

/** A run of `recipe`, ready to be inserted. The input must have been parsed by the recipe. */
export function draftOf(recipe: Pipeline, input: Json, starter: Starter): StartDraft {
  const plan = recipe.plan(input)
  checkPlan(plan)
  return {
    id: uuidv7(),
    pipeline: recipe.name,
    pipelineVersion: recipe.version,
    parentId: null,
    deadlineMs: recipe.deadlineMs,
    lockKey: recipe.lockKey(input),
    input,
    plan,
    cap: recipe.cap,
    ...starter,
  }
}

/** A child of a run: same starter, same correlation id, the newest version of its pipeline. Throws a Defect on a pipeline nobody knows. */
export function draftRun(
  recipes: Recipes,
  child: { readonly pipeline: string; readonly input: Json; readonly priority?: number; readonly parent: Run },
): StartDraft {
  const { parent } = child
  const recipe = recipes(child.pipeline, parent.pipeline === child.pipeline ? parent.pipelineVersion : newest)
  assert(recipe, `a step of run ${parent.id} wants a run of ${child.pipeline}, which nobody knows`)
  const starter = {
    startedBy: parent.startedBy,
    correlationId: parent.correlationId,
    projectId: parent.projectId,
    priority: child.priority ?? parent.priority,
    retryOf: null,
  }
  return { ...draftOf(recipe, recipe.input.parse(child.input), starter), parentId: parent.id }
}

/** Stands for "the newest version this process knows". */
export const newest = 0
