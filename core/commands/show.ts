import type { z } from 'zod'
import { systemActor } from '../model/actor.ts'
import type { CallLine, GateCard, RunCard, RunLine } from '../model/card.ts'
import { listHeld, listLedger } from '../store/budget.ts'
import { handleOf, numberOf } from '../model/handle.ts'
import type { Plan, PlanItem } from '../model/plan.ts'
import type { Result } from '../model/problem.ts'
import { accepted, assert, refused } from '../model/problem.ts'
import { listArtifacts, loadArtifact } from '../store/artifact.ts'
import type { Executor } from '../store/database.ts'
import { listDecisions } from '../store/gate.ts'
import { listCalls } from '../store/model-call.ts'
import type { Registry } from '../store/people.ts'
import { erased } from '../store/people.ts'
import { findRun, listLog, listOpenGates, listRuns, listShownVersions, viewGates, viewRun } from '../store/view.ts'
import type { Answer, FileDiff, Reply } from './command.ts'

/** The card of a run by its handle; refuses a handle that is none or that nobody has. */
export async function cardOf({ db, people }: Registry, handle: string): Promise<Result<RunCard>> {
  const number = numberOf(handle)
  const [row] = number === null ? [] : await db.run(viewRun, { number })
  if (!row) return refused('not_found', `There is no run ${handle}.`, 'See /runs for the latest.')
  const gates = await db.run(viewGates, { run: row.id })
  const labels = await people.labelsOf(db, [row.startedBy, ...gates.flatMap(deciders)])
  return accepted({
    runId: row.id,
    handle: handleOf(row.number),
    correlationId: row.correlationId,
    pipeline: row.pipeline,
    project: row.projectAddress === null ? null : { name: row.projectName ?? '', address: row.projectAddress },
    state: row.state,
    waitingFor: row.waitingFor,
    reasonCode: row.reasonCode,
    reason: row.state === 'rejected' ? await whyRejected({ db, people }, row) : row.reason,
    phase: phaseOf(row.plan, row.position),
    progress: row.progress,
    tries: row.failures,
    startedAt: row.createdAt,
    elapsedMs: row.elapsedMs,
    money: {
      spentMicros: row.spentMicros ?? 0,
      reservedMicros: row.reservedMicros ?? 0,
      capMicros: row.capMicros ?? 0,
      spentTokens: row.spentTokens ?? 0,
      capTokens: row.capTokens ?? 0,
    },
    outlook: row.outlook,
    behind: row.holder === null ? null : handleOf(row.holder),
    // What failed on what it read begins anew, with a deadline of its own.
    isPastDeadline: row.isPastDeadline && row.reasonCode !== 'VALIDATION_ERROR',
    retriedAs: row.retriedAs === null ? null : handleOf(row.retriedAs),
    gates: gates.map((gate) => gateCard(gate, labels)),
    pullRequest: row.pullRequest && { ...row.pullRequest, end: row.pullRequestEnd },
    takenBack: row.takenBack ?? [],
    startedBy: labels.get(row.startedBy) ?? (row.startedBy === systemActor ? 'the system' : erased),
  })
}

/** What whoever rejected the run said, for as long as it may be read: it is kept sealed, and apart from the run. */
async function whyRejected(registry: Registry, run: Pick<z.infer<typeof viewRun.row>, 'id' | 'reason'>) {
  const last = (await listDecisions(registry, run.id)).findLast(({ verdict }) => verdict === 'rejected')
  return last?.comment ? `Rejected at gate ${last.gate}: ${last.comment}` : run.reason
}

