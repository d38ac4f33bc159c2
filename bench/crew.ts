import { openKeyFiles } from '../adapters/key-files/key-files.ts'
import { productionBackoff } from '../core/model/retry.ts'
import { Worker } from '../core/engine/worker.ts'
import type { EngineSettings } from '../core/engine/settings.ts'
import type { Pipeline } from '../core/pipeline.ts'
import type { Executor } from '../core/store/database.ts'
import { Database } from '../core/store/database.ts'
import { People } from '../core/store/people.ts'
import type { Parameter, Statement } from '../core/store/statement.ts'
import type { Address } from './bed.ts'
import { keysDir, poolOptions } from './bed.ts'
import { draft } from './recipes.ts'

const noCap = { capMicros: null, capTokens: null }

const settings: EngineSettings = {
  leaseMs: 30_000,
  beatMs: 10_000,
  reapMs: 5_000,
  pollMs: 1_000,
  concurrency: 256,
  actorCap: null,
  backoff: productionBackoff,
  deathsAloneAllowed: 3,
  graceMs: 5_000,
  money: { zone: 'UTC', projectDay: noCap, actorDay: noCap, instanceDay: noCap, hour: noCap, minute: noCap },
  texts: { areKept: true, redact: (text) => text },
}

/** A worker that knows one recipe, under production times unless told otherwise. */
export function workerOn(db: Database, pipeline: Pipeline, changed: Partial<EngineSettings> = {}): Worker {
  return new Worker({
    db,
    people: new People(openKeyFiles(keysDir)),
    recipes: (name) => (name === pipeline.name ? pipeline : null),
    settings: { ...settings, ...changed },
    log: (level, message, fields) => {
      if (level === 'error') console.error(message, fields)
    },
    isolate: async () => undefined,
  })
}

type Params<Name extends string> = Readonly<Record<Name, Parameter>>

/** The engine's own pool, which also says how many runs each commit has ended. */
export class WatchedDatabase extends Database {
  readonly #onEnded: (runs: number) => void

  constructor(address: Address, onEnded: (runs: number) => void) {
    super(address, poolOptions(8))
    this.#onEnded = onEnded
  }

  override async run<Name extends string, Row>(asked: Statement<Name, Row>, params: Params<Name>): Promise<Row[]> {
    const rows = await super.run(asked, params)
    this.#onEnded(endedBy(asked.name, params))
    return rows
  }

  override async transaction<T>(work: (tx: Executor) => Promise<T>): Promise<T> {
    let ended = 0
    const result = await super.transaction((tx) => {
      ended = 0
      return work({
        run: async (asked, params) => {
          const rows = await tx.run(asked, params)
          ended += endedBy(asked.name, params)
          return rows
        },
      })
    })
    this.#onEnded(ended)
    return result
  }
}

/** With one worker and nobody else, every transition that was sent is written. */
function endedBy(statement: string, params: Readonly<Record<string, Parameter>>): number {
  const { transitions } = params
  if (statement !== 'apply_transitions' || !Array.isArray(transitions)) return 0
  return transitions.filter((each: { readonly is_over?: boolean }) => each.is_over === true).length
}

/** The whole engine on `address`: drives runs with exactly `inFlight` of them started and not ended. */
export async function engineOn(address: Address, pipeline: Pipeline, inFlight: number) {
  let onEnded: (runs: number) => void = () => undefined
  const db = new WatchedDatabase(address, (runs) => onEnded(runs))
  const worker = workerOn(db, pipeline, { concurrency: inFlight })
  await worker.begin()
  /** Resolves with the seconds that `count` runs took. */
  const drive = async (count: number): Promise<number> => {
    const startedAt = performance.now()
    await new Promise<void>((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error(`${count} runs did not end within 120 s`)), 120_000)
      let started = 0
      let ended = 0
      const startNext = (): void => {
        if (started++ < count) worker.start(draft(pipeline)).catch(reject)
      }
      onEnded = (runs) => {
        ended += runs
        for (let n = 0; n < runs; n++) startNext()
        if (ended < count || runs === 0) return
        clearTimeout(deadline)
        resolve()
      }
      for (let n = 0; n < inFlight; n++) startNext()
    })
    return (performance.now() - startedAt) / 1000
  }
  const stop = async (): Promise<void> => {
    await worker.stop()
    await db.close()
  }
  return { drive, stop }
}
