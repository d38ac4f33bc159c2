import type { Command, Reply } from '../../../core/commands/command.ts'
import { accepted, type Result, refused } from '../../../core/model/problem.ts'
import type { Caller, Pressed, Reception, Unsaid, Why } from '../../../bot/surface.ts'

/** A reception that keeps what reaches it, and does each delivery once, as the real one does. */
export type RecordedReception = Reception & {
  readonly asked: { readonly caller: Caller; readonly command: Command }[]
  readonly pressed: { readonly caller: Caller; readonly data: string }[]
  readonly begun: { readonly caller: Caller; readonly command: Unsaid }[]
  readonly denied: { readonly caller: Caller; readonly why: string }[]
  /** How the next things are answered; each test sets what it needs. */
  answer: (command: Command) => Promise<Result<Reply>> | Result<Reply>
  pressing: (data: string) => Promise<Result<Pressed>> | Result<Pressed>
  beginning: (command: Unsaid) => Result<Why>
}

export function recordReception(): RecordedReception {
  const done = new Map<string, Promise<unknown>>()
  const once = <T>(deliveryId: string, work: () => Promise<T>): Promise<T> => {
    const known = (done.get(deliveryId) as Promise<T> | undefined) ?? work()
    done.set(deliveryId, known)
    return known
  }
  const reception: RecordedReception = {
    asked: [],
    pressed: [],
    begun: [],
    denied: [],
    answer: () => accepted({ kind: 'gates', gates: [], page: 1, hasMore: false }),
    pressing: () => refused('stale', 'This button is no longer good.', 'Look at the newest card.'),
    beginning: (command) => accepted({ kind: 'reason', command, prompt: 'Why?' }),
    ask: (caller, command) =>
      once(caller.deliveryId, async () => {
        reception.asked.push({ caller, command })
        return reception.answer(command)
      }),
    press: (caller, data) =>
      once(caller.deliveryId, async () => {
        reception.pressed.push({ caller, data })
        return reception.pressing(data)
      }),
    begin: (caller, command) =>
      once(caller.deliveryId, async () => {
        reception.begun.push({ caller, command })
        return reception.beginning(command)
      }),
    expectWords: () => Promise.reject(new Error('Slack asks in a form')),
    takeWords: () => Promise.resolve(null),
    deny: (caller, why) => {
      reception.denied.push({ caller, why })
      return Promise.resolve()
    },
    quarantine: () => Promise.resolve(),
  }
  return reception
}
