import type { Result } from '../model/problem.ts'
import { accepted, assert, refused } from '../model/problem.ts'
import { handleOf } from '../model/handle.ts'
import { cancel } from '../model/intervene.ts'
import { draftOf } from '../store/draft-run.ts'
import type { Pipeline } from '../pipeline.ts'
import { applyLocked } from '../store/apply.ts'
import { cardKey, insertRunCard } from '../store/card.ts'
import { lockRun } from '../store/run.ts'
import { findLockHolder, lockStarts, type StartDraft, startRuns, upsertProject } from '../store/start.ts'
import { grantLocks } from '../store/claim.ts'
import { undoPipeline } from '../model/undo.ts'
import { uuidv7 } from '../store/uuid.ts'
import type { Command, Done } from './command.ts'
import type { Request } from './desk.ts'

type Run = Extract<Command, { kind: 'run' }>

/** Queues a run of a pipeline; a second one for the same lock key queues behind it, unless the pipeline says otherwise. */
export async function startRun(request: Request<Run>): Promise<Result<Done>> {
  const { tx, desk, actor, command } = request
  const recipe = Object.hasOwn(desk.pipelines, command.pipeline) ? desk.pipelines[command.pipeline] : undefined
  if (!recipe) {
    // An undo is of a run, and starts by a command of its own.
    const known = Object.keys(desk.pipelines).filter((name) => name !== undoPipeline)
    return refused('usage', `There is no pipeline ${command.pipeline}.`, `Known: ${known.join(', ')}.`)
  }
  const parsed = recipe.input.safeParse(inputOf(command))
  if (!parsed.success) return refused('invalid_input', parsed.error.issues.map((issue) => issue.message).join(' '))
  const locked = await meetHolder(request, recipe, recipe.lockKey(parsed.data))
  if (!locked.ok) return locked
  const project = recipe.project(parsed.data)
  const [row] = project ? await tx.run(upsertProject, { id: uuidv7(), ...project }) : []
  const starter = {
    startedBy: actor.id,
    correlationId: command.correlationId ?? uuidv7(),
    projectId: row?.id ?? null,
    priority: 0,
    retryOf: null,
  }
  const begun = await begin(request, draftOf(recipe, parsed.data, starter), locked.value === null)
  return accepted({ answer: { kind: 'started', run: begun }, audit: [] })
}

/** Inserts a run, shows its card where it was asked for, and lets it through where its lock is free. Answers with its handle. */
export async function begin(
  { tx, actor }: Pick<Request, 'tx' | 'actor'>,
  draft: StartDraft,
  isFree: boolean,
): Promise<string> {
  const [run] = await startRuns(tx, [draft], null)
  assert(run, 'a run was inserted and did not come back')
  if (actor.at !== null) {
    await tx.run(insertRunCard, { run: run.id, id: uuidv7(), key: cardKey(), destination: actor.at })
  }
  if (run.lockKey && isFree) await tx.run(grantLocks, {})
  return handleOf(run.number)
}

const inputOf = ({ target, branch, dryRun, confirm }: Run) => ({ target, branch, dryRun, confirm })

/** Who holds the key, if anybody, after what the pipeline wants done about it. */
export async function meetHolder(
  { tx, desk }: Request,
  recipe: Pipeline,
  lockKey: string | null,
): Promise<Result<string | null>> {
  if (lockKey === null) return accepted(null)
  const [, [holder]] = await Promise.all([tx.run(lockStarts, { lockKey }), tx.run(findLockHolder, { lockKey })])
  if (!holder) return accepted(null)
  const handle = handleOf(holder.number)
  if (recipe.whenLocked === 'refuse') {
    return refused('lock_held', `Run ${handle} works on this already.`, `Watch it with /status ${handle}.`)
  }
  if (recipe.whenLocked === 'supersede') {
    const run = await lockRun(tx, holder.id)
    const stopping = run ? cancel(run, desk.recipes(run.pipeline, run.pipelineVersion)?.cleanUp ?? null) : null
    if (stopping?.ok) await applyLocked(tx, stopping.value)
  }
  return accepted(handle)
}
