import { appendFile, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { kind, pipelineOf } from './recipe.ts'

/** `target` is a file that gets the number of each process that tried; `branch` is how many of them die of it. */
const order = z.object({ target: z.string(), branch: z.string() })

/** Kills the process it runs in, so often; after that it does nothing until it is stopped. */
const poison = pipelineOf('poison', {
  poison: kind(
    async (ctx) => {
      const { target, branch } = order.parse(ctx.input)
      await appendFile(target, `${process.pid}\n`)
      if ((await triesIn(target)).length <= Number(branch)) process.kill(process.pid, 'SIGKILL')
      await delay(60_000, undefined, { signal: ctx.signal })
      return { kind: 'done', output: null }
    },
    { onPause: 'abort' },
  ),
})

const slow = kind(async () => {
  await delay(300)
  return { kind: 'done', output: null }
})

/** Three steps that take long enough to be aboard when a process dies. */
const healthy = pipelineOf('healthy', { first: slow, second: slow, third: slow })

export const dangerous = { poison, healthy }

/** The processes that tried a poisoned step, in order. */
export async function triesIn(file: string): Promise<readonly number[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.split('\n').filter(Boolean).map(Number)
}
