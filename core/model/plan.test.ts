import { expect, test } from 'vitest'
import type { Plan, PlanItem } from './plan.ts'
import { checkPlan, withBlock, withRework } from './plan.ts'
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

const ids = (plan: Plan): string[] => plan.map(({ id }) => id)

test('a loop is another round under fresh ids, however often it goes round', () => {
  const once = withBlock(steps('make', 'test', 'end'), 1, steps('make', 'test'))
  expect(ids(once)).toEqual(['make', 'test', 'make#2', 'test#2', 'end'])
  expect(ids(withBlock(once, 3, steps('make', 'test')))).toEqual([
    'make',
    'test',
    'make#2',
    'test#2',
    'make#3',
    'test#3',
    'end',
  ])
})

test('a gate that names its maker has everything since made again, loops in between once', () => {
  const judged: PlanItem = { ...gate, id: 'gate', judges: 'shown', reworks: 'make' } as PlanItem
  const looped = withBlock(
    [...steps('read', 'make', 'test', 'shown'), judged, ...steps('end')],
    2,
    steps('make', 'test'),
  )
  const again = withRework(looped, 6)
  expect(ids(again).slice(5)).toEqual(['shown', 'gate', 'make#3', 'test#3', 'shown#2', 'gate#2', 'end'])
  expect(again[10]).toMatchObject({ judges: 'shown#2', reworks: 'make' })
})
