import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import type { Reply } from '../../core/commands/command.ts'
import type { Result } from '../../core/model/problem.ts'
import { agreed, cardWhen, isAtEnd, openTestHouse, type TestHouse } from '../support/house.ts'
import { kind, pipelineOf, startRunOf } from '../support/recipe.ts'

type Start = { readonly run: string; readonly step: string; readonly at: number }

/** How long after an acknowledged pause a step may still begin. */
const graceMs = 1_000

const stepCount = 12

/**
 * Runs of twelve short steps, every other one of which is aborted by a pause; each is paused in the middle of one of its
 * steps, looked at for longer than a step may still begin, resumed by two people at once, and taken to its end.
 */
export async function pauseRounds(rounds: number, atOnce: number) {
  const starts: Start[] = []
  const busy = new Map<string, number>()
  const begun = new Map<string, () => void>()
  const body = (onPause: 'finish' | 'abort') =>
    kind(
      async ({ runId: run, stepId: step, signal }) => {
        starts.push({ run, step, at: performance.now() })
        busy.set(run, (busy.get(run) ?? 0) + 1)
        begun.get(`${run} ${step}`)?.()
        try {
          await delay(30, null, { signal: onPause === 'abort' ? signal : undefined })
        } finally {
          busy.set(run, (busy.get(run) ?? 0) - 1)
        }
        return { kind: 'done', output: busy.get(run) ?? 0 }
      },
      { onPause },
    )
  const names = Array.from({ length: stepCount }, (_, n) => `s${n}`)
  const steps = Object.fromEntries(names.map((name, n) => [name, body(n % 2 === 0 ? 'abort' : 'finish')]))
  const house = await openTestHouse({ march: pipelineOf('march', steps) })
  await house.work()
  let inTime = 0
  const round = async (n: number): Promise<void> => {
    const run = await startRunOf(house, 'march')
    await new Promise<void>((resolve) => begun.set(`${run.id} s${2 + (n % 7)}`, resolve))
    agreed(await house.ask({ kind: 'pause', run: run.handle }))
    const acknowledgedAt = performance.now()
    await cardWhen(house, run.handle, ({ state }) => state === 'paused')
    // Longer than a step may still begin: that none does is what is looked for.
    await delay(Math.max(0, acknowledgedAt + graceMs + 200 - performance.now()))
    const before = starts.filter((start) => start.run === run.id)
    if (before.every(({ at }) => at <= acknowledgedAt + graceMs)) inTime++
    expect(busy.get(run.id), 'nothing runs in a paused run').toBe(0)
    await resumeTwice(house, run.handle)
    await cardWhen(house, run.handle, isAtEnd)
    const after = starts.filter((start) => start.run === run.id).slice(before.length)
    const left = stepCount - after.length
    // Each that was left has begun once, in order; only the first may have begun before, where the pause aborted it.
    expect(after.map(({ step }) => step)).toEqual(names.slice(left))
    expect(before.map(({ step }) => step).slice(0, left)).toEqual(names.slice(0, left))
    expect(before.length - left).toBeLessThanOrEqual(1)
  }
  for (let from = 0; from < rounds; from += atOnce)
    await Promise.all(Array.from({ length: Math.min(atOnce, rounds - from) }, (_, n) => round(from + n)))
  return { inTime, steps: starts.length }
}

async function resumeTwice(house: TestHouse, run: string): Promise<void> {
  const resume = (): Promise<Result<Reply>> => house.ask({ kind: 'resume', run })
  const answers = await Promise.all([resume(), resume()])
  expect(
    answers.filter(({ ok }) => ok),
    'one of them did it',
  ).toHaveLength(1)
}
