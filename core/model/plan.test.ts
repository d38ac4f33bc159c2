import { expect, test } from 'vitest'
import type { Plan, PlanItem } from './plan.ts'
import { checkPlan } from './plan.ts'
import { gated, steps } from './test-run.ts'

const [make, gate] = gated as readonly [PlanItem, PlanItem]

test.each<[string, Plan, string]>([
  ['an empty plan is not a success: no run can have one', [], 'at least one item'],
  ['two items of one id', [...steps('a'), ...steps('a')], 'a is used twice'],
  ['a gate on nothing', [gate], 'must stand right behind'],
  ['a gate that stands elsewhere', [make, ...steps('b'), gate], 'must stand right behind'],
  [
    'a condition on what comes later',
    [{ type: 'step', id: 'a', kind: 'a', title: 'a', when: { step: 'b', verdict: 'yes' } }, ...steps('b')],
    'does not come before',
  ],
])('%s is refused', (_, plan, why) => {
  expect(() => checkPlan(plan)).toThrow(why)
})

test('a plan of steps and the gates right behind them is one', () => {
  expect(() => checkPlan([...gated])).not.toThrow()
})
