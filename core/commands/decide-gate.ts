import type { z } from 'zod'
import type { Authority, Choice } from '../model/decide.ts'
import { count, decide, mayDecide, verdictOf } from '../model/decide.ts'
import { pseudonymOf } from '../model/actor.ts'
import { handleOf, numberOf } from '../model/handle.ts'
import type { Refusal, Result } from '../model/problem.ts'
import { accepted, assert, refused } from '../model/problem.ts'
import type { Run } from '../model/run.ts'
import { applyLocked } from '../store/apply.ts'
import type { AuditDraft } from '../store/audit.ts'
import { castVote, lockGates, readClock } from '../store/gate.ts'
import { grantMoney } from './budget.ts'
import type { Command, Done } from './command.ts'
import type { Request } from './desk.ts'
import { lockedRun } from './locked-run.ts'

export type Decision = Extract<Command, { kind: 'approve' | 'reject' | 'changes' }>

type GateRow = z.infer<typeof lockGates.row>

const choices = { approve: 'approved', reject: 'rejected', changes: 'changes_requested' } as const

/**
 * Decides a gate, or adds a vote to it: authority read now, on the bytes shown, the run's row locked before the
 * gate's. The first decision stands; whoever comes later hears who made it and when.
 */
export async function decideGate(request: Request<Decision>): Promise<Result<Done>> {
  const { tx, actor, command } = request
  const number = numberOf(command.run) ?? 0
  const [[clock], run, gates] = await Promise.all([
    tx.run(readClock, {}),
    lockedRun(tx, command.run),
    tx.run(lockGates, { number }),
  ])
  if (!run.ok) return run
  if (run.value.reasonCode === 'freeze') {
    return refused(
      'wrong_state',
      `Run ${command.run} is frozen: nothing is decided until an admin has looked at it.`,
      `An admin goes on with /resume ${command.run}.`,
    )
  }
  // While this waited for the lock another decision may have led to a new gate, which nobody has seen who asked before.
  const seen = gates.filter(({ id, openedAt }) => id === command.gate || (clock && openedAt <= clock.now))
  const gate = openGate(command, { run: run.value, gates: seen, now: clock?.now ?? null })
  if (!gate.ok) return gate
  const voter = { actorId: actor.id, pseudonym: pseudonymOf(actor.id), roles: actor.roles, lent: actor.lent }
  const authority = mayDecide(gate.value, gate.value, voter)
  if (!authority.ok) return authority
  const wrong = checkShown(command, gate.value) ?? checkOption(command, gate.value)
  if (wrong) return wrong
  return vote(request, { run: run.value, gate: gate.value, authority: authority.value })
}

type Sight = { readonly run: Run; readonly gates: readonly GateRow[]; readonly now: Date | null }

/** The gate meant: the one named, or the only open one. */
function openGate(command: Decision, { run, gates, now }: Sight): Result<GateRow> {
  const meant = gates.filter((gate) => command.gate === null || gate.name === command.gate || gate.id === command.gate)
  const open = meant.filter((gate) => gate.verdict === null)
  const [only, ...others] = open
  if (only && others.length > 0) {
    const names = open.map(({ name }) => name).join(', ')
    const naming = command.kind === 'approve' ? only.name : `--gate ${only.name} <words>`
    return refused(
      'usage',
      `Run ${command.run} has ${open.length} open gates: ${names}.`,
      `Name one of them: /${command.kind} ${command.run} ${naming}.`,
    )
  }
  // A gate whose time is up is still without a verdict for the moment its worker takes to close it.
  const isUp = run.waitingFor !== 'gate' || (only?.expiresAt && now && only.expiresAt <= now)
  if (only?.kind === 'plan' && isUp) return refuseClosed(command, { ...only, verdict: 'expired' })
  return only ? accepted(only) : refuseClosed(command, meant.at(-1))
}

function refuseClosed(command: Decision, last: GateRow | undefined): Result<GateRow> {
  if (!last)
    return refused(
      'not_found',
      `Run ${command.run} has no open gate${command.gate ? ` ${command.gate}` : ''}.`,
      `See /status ${command.run}.`,
    )
  if (last.verdict === 'expired')
    return refused('stale', `Gate ${last.name} closed because nobody decided it in time.`, 'Start a new run with /run.')
  if (last.verdict === 'withdrawn')
    return refused('stale', `Gate ${last.name} closed because its run ended first.`, `See /status ${command.run}.`)
  const at = last.decidedAt?.toISOString().slice(0, 19).replace('T', ' ') ?? 'before'
  const said = last.verdict === 'changes_requested' ? 'sent back for changes' : last.verdict
  const by = last.decidedBy === null ? 'somebody' : pseudonymOf(last.decidedBy)
  const refusal: Refusal = {
    code: 'already_decided',
    message: `Gate ${last.name} was already ${said} by ${by} at ${at} UTC.`,
    next: `See /status ${command.run}.`,
  }
  return { ok: false, refusal: last.decidedBy === null ? refusal : { ...refusal, about: last.decidedBy } }
}

