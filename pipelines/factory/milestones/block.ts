import type { GatePolicy, Plan, StepItem } from '../../../core/model/plan.ts'
import { idOf, type Milestone, type MilestoneStep } from './shapes.ts'

/** Holds until the step before the gate has read the project's own policy. */
export const workPolicy: GatePolicy = {
  roles: ['approver', 'admin'],
  quorum: 1,
  selfApproval: true,
  expiresAfterMs: null,
  remindEveryMs: null,
}

const whereThereIsCode = { when: { step: 'milestones', verdict: 'code' } } as const

/** Everything about the documents that lies between their branch and the default branch. */
export const documentsBlock: Plan = [
  {
    type: 'step',
    id: 'docs-checks',
    kind: 'docs-checks',
    title: 'waiting for the checks of the documents',
    ...whereThereIsCode,
  },
  {
    type: 'gate',
    id: 'first-merge-gate',
    name: 'first-merge',
    title: 'waiting for a decision on the first merge',
    judges: 'docs-checks',
    reworks: 'suite',
    policy: workPolicy,
  },
  { type: 'step', id: 'docs-merge', kind: 'docs-merge', title: 'merging the documents', ...whereThereIsCode },
]

/** The work on one milestone, in order. */
export function milestoneBlock({ id }: Pick<Milestone, 'id'>): Plan {
  return [step(id, 'plan', `planning ${id}`), ...workBlock(id, false)]
}

/** From the agent's work to the merge; `carry`: an approved change only moves to a newer base first. */
export function workBlock(id: string, carry: boolean): Plan {
  const { input, ...implement } = step(id, 'implement', `implementing ${id}`)
  return [
    { ...implement, input: { ...(input as { milestone: string }), carry } },
    step(id, 'test', `testing ${id}`),
    step(id, 'review', `reviewing ${id}`),
    step(id, 'publish', `offering ${id}`),
    step(id, 'checks', `waiting for the checks of ${id}`),
    step(id, 'show', `showing ${id}`),
    {
      type: 'gate',
      id: idOf(id, 'gate'),
      name: id,
      title: `waiting for a decision on ${id}`,
      judges: idOf(id, 'show'),
      reworks: idOf(id, 'implement'),
      policy: workPolicy,
      when: { step: idOf(id, 'show'), verdict: 'ask' },
    },
    step(id, 'merge', `merging ${id}`),
  ]
}

/** Behind the merge, where there is something to open and a person has seen what. */
export const issuesBlock = (id: string): Plan => [step(id, 'issues', `opening issues found with ${id}`)]

/** Back to the agent, and up to the step that sent it back. */
export function againUpTo(id: string, last: 'test' | 'review' | 'checks'): Plan {
  const block = workBlock(id, false)
  return block.slice(0, 1 + block.findIndex((item) => item.id === idOf(id, last)))
}

type WorkStep = Exclude<MilestoneStep, 'gate'>

/** One step of a milestone's work, by the id of its first round. */
export const step = (id: string, name: WorkStep, title: string): StepItem => ({
  type: 'step',
  id: idOf(id, name),
  kind: `milestone-${name}`,
  title,
  input: { milestone: id },
})
