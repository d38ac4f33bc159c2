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

/** A place where people are: it takes what they ask for until it is stopped. Every surface has this shape. */
export interface Surface {
  readonly name: string
  /** Resolves when the surface has ended by itself (a terminal was left) or was stopped. */
  start(): Promise<void>
  stop(): Promise<void>
}

/** A surface that is told of each public event in turn. */
export interface Listener {
  readonly name: string
  /** Throws a Fault when the surface is away; the message is sent again later. */
  send(message: Message): Promise<void>
}

/** What a network vouches for: this account of it did something, here. */
export type Caller = {
  readonly surface: string
  /** The person's stable id on the network, never a chat's: `5512`, `T01/U02`. */
  readonly account: string
  /** What the network calls them, for their own screen and for cards. */
  readonly label: string
  /** Where it happened, in the surface's own spelling: `-1002/17`, `T01/C02`. */
  readonly address: string
  /** Codes and personal answers go to private places only. */
  readonly isPrivate: boolean
  /** The network's own id of the event; a repeat has the same. Unique per surface. */
  readonly deliveryId: string
}

/** A decision that still lacks its words. */
export type Unsaid = Omit<Extract<Command, { kind: 'reject' | 'changes' }>, 'reason'>

/** The person must say why first: ask them, then hand the whole command to `ask`. */
export type Why = { readonly kind: 'reason'; readonly command: Unsaid; readonly prompt: string }

/** What came of a button. */
export type Pressed = { readonly kind: 'reply'; readonly reply: Reply } | Why

/** Where every chat network brings what people do. Roles are read at that moment; nothing is decided in a surface. */
export interface Reception {
  /** Does what was typed, in one transaction; the answer is durable when this resolves. Throws a Fault when nothing is known to have happened. */
  ask(caller: Caller, command: Command): Promise<Result<Reply>>
  /** Does what a button stands for. `data` is what the button carried; it must have been shown at the caller's address. */
  press(caller: Caller, data: string): Promise<Result<Pressed>>
  /** What to ask of a person who typed a decision without its words; refused where no words could make it count. */
  begin(caller: Caller, command: Unsaid): Promise<Result<Why>>
  /** Keeps a decision that waits for its words under the message that asked for them. */
  expectWords(caller: Caller, prompt: string, command: Unsaid): Promise<void>
  /** The decision a reply completes, once, for the person who began it; null when the message asked for nothing. */
  takeWords(caller: Caller, prompt: string): Promise<Unsaid | null>
  /** Audits that somebody who cannot be a person of ours (a bot, an anonymous admin, a guest) tried something. */
  deny(caller: Caller, why: string): Promise<void>
  /** Puts aside what could not be taken in after many tries, loudly, so that the rest goes on. */
  quarantine(source: string, deliveryId: string, body: Json, why: string): Promise<void>
}

/** A button under a message. It carries an opaque id and grants nothing. */
export type Button = {
  /** Reads alone: `Approve ANCHOR.md`. */
  readonly label: string
  /** At most 64 bytes. */
  readonly data: string
  readonly style: 'plain' | 'primary' | 'danger'
  /** A question to confirm first, for what cannot be undone; null: none. */
  readonly confirm: string | null
}

/** A message as it must look, whatever the network. */
export type Post = {
  /** Plain text, most important first; the first line is the title. At most 1,500 characters together. */
  readonly lines: readonly string[]
  /** Addresses in the lines that are ours, for people to follow: where a network makes no links by itself, only these become one. */
  readonly links?: readonly string[]
  readonly buttons: readonly Button[]
  /** The message this belongs under: a thread's root, or what it replies to. */
  readonly under: Place | null
  /** False: nobody's phone need ring. */
  readonly isLoud: boolean
}

/** What the network calls a message that was sent, as it needs it to edit: `{"message": 17}`, `{"ts": "17.2"}`. */
export type Place = Json

/** A surface whose messages can be sent and redrawn. Both throw a Fault; RATE_LIMIT carries `retryAfterMs`. */
export interface Board {
  readonly name: string
  /** The least time between two messages to one address. */
  readonly paceMs: number
  post(address: string, post: Post): Promise<Place>
  /** Redraws a message. Answers with its place, which is a new one where the old message is gone. */
  edit(address: string, place: Place, post: Post): Promise<Place>
}
