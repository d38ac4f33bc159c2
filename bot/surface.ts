import type { Command, Reply } from '../core/commands/command.ts'
import type { Json } from '../core/model/json.ts'
import type { Result } from '../core/model/problem.ts'

/** Asks for something as the person at this surface; the same delivery id again hears the same answer. */
export type Ask = (command: Command, deliveryId: string) => Promise<Result<Reply>>

/** Something to tell, about one run. `topic` is the event's name. */
export type Message = {
  readonly runId: string
  readonly handle: string
  readonly topic: string
  readonly payload: Json
}

/** A place where people are: it takes commands and is told what happened. Every surface has this shape. */
export interface Surface {
  readonly name: string
  /** Resolves when the surface has ended by itself (a terminal was left) or was stopped. */
  start(): Promise<void>
  /** Tells people. Throws a Fault when the surface is away; the message is sent again later. */
  send(message: Message): Promise<void>
  stop(): Promise<void>
}
