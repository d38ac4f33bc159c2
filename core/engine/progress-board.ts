import { setImmediate as turn } from 'node:timers/promises'
import type { Database } from '../store/database.ts'
import { sayProgress } from '../store/progress.ts'
import type { EngineLog } from './settings.ts'

/** The shortest time between two writes; every run that said something meanwhile is in the next one. */
const everyMs = 1_000

/** Longer ones fit no line. */
const longest = 200

type Said = { readonly run: string; readonly step: string; readonly text: string; readonly signal: AbortSignal }

/**
 * What the steps of one worker say they are doing: kept in memory, and written together at most once a second, the last
 * word of each run. What a step said before it ended is not written after. Nothing here ever fails a step.
 */
export class ProgressBoard {
  readonly #db: Database
  readonly #log: EngineLog
  readonly #said = new Map<string, Said>()
  #isWriting = false

  constructor(db: Database, log: EngineLog) {
    this.#db = db
    this.#log = log
  }

  say(said: Said): void {
    if (said.signal.aborted) return
    this.#said.set(said.run, { ...said, text: said.text.slice(0, longest) })
    if (!this.#isWriting) void this.#write()
  }

  async #write(): Promise<void> {
    this.#isWriting = true
    while (this.#said.size > 0) {
      // All else of this turn of the event loop shall ride together.
      await turn()
      const said = [...this.#said.values()].filter(({ signal }) => !signal.aborted)
      this.#said.clear()
      const rows = said.map(({ run, step, text }) => ({ run, step, text }))
      if (rows.length > 0)
        await this.#db.run(sayProgress, { said: rows }).catch((error: unknown) => {
          this.#log('warn', 'the progress of steps could not be written', { error })
        })
      await new Promise((resolve) => setTimeout(resolve, everyMs).unref())
    }
    this.#isWriting = false
  }
}
