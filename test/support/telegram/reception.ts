import type { Command, Reply } from '../../../core/commands/command.ts'
import type { Json } from '../../../core/model/json.ts'
import type { Result } from '../../../core/model/problem.ts'
import { accepted, Fault, refused } from '../../../core/model/problem.ts'
import type { Caller, Pressed, Reception, Unsaid, Why } from '../../../bot/surface.ts'

/** A moment in the taking in of what somebody did: before it is durable, or after. */
export type Moment = (when: 'before' | 'after', deliveryId: string) => Promise<void>

export const awayFault = () =>
  new Fault({ code: 'TRANSIENT_NETWORK', message: 'the database is away', retryable: true })

/** A reception that keeps what was done, once per delivery, as the real one does in its database; `memory` outlives a process. */
export class RecordedReception implements Reception {
  readonly memory: Memory
  moment: Moment = () => Promise.resolve()
  answerTo: (command: Command) => Result<Reply> = () => accepted({ kind: 'gates', gates: [], page: 1, hasMore: false })
  pressTo: (data: string) => Result<Pressed> = () => refused('not_found', 'This button is no longer known.')
  beginTo: (command: Unsaid) => Result<Why> = (command) => accepted({ kind: 'reason', command, prompt: 'Why?' })

  constructor(memory = new Memory()) {
    this.memory = memory
  }

  ask(caller: Caller, command: Command): Promise<Result<Reply>> {
    return this.#once(caller, () => {
      this.memory.asked.push({ caller, command })
      return this.answerTo(command)
    })
  }

  press(caller: Caller, data: string): Promise<Result<Pressed>> {
    return this.#once(caller, () => {
      this.memory.pressed.push({ caller, data })
      return this.pressTo(data)
    })
  }

  begin(caller: Caller, command: Unsaid): Promise<Result<Why>> {
    return this.#once(caller, () => this.beginTo(command))
  }

  expectWords(caller: Caller, prompt: string, command: Unsaid): Promise<void> {
    this.memory.expected.set(`${caller.address} ${prompt}`, { account: caller.account, command, takenBy: null })
    return Promise.resolve()
  }

  takeWords(caller: Caller, prompt: string): Promise<Unsaid | null> {
    const expected = this.memory.expected.get(`${caller.address} ${prompt}`)
    if (!expected || expected.account !== caller.account) return Promise.resolve(null)
    if (expected.takenBy !== null && expected.takenBy !== caller.deliveryId) return Promise.resolve(null)
    expected.takenBy = caller.deliveryId
    return Promise.resolve(expected.command)
  }

  async deny(caller: Caller, why: string): Promise<void> {
    await this.#once(caller, () => this.memory.denied.push({ caller, why }))
  }

  quarantine(source: string, deliveryId: string, body: Json, why: string): Promise<void> {
    this.memory.quarantined.push({ source, deliveryId, body, why })
    return Promise.resolve()
  }

  async #once<T>({ deliveryId }: Caller, work: () => T): Promise<T> {
    await this.moment('before', deliveryId)
    if (!this.memory.answers.has(deliveryId)) this.memory.answers.set(deliveryId, work())
    await this.moment('after', deliveryId)
    return this.memory.answers.get(deliveryId) as T
  }
}

/** What is durable. */
export class Memory {
  readonly answers = new Map<string, unknown>()
  readonly asked: { readonly caller: Caller; readonly command: Command }[] = []
  readonly pressed: { readonly caller: Caller; readonly data: string }[] = []
  readonly denied: { readonly caller: Caller; readonly why: string }[] = []
  readonly quarantined: { source: string; deliveryId: string; body: Json; why: string }[] = []
  readonly expected = new Map<string, { account: string; command: Unsaid; takenBy: string | null }>()
}
