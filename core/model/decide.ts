import { wake } from './intervene.ts'
import type { GatePolicy, Role, StepItem } from './plan.ts'
import { nextPosition, rootOf, withRework } from './plan.ts'
import type { Result } from './problem.ts'
import { accepted, assert, refused } from './problem.ts'
import type { Run } from './run.ts'
import { stopped } from './settle.ts'
import type { Change, GateVerdict, Transition } from './transition.ts'
import { notWaiting, transition } from './transition.ts'

export type Choice = 'approved' | 'rejected' | 'changes_requested'

/** A gate as a decision sees it, under its run's lock. */
export type Gate = {
  readonly id: string
  readonly runId: string
  readonly stepId: string | null
  readonly kind: 'plan' | 'budget'
  readonly name: string
  readonly artifactSha256: string | null
  readonly policy: GatePolicy
  readonly requestedBy: string | null
  /** Since when the policy's escalation has let more people decide; null: it has not. */
  readonly escalatedAt: Date | null
  readonly verdict: GateVerdict | null
}

export type Vote = { readonly actorId: string; readonly choice: Choice }

export type Voter = { readonly actorId: string; readonly pseudonym: string; readonly roles: readonly Role[] }

/** By what somebody may decide: a role, and whether only because the gate was escalated. */
export type Authority = { readonly role: Role; readonly isByEscalation: boolean }

/** What a person may decide this gate by, or why not. An empty list means nobody. Evaluated at the moment of the click. */
export function mayDecide(gate: Gate, starter: string, voter: Voter): Result<Authority> {
  const authority = authorityOf(gate, voter)
  if (!authority)
    return refused('not_allowed', `Gate ${gate.name} is decided by: ${deciders(gate)}.`, 'Ask one of them.')
  const own = voter.actorId === starter || voter.actorId === gate.requestedBy
  if (own && !gate.policy.selfApproval) {
    return refused('not_allowed', 'Four eyes: who asked for this may not decide it.', 'Ask another approver.')
  }
  return accepted(authority)
}

function authorityOf({ policy, escalatedAt }: Gate, voter: Voter): Authority | null {
  const held = (wanted: readonly Role[]): Role | undefined => wanted.find((role) => voter.roles.includes(role))
  const isNamed = policy.people?.includes(voter.pseudonym) ?? true
  const role = isNamed ? held(policy.roles) : undefined
  if (role) return { role, isByEscalation: false }
  const raised = escalatedAt && policy.escalation ? held(policy.escalation.roles) : undefined
  return raised ? { role: raised, isByEscalation: true } : null
}

function deciders({ policy, escalatedAt }: Gate): string {
  const inRoles = policy.roles.join(', ') || 'nobody'
  const named = policy.people ? `${policy.people.join(', ') || 'nobody'} (${inRoles})` : inRoles
  return escalatedAt && policy.escalation
    ? `${named}, and since it was escalated ${policy.escalation.roles.join(', ')}`
    : named
}

/** What the votes so far amount to: one no or one change request decides, a yes needs the quorum. Null while open. */
export function verdictOf(policy: GatePolicy, votes: readonly Vote[]): Choice | null {
  const against = votes.find((vote) => vote.choice !== 'approved')
  if (against) return against.choice
  return votes.length >= policy.quorum ? 'approved' : null
}

export type Ruling = { readonly verdict: Choice; readonly cleanUp: StepItem | null }

/** What a settled plan gate does to its run: on to the next item, back to the maker for another round, or to the end. */
export function decide(run: Run, gate: Gate, ruling: Ruling): Transition {
  const item = run.plan[run.position]
  assert(item?.type === 'gate' && item.id === gate.stepId, `run ${run.id} does not stand at gate ${gate.id}`)
  const change: Change = {
    events: [
      {
        kind: 'gate_decision',
        payload: { gate: gate.name, step: item.id, verdict: ruling.verdict, sha256: gate.artifactSha256 },
      },
    ],
  }
  switch (ruling.verdict) {
    case 'approved':
      return moveOn(run, item.id, change)
    case 'changes_requested': {
      const plan = withRework(run.plan, run.position)
      return transition(run, { ...change, plan, now: { ...wake(run, { position: run.position + 1, attempt: 1 }) } })
    }
    case 'rejected': {
      const reason = `Rejected at gate ${gate.name}.`
      return stopped(run, { ...run, reasonCode: 'rejected', reason }, change, 'rejected', ruling.cleanUp)
    }
  }
}

function moveOn(run: Run, gateItemId: string, change: Change): Transition {
  const verdicts = { ...run.verdicts, [rootOf(gateItemId)]: 'approved' }
  const position = nextPosition(run.plan, run.position + 1, verdicts)
  if (position < run.plan.length) {
    assert(run.plan[position]?.type === 'step', 'a gate is followed by a step')
    return transition(run, { ...change, now: { ...wake(run, { verdicts, position, attempt: 1 }) } })
  }
  const over = { kind: 'run_completed', payload: { outcome: run.ending } } as const
  return transition(run, {
    ...change,
    now: { ...notWaiting, verdicts, position, state: run.ending, pausedFrom: null, reasonCode: null, reason: null },
    events: [...(change.events ?? []), over],
  })
}
