import type { GatePolicy, Plan } from '../../core/model/plan.ts'

const whereThereIsSome = { when: { step: 'revert', verdict: 'changes' } } as const

/** From what the merges have left on the branch to their revert on it; another round of it follows when the branch moves meanwhile. */
export const revertBlock = (policy: GatePolicy): Plan => [
  { type: 'step', id: 'revert', kind: 'revert', title: 'finding what the merges changed' },
  { type: 'step', id: 'offer', kind: 'offer', title: 'offering the revert', ...whereThereIsSome },
  { type: 'step', id: 'show', kind: 'show', title: 'waiting for the checks of the revert', ...whereThereIsSome },
  {
    type: 'gate',
    id: 'undo-gate',
    name: 'undo',
    title: 'waiting for a decision on the revert',
    judges: 'show',
    reworks: 'revert',
    policy,
  },
  { type: 'step', id: 'merge', kind: 'merge', title: 'merging the revert', ...whereThereIsSome },
]
