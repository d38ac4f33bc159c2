import { setImmediate as turn } from 'node:timers/promises'
import { rootOf } from '../model/plan.ts'
import type { AskedBefore, CallText, ModelCall } from '../ports.ts'
import type { Database } from '../store/database.ts'
import type { CallRecord, KeptText } from '../store/model-call.ts'
import { findAnswer, insertCalls } from '../store/model-call.ts'
import { Lane } from './lane.ts'
import type { EngineLog, TextSettings } from './settings.ts'

/** Keeps what calls of models were, for all the runs of one worker; what comes at once goes to the database at once. */
export class CallBook {
  readonly #db: Database
  readonly #texts: TextSettings
  readonly #log: EngineLog
  readonly #records: Lane<Omit<CallRecord, 'texts'>, true>

  constructor(db: Database, { texts, log }: { readonly texts: TextSettings; readonly log: EngineLog }) {
    this.#db = db
    this.#texts = texts
    this.#log = log
    // Each may carry a question of some hundred thousand characters.
    this.#records = new Lane(async (calls) => {
      const records: CallRecord[] = []
      for (const each of calls) records.push({ ...each, texts: await this.#textsOf(each.call) })
      await insertCalls(db, records)
      return records.map(() => true as const)
    }, 16)
  }

  /** Never rejects: a record that cannot be kept is an error in the log, and no reason to lose an answer. */
  async record(
    run: string,
    step: string,
    { id, call }: { readonly id: string; readonly call: ModelCall },
  ): Promise<void> {
    try {
      await this.#records.submit({ run, id, step, call })
    } catch (error) {
      this.#log('error', 'a call of a model could not be recorded', { run, call: id, error })
    }
  }

  /** Resolves when what was to be kept by now is, or cannot be. */
  idle(): Promise<void> {
    return this.#records.idle()
  }

  /** What the same question was answered with before; null too where nobody can say now. */
  async recall(run: string, step: string, asked: AskedBefore): ReturnType<typeof findAnswer> {
    if (!this.#texts.areKept) return null
    try {
      return await findAnswer(this.#db, { run, rootStep: rootOf(step) }, asked)
    } catch (error) {
      this.#log('warn', 'earlier answers could not be looked up', { run, error })
      return null
    }
  }

  /** In a turn of the event loop of its own: to look for secrets takes milliseconds, and a thousand calls may end at once. */
  async #textsOf({ question, answer }: ModelCall): Promise<readonly KeptText[]> {
    await turn()
    return [question, ...(answer ? [answer] : [])].flatMap((text) => this.#kept(text))
  }

  #kept({ sha256, text }: CallText): readonly KeptText[] {
    if (!this.#texts.areKept || text === null) return []
    // Postgres holds no NUL and no half of a letter: a text that had one is not what it was either.
    const kept = this.#texts.redact(text).replaceAll('\0', '').toWellFormed()
    return [{ sha256, text: kept, isRedacted: kept !== text }]
  }
}
