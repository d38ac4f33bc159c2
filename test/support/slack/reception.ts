import type { Command, Reply } from '../../../core/commands/command.ts'
import { accepted, type Result, refused } from '../../../core/model/problem.ts'
import type { Caller, Pressed, Reception } from '../../../bot/surface.ts'

/** A reception that keeps what reaches it, and does each delivery once, as the real one does. */
export type RecordedReception = Reception & {
  readonly asked: { readonly caller: Caller; readonly command: Command }[]
  readonly pressed: { readonly caller: Caller; readonly data: string }[]
  readonly denied: { readonly caller: Caller; readonly why: string }[]
  /** How the next things are answered; each test sets what it needs. */
  answer: (command: Command) => Promise<Result<Reply>> | Result<Reply>
  pressing: (data: string) => Promise<Result<Pressed>> | Result<Pressed>
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
    denied: [],
    answer: () => accepted({ kind: 'gates', gates: [] }),
    pressing: () => refused('stale', 'This button is no longer good.', 'Look at the newest card.'),
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