/** A decision is about bytes: a card that showed others is out of date. */
function checkShown(command: Decision, gate: GateRow): Result<never> | null {
  if (command.sha256 === null || gate.artifactSha256 === null || gate.artifactSha256.startsWith(command.sha256))
    return null
  return refused(
    'stale',
    `You looked at ${command.sha256.slice(0, 12)}, but gate ${gate.name} is now about ${gate.artifactSha256.slice(0, 12)}.`,
    `Look again with /diff ${command.run}.`,
  )
}

const optionOf = (command: Decision): string | null => (command.kind === 'approve' ? (command.option ?? null) : null)

/** A gate is approved with what it offers, or whole; nobody writes a request for money again. */
function checkOption(command: Decision, { name, kind, subject }: GateRow): Result<never> | null {
  if (kind === 'budget' && command.kind === 'changes')
    return refused(
      'usage',
      `Gate ${name} asks for money: nothing of it can be changed.`,
      `Another amount: /reject ${command.run} --gate ${name} <reason>, then /budget ${command.run} +5.`,
    )
  const option = optionOf(command)
  const offered = subject.options ?? []
  if (option === null || offered.includes(option)) return null
  const next = offered.length > 0 ? `It offers: ${offered.join(', ')}.` : `Approve it whole: /approve ${command.run}.`
  return refused('usage', `Gate ${name} offers no ${option}.`, next)
}

type Case = { readonly run: Run; readonly gate: GateRow; readonly authority: Authority }

async function vote(request: Request<Decision>, { run, gate, authority }: Case): Promise<Result<Done>> {
  const { tx, actor, command, deliveryId } = request
  const { name, artifactSha256: sha256, policy } = gate
  const choice = choices[command.kind]
  const { role, inPlaceOf } = authority
  const votes = [...gate.votes, { actorId: actor.id, inPlaceOf, choice }]
  const verdict = verdictOf(policy, votes)
  const remark = verdict ? await keepRemark(request) : null
  const ballot = { gate: gate.id, actor: actor.id, choice, sha256, surface: actor.surface, deliveryId }
  if (verdict && gate.kind === 'budget') await grantMoney(request, run, { gate, verdict, option: optionOf(command) })
  const write = async (): Promise<void> => {
    const [cast] = await Promise.all([
      tx.run(castVote, { ...ballot, run: run.id, verdict, role, inPlaceOf, remark }),
      verdict === null && applyLocked(tx, count(run, gate, votes.length)),
      verdict && gate.kind === 'plan' && carryOut(request, { run, gate, authority }, verdict),
    ])
    assert(cast.length === 1, `gate ${gate.id} changed under the lock of its run`)
  }
  return accepted({
    write,
    answer: {
      kind: 'voted',
      run: handleOf(run.number),
      gate: name,
      verdict,
      sha256,
      votes: votes.length,
      quorum: policy.quorum,
    },
    audit: [entry(request, { run, gate, authority }, `gate.${verdict ?? 'vote'}`)],
  })
}

async function carryOut(request: Request<Decision>, { run, gate }: Case, verdict: Choice): Promise<void> {
  const cleanUp = request.desk.recipes(run.pipeline, run.pipelineVersion)?.cleanUp ?? null
  return applyLocked(request.tx, decide(run, gate, { verdict, cleanUp }))
}

async function keepRemark({ tx, desk, actor, command }: Request<Decision>): Promise<string | null> {
  return command.kind === 'approve' ? null : desk.people.keepRemark(tx, actor.id, command.reason)
}

const entry = (
  { actor, command, deliveryId }: Request<Decision>,
  { run, gate, authority }: Case,
  action: string,
): AuditDraft => ({
  actorId: actor.id,
  action,
  runId: run.id,
  correlationId: run.correlationId,
  target: `gate:${gate.name}:${gate.id}`,
  contentSha256: gate.artifactSha256,
  detail: {
    role: authority.role,
    surface: actor.surface,
    delivery: deliveryId,
    quorum: gate.policy.quorum,
    ...(command.kind === 'approve' && command.option ? { option: command.option } : {}),
    ...(authority.inPlaceOf === null ? {} : { in_place_of: `actor:${authority.inPlaceOf}` }),
    ...(authority.isByEscalation ? { by: 'escalation' } : {}),
    ...(gate.policy.sources ? { policy: gate.policy.sources } : {}),
  },
})