/** Draws what a change answered, on the run as it stands by now. */
export async function drawAnswer(registry: Registry, answer: Exclude<Answer, { kind: 'webhook' }>): Promise<Reply> {
  const found = await cardOf(registry, answer.run)
  assert(found.ok, `run ${answer.run} was changed and is not there`)
  const card = found.value
  switch (answer.kind) {
    case 'started':
      return { kind: 'started', card, queuedBehind: card.behind }
    case 'voted': {
      const { run: _, ...vote } = answer
      return { ...vote, card }
    }
    case 'changed':
      return { kind: 'changed', change: answer.change, card }
    case 'budget': {
      const asked = card.gates.find((gate) => gate.gateId === answer.asked) ?? null
      const ofRun = { run: card.runId }
      const [ledger, held] = await Promise.all([registry.db.run(listLedger, ofRun), registry.db.run(listHeld, ofRun)])
      return { kind: 'budget', handle: answer.run, money: card.money, ledger, held, asked }
    }
  }
}

export async function showStatus(registry: Registry, handle: string): Promise<Result<Reply>> {
  const card = await cardOf(registry, handle)
  return card.ok ? accepted({ kind: 'card', card: card.value }) : card
}

const pageSize = 5

export async function showRuns(db: Executor, page: number): Promise<Result<Reply>> {
  const rows = await db.run(listRuns, { most: pageSize + 1, skip: (page - 1) * pageSize })
  return accepted({ kind: 'runs', runs: rows.slice(0, pageSize).map(runLine), page, hasMore: rows.length > pageSize })
}

/** A gate is many lines, and what waits longest must not be what nobody sees. */
const gatesShown = 50

/** A page of the gates that are open, oldest first. */
export async function showGates({ db, people }: Registry, page = 1): Promise<Result<Reply>> {
  const found = await db.run(listOpenGates, { most: gatesShown + 1, skip: (page - 1) * gatesShown })
  const rows = found.slice(0, gatesShown)
  const labels = await people.labelsOf(db, rows.flatMap(deciders))
  const gates = rows.map((row) => gateCard(row, labels))
  return accepted({ kind: 'gates', gates, page, hasMore: found.length > gatesShown })
}

const linesShown = 500

/** A page of a run's history, oldest first. */
export async function showLogs(db: Executor, handle: string, page = 1): Promise<Result<Reply>> {
  const id = await idOf(db, handle)
  if (!id.ok) return id
  const rows = await db.run(listLog, { run: id.value, most: linesShown + 1, skip: (page - 1) * linesShown })
  return accepted({ kind: 'logs', handle, lines: rows.slice(0, linesShown), page, hasMore: rows.length > linesShown })
}

const callsShown = 20

/** A page of a run's calls of models, newest first. */
export async function showCalls(db: Executor, handle: string, page: number): Promise<Result<Reply>> {
  const id = await idOf(db, handle)
  if (!id.ok) return id
  const rows = await db.run(listCalls, { run: id.value, most: callsShown + 1, skip: (page - 1) * callsShown })
  const calls = rows.slice(0, callsShown).map(callLine)
  return accepted({ kind: 'calls', handle, calls, page, hasMore: rows.length > callsShown })
}

function callLine(row: z.infer<typeof listCalls.row>): CallLine {
  const { id, step, purpose, model, requestId, costMicros, durationMs, outcome, questionSha256, answerSha256 } = row
  const { promptId, promptVersion, inputTokens, cachedTokens, outputTokens, madeAt: at } = row
  const prompt = promptId === null ? null : { id: promptId, version: promptVersion ?? '' }
  const tokens = { inputTokens, cachedTokens, outputTokens }
  const result = { costMicros, durationMs, outcome, requestId, questionSha256, answerSha256 }
  return { id, at, step, purpose, model, prompt, ...tokens, ...result }
}

