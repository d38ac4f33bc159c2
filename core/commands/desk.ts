import type { Actor } from '../model/actor.ts'
import type { Pipeline, Recipes } from '../pipeline.ts'
import type { Database, Executor } from '../store/database.ts'
import type { People } from '../store/people.ts'
import type { Command } from './command.ts'

/** What commands need of the process: the database and who is in it, the recipes, and a way to say that runs became ready. */
export type Desk = {
  readonly db: Database
  readonly people: People
  readonly recipes: Recipes
  /** The pipelines a person may start, by name. */
  readonly pipelines: Readonly<Record<string, Pipeline>>
  readonly webhooks: {
    /** What signs the deliveries of an endpoint: the same whenever asked, and known to nobody else. */
    readonly secretOf: (webhookId: string) => string
    /** Hosts that webhooks may go to; null: any public host. */
    readonly allowedHosts: readonly string[] | null
    /** False for a host that is known not to be public; not given: it is found out when something is sent. */
    readonly isPublic?: (host: string) => boolean
  }
  /** Null: no mail can be sent. */
  readonly mail: {
    /** Mails a code to whoever reads an address. Throws a Fault: PRECONDITION_FAILED where the address takes no mail. */
    sendCode(address: string, code: string): Promise<void>
  } | null
  /** Wakes this process's own worker, if it has one. */
  readonly poke: () => void
  /** Told of each try that was denied, with the surface: most are in no audit. */
  readonly onDenial?: (surface: string) => void
  /** Told when a delivery had its answer already and only hears it again. */
  readonly onRepeat?: () => void
}

/** A command inside its transaction: who asks, under which delivery, and what it may use. */
export type Request<C extends Command = Command> = {
  readonly tx: Executor
  readonly desk: Desk
  readonly actor: Actor
  readonly command: C
  readonly deliveryId: string
}
