import type { Json } from './json.ts'
import { assert } from './problem.ts'

/** What a gate asks of people: how many of which roles, by when. Durations in milliseconds. */
export type GatePolicy = {
  readonly roles: readonly Role[]
  readonly quorum: number
  /** False: whoever started the run may not decide (four eyes). */
  readonly selfApproval: boolean
  readonly expiresAfterMs: number | null
  readonly remindEveryMs: number | null
  /** Pseudonyms: where they are named, only these people may decide, and by one of the roles still. */
  readonly people?: readonly string[] | undefined
  /** Once nobody has decided for `afterMs`, people with these roles are told, and may decide too. */
  readonly escalation?: { readonly afterMs: number; readonly roles: readonly Role[] } | undefined
  /** sha256 of the files this was read from: the project's and the server's own; null where there was none. */
  readonly sources?: { readonly file: string | null; readonly server: string | null } | undefined
}

export type Role = 'viewer' | 'operator' | 'approver' | 'admin' | 'auditor' | 'data_steward'

export const roles: readonly Role[] = ['viewer', 'operator', 'approver', 'admin', 'auditor', 'data_steward']

/** Those that a gate's policy may name; the others look, or look after data. */
export const decidingRoles: readonly Role[] = ['operator', 'approver', 'admin']

/** Runs this item only when an earlier step or gate ended with that verdict, or one of those; otherwise it is skipped. */
export type Condition = { readonly step: string; readonly verdict: string | readonly string[] }

/** A step instance: `kind` names the code, `id` is unique in the plan and never reused. */
export type StepItem = {
  readonly type: 'step'
  readonly id: string
  readonly kind: string
  readonly title: string
  readonly input?: Json
  readonly when?: Condition
}

/** A gate on the artifact of the step directly before it. */
export type GateItem = {
  readonly type: 'gate'
  readonly id: string
  readonly name: string
  readonly title: string
  /** Step id of the item before this one. */
  readonly judges: string
  /** The step from which it is all done again when changes are asked for, by its first round; left out: what it judges. */
  readonly reworks?: string
  readonly policy: GatePolicy
  readonly when?: Condition
}

export type PlanItem = StepItem | GateItem

/** What a run will do, in order. Position only advances. */
export type Plan = readonly PlanItem[]

/** Throws a Defect when a plan breaks its own rules: unique ids, conditions on earlier items, each gate right behind what it judges. */
export function checkPlan(plan: Plan): void {
  assert(plan.length > 0, 'a plan has at least one item')
  const seen = new Set<string>()
  plan.forEach((item, index) => {
    assert(!seen.has(item.id), `plan item id ${item.id} is used twice`)
    if (item.when)
      assert(seen.has(item.when.step), `${item.id} depends on ${item.when.step}, which does not come before it`)
    if (item.type === 'gate') {
      const before = plan[index - 1]
      assert(
        before?.type === 'step' && before.id === item.judges,
        `gate ${item.id} must stand right behind ${item.judges}`,
      )
    }
    seen.add(item.id)
  })
}

/** First position from `from` on that runs, given the verdicts so far by first-round id; `plan.length` when none is left. */
export function nextPosition(plan: Plan, from: number, verdicts: Readonly<Record<string, string>>): number {
  for (let position = from; position < plan.length; position++) {
    const item = plan[position]
    if (item && runs(plan, item, verdicts)) return position
  }
  return plan.length
}

function runs(plan: Plan, item: PlanItem, verdicts: Readonly<Record<string, string>>): boolean {
  const fits = !item.when || [item.when.verdict].flat().includes(verdicts[rootOf(item.when.step)] ?? '')
  if (!fits || item.type === 'step') return fits
  const judged = plan.find((other) => other.id === item.judges)
  return judged !== undefined && runs(plan, judged, verdicts)
}

/**
 * The plan with a new round after the gate at `position`: what the gate names as its maker, up to the gate again, under
 * fresh ids. Items behind keep theirs. What people asked for reaches the steps through the run's decisions.
 */
export function withRework(plan: Plan, position: number): Plan {
  const gate = plan[position]
  const judged = plan[position - 1]
  assert(gate?.type === 'gate' && judged?.type === 'step', `position ${position} is not a gate behind a step`)
  const first = plan.filter(({ id }) => id === rootOf(id))
  const from = first.findIndex(({ id }) => id === (gate.reworks ?? rootOf(judged.id)))
  const to = first.findIndex(({ id }) => id === rootOf(gate.id))
  assert(from >= 0 && from < to, `gate ${gate.id} has no round to repeat from ${gate.reworks ?? judged.id}`)
  return withBlock(plan, position, first.slice(from, to + 1))
}

/** The plan with more items right behind `position`. Those that stand in it already are another round, under fresh ids. */
export function withBlock(plan: Plan, position: number, block: Plan): Plan {
  const rounds = new Map<string, number>()
  for (const { id } of plan) rounds.set(rootOf(id), Math.max(rounds.get(rootOf(id)) ?? 0, roundOf(id)))
  const fresh = (id: string): string => {
    const round = (rounds.get(rootOf(id)) ?? 0) + 1
    return round === 1 ? id : `${rootOf(id)}#${round}`
  }
  const added = block.map((item) =>
    item.type === 'step'
      ? { ...item, id: fresh(item.id) }
      : { ...item, id: fresh(item.id), judges: fresh(item.judges) },
  )
  const longer = [...plan.slice(0, position + 1), ...added, ...plan.slice(position + 1)]
  checkPlan(longer)
  return longer
}

/** `anchor#3` → 3; 1 for the first round. */
export const roundOf = (id: string): number => Number(/#(\d+)$/.exec(id)?.[1] ?? 1)

/** `anchor#3` → `anchor`: the id of the first round. */
export const rootOf = (id: string): string => id.replace(/#\d+$/, '')
