import { handleOf } from '../model/handle.ts'
import { cancel, freeze, pause, resume, retry } from '../model/intervene.ts'
import type { Result } from '../model/problem.ts'
import { accepted, refused } from '../model/problem.ts'
import type { Run } from '../model/run.ts'
import { isOver } from '../model/run.ts'
import type { Transition } from '../model/transition.ts'
import { undoLock } from '../model/undo.ts'
import { draftOf } from '../store/draft-run.ts'
import { applyLocked } from '../store/apply.ts'
import type { AuditDraft } from '../store/audit.ts'
import { redrawRun } from '../store/card.ts'
import { listChildren, lockRun } from '../store/run.ts'
import type { Executor } from '../store/database.ts'
import { findLastRetry } from '../store/start.ts'
import { findUndo } from '../store/undo.ts'
import { uuidv7 } from '../store/uuid.ts'
import type { Command, Done } from './command.ts'
import type { Request } from './desk.ts'
import { lockedRun } from './locked-run.ts'
import { begin, meetHolder } from './start-run.ts'

type Intervention = Extract<Command, { kind: 'pause' | 'resume' | 'retry' | 'cancel' | 'freeze' }>

/** Pauses, resumes, retries or cancels a run, its row locked. */
export async function intervene(request: Request<Intervention>): Promise<Result<Done>> {
  const { tx, command } = request
  const run = await lockedRun(tx, command.run)
  if (!run.ok) return run
  if (command.kind === 'retry') {
    const undone = await refusedUndone(tx, run.value)
    if (undone) return undone
  }
  if (command.kind === 'retry' && needsFreshStart(run.value)) return startAgain(request, run.value)
  if (command.kind === 'resume' && run.value.reasonCode === 'freeze' && !request.actor.roles.includes('admin')) {
    return refused('not_allowed', `Run ${command.run} is frozen: only an admin lets it go on.`, 'Ask an admin.')
  }
  const next = transitionFor(request, run.value)
  if (!next.ok) return next
  await applyLocked(tx, next.value)
  const answer = { kind: 'changed', run: handleOf(run.value.number), change: command.kind } as const
  if (command.kind === 'cancel') await cancelChildren(request, run.value)
  const isPrivileged = command.kind === 'cancel' || command.kind === 'freeze' || run.value.reasonCode === 'freeze'
  return accepted({ answer, audit: isPrivileged ? [entry(request, run.value)] : [] })
}

function transitionFor({ command, desk }: Request<Intervention>, run: Run): Result<Transition> {
  switch (command.kind) {
    case 'pause':
      return pause(run, { code: 'operator', text: 'Paused by an operator.' })
    case 'freeze':
      return freeze(run)
    case 'resume':
      return resume(run)
    case 'retry':
      return retry(run)
    case 'cancel':
      return cancel(run, desk.recipes(run.pipeline, run.pipelineVersion)?.cleanUp ?? null)
  }
}

/** A run that is taken back must not go on at the same time, nor on what is gone; null where nobody takes it back. */
async function refusedUndone(tx: Executor, run: Run): Promise<Result<never> | null> {
  const [undo] = run.state === 'failed' ? await tx.run(findUndo, { lockKey: undoLock(run.id) }) : []
  if (!undo || (isOver(undo.state) && undo.state !== 'succeeded')) return null
  const said = isOver(undo.state) ? 'was undone by' : 'is being undone by'
  return refused(
    'wrong_state',
    `Run ${handleOf(run.number)} ${said} run ${handleOf(undo.number)}.`,
    'Start a new one with /run.',
  )
}

/** A try that failed on what it read fails again on the same bytes: the repository must be read anew. */
const needsFreshStart = (run: Run): boolean => run.state === 'failed' && run.reasonCode === 'VALIDATION_ERROR'

/** Another run goes on in its place, once: whoever asks again hears which. */
async function startAgain(request: Request<Intervention>, run: Run): Promise<Result<Done>> {
  const { tx, desk, actor } = request
  const retried = await refusedRetried(tx, run)
  if (retried) return retried
  const recipe = desk.pipelines[run.pipeline]
  if (!recipe)
    return refused('wrong_state', `Nobody here knows the pipeline ${run.pipeline}.`, 'Start a worker of that version.')
  const draft = draftOf(recipe, run.input, {
    startedBy: actor.id,
    correlationId: uuidv7(),
    projectId: run.projectId,
    priority: run.priority,
    retryOf: run.id,
  })
  const locked = await meetHolder(request, recipe, draft.lockKey)
  if (!locked.ok) return locked
  const by = await begin(request, draft, locked.value === null)
  await tx.run(redrawRun, { run: run.id })
  return accepted({ answer: { kind: 'started', run: by }, audit: [entry(request, run, { by })] })
}

async function refusedRetried(tx: Executor, run: Run): Promise<Result<never> | null> {
  const [last] = await tx.run(findLastRetry, { run: run.id })
  if (!last) return null
  const by = handleOf(last.number)
  const next =
    last.state === 'failed' ? `That one failed too: once the cause is mended, /retry ${by}.` : `See /status ${by}.`
  return refused('wrong_state', `Run ${handleOf(run.number)} was retried already as ${by}.`, next)
}

/** A cancel reaches the children: each ends or is asked to. */
async function cancelChildren({ tx, desk }: Request<Intervention>, run: Run): Promise<void> {
  for (const child of await tx.run(listChildren, { parent: run.id })) {
    const row = await lockRun(tx, child.id)
    const next = row ? cancel(row, desk.recipes(row.pipeline, row.pipelineVersion)?.cleanUp ?? null) : null
    if (next?.ok) await applyLocked(tx, next.value)
  }
}

const entry = ({ actor, command }: Request<Intervention>, run: Run, detail: AuditDraft['detail'] = {}): AuditDraft => ({
  actorId: actor.id,
  action: `run.${command.kind}`,
  runId: run.id,
  correlationId: run.correlationId,
  target: handleOf(run.number),
  contentSha256: null,
  detail: { from: run.state, surface: actor.surface, ...detail },
})
