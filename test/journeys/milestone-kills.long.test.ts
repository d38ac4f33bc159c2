import { expect, test } from 'vitest'
import { hasSandbox } from '../support/has-sandbox.ts'
import { dieAt, points } from './milestone-kills.ts'

test.runIf(hasSandbox).each(['github', 'folder'] as const)(
  'a worker that is killed at any crash point of a milestone has it merged once, the same tree, on %s',
  { timeout: 1_800_000 },
  async (host) => {
    const chosen = points.filter((point) => (point.host ?? host) === host)
    const { died, wrong, tookMs } = await dieAt(host, chosen)
    const [sum, most] = [tookMs.reduce((total, ms) => total + ms, 0), Math.max(...tookMs)]
    process.stdout.write(
      `${host}: ${died.length} points in ${(sum / 1_000).toFixed(0)} s, none longer than ${(most / 1_000).toFixed(1)} s\n`,
    )
    expect(wrong).toEqual([])
    expect(died).toEqual(chosen.map(({ name }) => name))
  },
)