export async function showArtifacts(db: Executor, handle: string, name: string | null): Promise<Result<Reply>> {
  const id = await idOf(db, handle)
  if (!id.ok) return id
  const rows = await db.run(listArtifacts, { run: id.value })
  if (name === null) {
    const artifacts = rows.map((row) => ({
      name: row.name,
      sha256: row.sha256,
      sizeBytes: row.sizeBytes,
      step: row.stepId,
    }))
    return accepted({ kind: 'artifacts', handle, artifacts })
  }
  const found = rows.find((row) => row.name === name) ?? rows.find((row) => row.name.endsWith(`/${name}`))
  if (!found) return refused('not_found', `Run ${handle} has no artifact ${name}.`, `See /artifacts ${handle}.`)
  const text = new TextDecoder().decode(await loadArtifact(db, found.sha256))
  return accepted({ kind: 'file', name: found.name, sha256: found.sha256, text })
}

/** What a gate last showed against the version before it; without gates, what the run made. */
export async function showDiff(db: Executor, handle: string): Promise<Result<Reply>> {
  const id = await idOf(db, handle)
  if (!id.ok) return id
  const shown = await db.run(listShownVersions, { run: id.value })
  const names = [...new Set(shown.map((row) => row.artifact))]
  const files: FileDiff[] = []
  for (const name of names) {
    const versions = shown.filter((row) => row.artifact === name)
    const [after, before] = versions.toReversed()
    if (after)
      files.push({ name, before: await textOf(db, before?.sha256), after: (await textOf(db, after.sha256)) ?? '' })
  }
  if (files.length === 0)
    return refused('not_found', `Run ${handle} has shown nothing at a gate yet.`, `See /status ${handle}.`)
  return accepted({ kind: 'diff', handle, files })
}

async function textOf(db: Executor, sha256: string | undefined): Promise<string | null> {
  return sha256 === undefined ? null : new TextDecoder().decode(await loadArtifact(db, sha256))
}

async function idOf(db: Executor, handle: string): Promise<Result<string>> {
  const number = numberOf(handle)
  const [row] = number === null ? [] : await db.run(findRun, { number })
  return row ? accepted(row.id) : refused('not_found', `There is no run ${handle}.`, 'See /runs for the latest.')
}

/** Item n of m, counting from one; a finished run stands at its last item. */
function phaseOf(plan: Plan, position: number): RunCard['phase'] {
  const at = Math.min(position, plan.length - 1)
  // What runs only under a condition is counted once it is reached.
  const counted = plan.filter((item, index) => !item.when || index === at)
  return { n: counted.indexOf(plan[at] as PlanItem) + 1, of: counted.length, title: plan[at]?.title ?? '' }
}

function runLine(row: z.infer<typeof listRuns.row>): RunLine {
  return {
    handle: handleOf(row.number),
    pipeline: row.pipeline,
    project: row.projectName,
    state: row.state,
    waitingFor: row.waitingFor,
    reason: row.reason,
    phase: phaseOf(row.plan, row.position),
    startedAt: row.createdAt,
    elapsedMs: row.elapsedMs,
  }
}

type GateView = z.infer<typeof listOpenGates.row>

const deciders = ({ decidedBy, decidedInPlaceOf }: GateView) => [decidedBy, decidedInPlaceOf]

const labelIn = (labels: ReadonlyMap<string, string>, id: string | null): string | null =>
  id === null ? null : (labels.get(id) ?? erased)

/** A gate as its card shows it. */
function gateCard(row: GateView, labels: ReadonlyMap<string, string>): GateCard {
  return {
    gateId: row.id,
    runId: row.runId,
    handle: handleOf(row.number),
    name: row.name,
    kind: row.kind,
    subject: row.subject,
    roles: row.policy.roles,
    people: row.policy.people ?? null,
    quorum: row.policy.quorum,
    votes: row.votes,
    openedAt: row.openedAt,
    escalated:
      row.escalatedAt && row.policy.escalation ? { roles: row.policy.escalation.roles, at: row.escalatedAt } : null,
    expiresAt: row.expiresAt,
    verdict: row.verdict,
    decidedBy: labelIn(labels, row.decidedBy),
    decidedInPlaceOf: labelIn(labels, row.decidedInPlaceOf),
    decidedAt: row.decidedAt,
  }
}
