import { expect, test } from 'vitest'
import { hasSandbox } from '../support/has-sandbox.ts'
import { besideSandbox, hostile, type Limit } from './neighbours.ts'

test.runIf(hasSandbox).each(Object.keys(hostile) as Limit[])(
  'while a sandbox is driven into its limit of %s with two programs that burn the processors, other runs keep four fifths of their pace',
  async (limit) => {
    const { alone, beside, ended } = await besideSandbox(limit, { rounds: 5, roundMs: 2_000 })
    process.stdout.write(
      `${limit}: ${alone.toFixed(0)} steps/s alone, ${beside.toFixed(0)} beside it (${(beside / alone).toFixed(2)}), ended ${ended.length} times\n`,
    )
    expect(ended.length).toBeGreaterThan(0)
    // A shell that may begin nothing more may end by itself.
    const isDue = (how: string): boolean => how === hostile[limit].ends || (limit === 'processes' && how === 'exited')
    expect(ended.filter((how) => !isDue(how))).toEqual([])
    expect(beside / alone).toBeGreaterThanOrEqual(0.8)
  },
)
