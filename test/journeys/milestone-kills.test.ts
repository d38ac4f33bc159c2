import { expect, test } from 'vitest'
import { hasSandbox } from '../support/has-sandbox.ts'
import { dieAt, points } from './milestone-kills.ts'

// Those that cost most when they go wrong; all of them are in the long tests.
const chosen = points.filter(({ name }) =>
  ['agent: at work, its next call under way', 'merge: made, not yet noted'].includes(name),
)

test.runIf(hasSandbox)(
  'a worker killed while its agent works, and one killed before it knew of its merge, leave one change, merged once',
  { timeout: 120_000 },
  async () => {
    expect(await dieAt('folder', chosen)).toMatchObject({ died: chosen.map(({ name }) => name), wrong: [] })
    expect(chosen).toHaveLength(2)
  },
)
