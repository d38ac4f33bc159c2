import { handleOf } from '../model/handle.ts'
import type { Refusal, Result } from '../model/problem.ts'
import { accepted, assert, refused } from '../model/problem.ts'
import type { Run } from '../model/run.ts'
import { isOver } from '../model/run.ts'
import { effectsToUndo, policyOfUndo, undoLock, undoPipeline } from '../model/undo.ts'
import { draftOf } from '../store/draft-run.ts'
import { listEffects } from '../store/effect.ts'
import { lockStarts } from '../store/start.ts'
import { findUndo, listPassedPolicies } from '../store/undo.ts'
import { uuidv7 } from '../store/uuid.ts'
import type { Command, Done } from './command.ts'
import type { Request } from './desk.ts'
import { lockedRun } from './locked-run.ts'
import { begin } from './start-run.ts'

type Undo = Extract<Command, { kind: 'undo' }>

/**
 * Starts a run that takes back what another has done outside. Refused while that one is live, while another undo of it is
 * under way, and where nothing is left to undo.
 */
export async function undoRun(request: Request<Undo>): Promise<Result<Done>> {
  const { tx, desk, actor, command } = request
  const run = await lockedRun(tx, command.run)
  if (!run.ok) return run
  const handle = handleOf(run.value.number)
  if (!isOver(run.value.state))
    return refused('wrong_state', `Run ${handle} is not over yet.`, `Stop it first: /cancel ${handle}.`)
  const last = await lastUndo(request, run.value)
  if (last && !isOver(last.state))
    return refused('lock_held', `Run ${last.handle} undoes this already.`, `Watch it with /status ${last.handle}.`)
  const effects = effectsToUndo(handle, await tx.run(listEffects, { run: run.value.id }), command.commit)
  if (!effects.ok) return last ? { ok: false, refusal: pointedTo(effects.refusal, last.handle) } : effects
  const passed = await tx.run(listPassedPolicies, { run: run.value.id })
  const recipe = desk.pipelines[undoPipeline]
  assert(recipe, `nobody knows the pipeline ${undoPipeline}`)
  const parsed = recipe.input.safeParse({
    undoes: {
      run: run.value.id,
      handle,
      policy: policyOfUndo(passed.map(({ policy }) => policy)),
      effects: effects.value,
    },
    label: command.label ?? null,
  })
  if (!parsed.success) return refused('invalid_input', parsed.error.issues.map(({ message }) => message).join(' '))
  const { projectId } = run.value
  const starter = { startedBy: actor.id, correlationId: uuidv7(), projectId, priority: 0, retryOf: null }
  const begun = await begin(request, draftOf(recipe, parsed.data, starter), true)
  return accepted({
    answer: { kind: 'started', run: begun },
    audit: [
      {
        actorId: actor.id,
        action: 'run.undo',
        runId: run.value.id,
        correlationId: run.value.correlationId,
        target: handle,
        contentSha256: null,
        detail: { by: begun, surface: actor.surface, effects: effects.value.map(({ key }) => key) },
      },
    ],
  })
}

/** The newest undo of a run, if any; no other begins until the transaction ends, because two would ask people about the same lines. */
async function lastUndo({ tx }: Request<Undo>, run: Run) {
  const lockKey = undoLock(run.id)
  const [, [undo]] = await Promise.all([tx.run(lockStarts, { lockKey }), tx.run(findUndo, { lockKey })])
  return undo ? { handle: handleOf(undo.number), state: undo.state } : null
}

/** Where nothing is left, the last undo says what became of it. */
const pointedTo = (refusal: Refusal, undo: string): Refusal =>
  refusal.code === 'wrong_state' ? { ...refusal, next: `See /artifacts ${undo} undo.md.` } : refusal
