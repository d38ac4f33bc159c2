import { expect, test } from 'vitest'
import { dieAt, points } from './kills.ts'

// The two that cost most when they go wrong; all of them are in the long tests.
const chosen = points.filter(({ name }) =>
  ['decision: made, not yet committed', 'effect: the pull request made, not yet recorded'].includes(name),
)

test('a bot killed in the middle of a decision, and a worker killed before it knew of its pull request, lose nothing and repeat nothing', {
  timeout: 120_000,
}, async () => {
  expect(await dieAt(chosen)).toEqual(chosen.map(({ name }) => name))
  expect(chosen).toHaveLength(2)
})
