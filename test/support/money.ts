import { createBuiltinAuthor } from '../../adapters/builtin-author/author.ts'
import type { Author } from '../../core/ports.ts'
import { draftOf } from '../../core/store/draft-run.ts'
import { startRuns } from '../../core/store/start.ts'
import { uuidv7 } from '../../core/store/uuid.ts'
import { insertWorker } from '../../core/store/worker.ts'
import type { Ask, Level } from '../../core/store/call.ts'
import { reserve } from '../../core/store/reserve.ts'
import { openTestHouse } from './house.ts'
import { kind, pipelineOf } from './recipe.ts'
import { openSession, type ServerConnection } from './administer.ts'

/** A run aboard a worker of this test, and the means to reserve for it. */
export async function atTheTill(capMicros = 1_000_000_000) {
  const house = await openTestHouse()
  const worker = uuidv7()
  await house.db.run(insertWorker, { worker, leaseMs: 600_000, description: 'test' })
  const recipe = pipelineOf(
    'spend',
    { s: kind(() => Promise.resolve({ kind: 'done', output: null })) },
    { cap: { micros: capMicros, tokens: 1_000_000 } },
  )
  const starter = { startedBy: house.actor.id, correlationId: uuidv7(), projectId: null, priority: 0, retryOf: null }
  const [run] = await startRuns(house.db, [draftOf(recipe, null, starter)], worker)
  if (!run) throw new Error('no run')
  const ask = (levels: readonly Level[], micros = 1): Ask => ({
    run: run.id,
    fence: run.fence,
    id: uuidv7(),
    step: 's',
    purpose: 'call',
    micros,
    tokens: 1,
    levels,
  })
  return { house, worker, run, ask }
}

const levels: readonly Level['level'][] = ['step', 'task', 'project-day', 'actor-day', 'instance-day', 'hour', 'minute']

type Till = Awaited<ReturnType<typeof atTheTill>>

/** How forty ask: for a level that has no row yet, or for one that has; each for itself, or as one batch. */
const ways = ['one by one, the level is new', 'one by one', 'one batch'] as const

/** Forty race for ten units at each level, as many rounds; answers with the rounds in which not exactly ten were granted. */
export async function race({ house, worker, ask }: Till, rounds: number): Promise<readonly string[]> {
  const wrong: string[] = []
  for (let round = 0; round < rounds; round++)
    for (const level of levels)
      for (const way of ways) {
        // An hour may end under the race: a part of time that nothing ends in is no less one.
        const period = level.endsWith('day') ? 'day' : null
        const cap: Level = { level, about: `${round} ${way}`, period, zone: 'UTC', capMicros: 10, capTokens: null }
        if (way !== 'one by one, the level is new') await reserve(house.db, worker, [ask([cap], 0)])
        const asks = Array.from({ length: 40 }, () => ask([cap]))
        const answers =
          way === 'one batch'
            ? await reserve(house.db, worker, asks)
            : (await Promise.all(asks.map((each) => reserve(house.db, worker, [each])))).flat()
        const granted = answers.filter((answer) => answer.granted).length
        if (granted !== 10) wrong.push(`${level}, ${way}, round ${round}: ${granted}`)
      }
  return wrong
}

type Row = { level: string; key: string; spent_micros: string; reserved_micros: string }

/** What the levels hold, as an observer sees it. */
export async function readSpending(connection: ServerConnection): Promise<readonly Row[]> {
  const session = openSession(connection)
  try {
    return await session.unsafe<Row[]>(
      'select level, key, spent_micros, reserved_micros from app.spending order by level, key',
    )
  } finally {
    await session.end()
  }
}

/** The built-in author, whose every anchor and suite costs so much, in millionths of a dollar. */
export function spendingAuthor({ worst, used }: { readonly worst: number; readonly used: () => number }): Author {
  const author = createBuiltinAuthor()
  const paying =
    (write: Author['writeAnchor']): Author['writeAnchor'] =>
    async (request, desk) => {
      const held = await desk.reserve({ micros: worst, tokens: 1_000 }, 'writing')
      await held.settle({ micros: used(), tokens: 100 })
      return write(request, desk)
    }
  return {
    ...author,
    writeAnchor: paying((...asked) => author.writeAnchor(...asked)),
    writeSuite: paying((...asked) => author.writeSuite(...asked)),
  }
}
