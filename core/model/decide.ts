import type { LentRole } from './actor.ts'
import { pseudonymOf } from './actor.ts'
import { wake } from './intervene.ts'
import type { GatePolicy, Role, StepItem } from './plan.ts'
import { nextPosition, rootOf, withRework } from './plan.ts'
import type { Refusal, Result } from './problem.ts'
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

/** `inPlaceOf` is whose the role was that the vote stands on; null: the voter's own. */
export type Vote = { readonly actorId: string; readonly inPlaceOf: string | null; readonly choice: Choice }

export type Voter = {
  readonly actorId: string
  readonly pseudonym: string
  readonly roles: readonly Role[]
  /** Which of the roles they have only in the place of somebody else. */
  readonly lent: readonly LentRole[]
}

/** What else counts when somebody votes: who started the run, and the votes before. */
export type Poll = { readonly starter: string; readonly votes: readonly Vote[] }

/** By what somebody may decide: a role, whose it is if it is not their own, and whether only because the gate was escalated. */
export type Authority = {
  readonly role: Role
  readonly inPlaceOf: string | null
  readonly isByEscalation: boolean
}

/**
 * What a person may decide this gate by, or why not. An empty list means nobody. Evaluated at the moment of the click. A
 * role that is lent lets its holder decide through somebody else, never a second time, and never what they may not
 * decide themselves. Of several holders the first counts for whom neither is so.
 */
export function mayDecide(gate: Gate, poll: Poll, voter: Voter): Result<Authority> {
  let refusal: Refusal | null = null
  for (const authority of authoritiesOf(gate, voter)) {
    const why = whyNot(gate, poll, { voter, authority })
    if (!why) return accepted(authority)
    refusal ??= why
  }
  if (refusal) return { ok: false, refusal }
  return refused('not_allowed', `Gate ${gate.name} is decided by: ${deciders(gate)}.`, 'Ask one of them.')
}

type Use = { readonly voter: Voter; readonly authority: Authority }

/** Why somebody may not vote by this authority although the gate takes it; null: they may. */
function whyNot(gate: Gate, { starter, votes }: Poll, { voter, authority }: Use): Refusal | null {
  const isBarred = (id: string): boolean => !gate.policy.selfApproval && (id === starter || id === gate.requestedBy)
  const fourEyes = { code: 'not_allowed', next: 'Ask another approver.' } as const
  const spent = { code: 'already_decided', next: 'Others must vote now.' } as const
  const me = voter.actorId
  if (isBarred(me)) return { ...fourEyes, message: 'Four eyes: who asked for this may not decide it.' }
  if (votes.some(({ actorId }) => actorId === me))
    return { ...spent, message: `You voted on gate ${gate.name} already.` }
  const holder = authority.inPlaceOf ?? me
  const name = pseudonymOf(holder)
  if (isBarred(holder))
    return {
      ...fourEyes,
      message: `Four eyes: ${name} asked for this, so nobody decides it in their place.`,
      about: holder,
    }
  const vote = votes.find((each) => (each.inPlaceOf ?? each.actorId) === holder)
  if (!vote) return null
  if (holder !== me)
    return {
      ...spent,
      message: `The vote of ${name} on gate ${gate.name} is cast already, and you decide it only in their place.`,
      about: holder,
    }
  const { actorId } = vote
  return {
    ...spent,
    message: `${pseudonymOf(actorId)} voted on gate ${gate.name} in your place already.`,
    next: 'Others must vote now; /freeze holds the run if that was not what you want.',
    about: actorId,
  }
}

/** Their own role counts before any that is lent, so that a vote is somebody else's only where it has to be. */
function authoritiesOf(gate: Gate, { pseudonym, roles, lent }: Voter): readonly Authority[] {
  const own = roles.filter((role) => !lent.some((each) => each.role === role))
  const mine = authorityOf(gate, pseudonym, { roles: own, inPlaceOf: null })
  if (mine) return [mine]
  const holders = [...new Set(lent.map(({ inPlaceOf }) => inPlaceOf))]
  return holders.flatMap((inPlaceOf) => {
    const theirs = lent.filter((each) => each.inPlaceOf === inPlaceOf).map(({ role }) => role)
    return authorityOf(gate, pseudonym, { roles: theirs, inPlaceOf }) ?? []
  })
}

type Held = { readonly roles: readonly Role[]; readonly inPlaceOf: string | null }

function authorityOf({ policy, escalatedAt }: Gate, pseudonym: string, { roles, inPlaceOf }: Held): Authority | null {
  const held = (wanted: readonly Role[]): Role | undefined => wanted.find((role) => roles.includes(role))
  const isNamed = policy.people?.includes(pseudonym) ?? true
  const role = isNamed ? held(policy.roles) : undefined
  if (role) return { role, inPlaceOf, isByEscalation: false }
  const raised = escalatedAt && policy.escalation ? held(policy.escalation.roles) : undefined
  return raised ? { role: raised, inPlaceOf, isByEscalation: true } : null
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

/** What a vote does to its run that settles nothing yet: people hear of it. */
export const count = (run: Run, { name, policy, artifactSha256 }: Gate, votes: number): Transition =>
  transition(run, {
    events: [{ kind: 'gate_vote', payload: { gate: name, votes, quorum: policy.quorum, sha256: artifactSha256 } }],
  })

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
