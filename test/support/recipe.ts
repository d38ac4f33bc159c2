import { z } from 'zod'
import type { Json } from '../../core/model/json.ts'
import { handleOf } from '../../core/model/handle.ts'
import type { Pipeline, StepKind } from '../../core/pipeline.ts'
import { draftOf } from '../../core/store/draft-run.ts'
import { startRuns } from '../../core/store/start.ts'
import { uuidv7 } from '../../core/store/uuid.ts'
import type { TestHouse } from './house.ts'

/** A kind of step with this body. */
export const kind = (run: StepKind['run'], more: Partial<StepKind> = {}): StepKind => ({
  timeoutMs: 30_000,
  retry: 'io',
  onPause: 'finish',
  run,
  ...more,
})

/** A pipeline of the given steps, in order, unless `more` has another plan. */
export const pipelineOf = (
  name: string,
  steps: Readonly<Record<string, StepKind>>,
  more: Partial<Pipeline> = {},
): Pipeline => ({
  name,
  version: 1,
  says: '',
  input: z.json(),
  plan: () => Object.keys(steps).map((id) => ({ type: 'step', id, kind: id, title: id })),
  lockKey: () => null,
  whenLocked: 'queue',
  project: () => null,
  deadlineMs: null,
  cap: { micros: 1_000, tokens: 1_000 },
  steps,
  cleanUp: null,
  ...more,
})

/** Starts a run of one of the house's pipelines, as its person, and wakes its workers. */
export async function startRunOf(
  house: TestHouse,
  name: string,
  input: Json = null,
): Promise<{ readonly id: string; readonly handle: string }> {
  const recipe = house.desk.pipelines[name]
  if (!recipe) throw new Error(name)
  const starter = { startedBy: house.actor.id, correlationId: uuidv7(), projectId: null, priority: 0, retryOf: null }
  const [run] = await startRuns(house.db, [draftOf(recipe, input, starter)], null)
  house.desk.poke()
  return { id: run?.id ?? '', handle: handleOf(run?.number ?? 0) }
}
